/** Who comes in, as whom, and who does not: the rules of a login as a table. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Wall } from '../../base/clock.ts'
import { MINUTE_MS } from '../../base/clock.ts'
import { Secret } from '../../base/secret.ts'
import { PeopleWorld } from '../../../test/support/people-world.ts'
import { findUser } from '../model/people.ts'
import type { Provider, Ticket, User } from '../model/records.ts'
import type { Claims } from './claims.ts'
import { groupNames, loginNameOf } from './claims.ts'
import type { Settled } from './sign-in.ts'

const ISSUER = 'https://id.example.com'
const ada: Claims = { issuer: ISSUER, subject: 'ada', email: 'ada@example.com', displayName: 'Ada', groups: [] }

interface Row {
  readonly name: string
  /** What is there before. */
  readonly given?: (world: PeopleWorld) => Promise<unknown>
  readonly claims?: Omit<Partial<Claims>, 'email'> & { readonly email?: string | undefined }
  readonly provider?: Partial<Provider>
  readonly ticket?: Partial<Ticket>
  readonly again?: (world: PeopleWorld) => number
  /** Login name and status; or what a refused person reads. */
  readonly want: { readonly user: string; readonly status?: User['status']; readonly role?: User['role'] } | RegExp
}

const domains = (...names: string[]): Partial<Provider> => ({
  admits: { anyone: false, domains: names, groups: [], users: [] },
})
const nobody = domains()
const knows =
  (claims: Partial<Claims> = {}) =>
  async (world: PeopleWorld) =>
    assert.equal((await world.settle({ ...ada, ...claims })).kind, 'user')

const rows: readonly Row[] = [
  { name: 'a stranger of a listed domain', want: { user: 'ada@example.com', role: 'member' } },
  {
    name: 'a stranger of that domain in capitals',
    claims: { email: 'Ada@EXAMPLE.com' },
    want: { user: 'Ada@EXAMPLE.com' },
  },
  { name: 'a stranger of another domain', provider: domains('other.org'), want: /ada@example\.com is not let into/ },
  { name: 'a stranger of a domain that ends alike', claims: { email: 'a@evilexample.com' }, want: /is not let into/ },
  { name: 'a stranger of a domain below it', claims: { email: 'a@evil.example.com' }, want: /is not let into/ },
  {
    name: 'a stranger with two at signs',
    claims: { email: 'a@evil.org@example.com.evil.org' },
    want: /is not let into/,
  },
  { name: 'a stranger without a verified address', claims: { email: undefined }, want: /ada@work is not let into/ },
  {
    name: 'a stranger without an address, called like a domain',
    claims: { email: undefined, handle: 'x@example.com' },
    want: /x-example\.com@work is not let into/,
  },
  { name: 'a stranger where nobody is listed', provider: nobody, want: /is not let into/ },
  {
    name: 'a listed user',
    provider: { admits: { anyone: false, domains: [], groups: [], users: ['ADA@example.com'] } },
    want: { user: 'ada@example.com' },
  },
  {
    name: 'a stranger in a listed group',
    provider: { admits: { anyone: false, domains: [], groups: ['acme/ops'], users: [] } },
    claims: { email: undefined, groups: ['acme/ops'] },
    want: { user: 'ada@work' },
  },
  {
    name: 'a stranger in a group of that name elsewhere',
    provider: { admits: { anyone: false, domains: [], groups: ['acme/ops'], users: [] } },
    claims: { groups: ['evil/ops', 'ops', 'acme'] },
    want: /is not let into/,
  },
  {
    name: 'anyone, where anyone may',
    provider: { admits: { anyone: true, domains: [], groups: [], users: [] } },
    claims: { email: undefined },
    want: { user: 'ada@work' },
  },
  { name: 'somebody known', given: knows(), want: { user: 'ada@example.com' } },
  {
    name: 'somebody known whom the rules let in no more',
    given: knows(),
    provider: nobody,
    want: { user: 'ada@example.com' },
  },
  {
    name: 'somebody known whose address is another now',
    given: knows(),
    claims: { email: 'lovelace@other.org' },
    want: { user: 'ada@example.com' },
  },
  {
    name: 'another subject with the address of somebody known',
    given: knows(),
    claims: { subject: 'eve' },
    want: /There is a user ada@example\.com already/,
  },
  {
    name: 'the same subject of another issuer, with that address',
    given: knows(),
    claims: { issuer: 'https://evil.example' },
    want: /There is a user ada@example\.com already/,
  },
  {
    name: 'the address of somebody known in other letters',
    given: knows(),
    claims: { subject: 'eve', email: 'ADA@Example.com' },
    want: /There is a user ADA@Example\.com already/,
  },
  {
    name: 'the address of a user who has a passkey only',
    given: async (world) => world.passkey(await world.user('ada@example.com')),
    want: /There is a user ada@example\.com already/,
  },
  {
    name: 'somebody whom an administrator named by their address',
    given: (world) => world.user('ada@example.com', 'network-admin'),
    want: { user: 'ada@example.com', role: 'network-admin' },
  },
  {
    name: 'somebody named, by a provider that does not speak for the address',
    given: (world) => world.user('ada@example.com', 'admin'),
    provider: { admits: { anyone: true, domains: ['other.org'], groups: [], users: [] } },
    want: /There is a user ada@example\.com already/,
  },
  {
    name: 'somebody named, whose address is not verified',
    given: (world) => world.user('ada@example.com', 'admin'),
    claims: { email: undefined },
    want: /ada@work is not let into/,
  },
  {
    name: 'somebody suspended',
    given: async (world) => {
      await knows()(world)
      await world.change('ada@example.com', { status: 'suspended' })
    },
    want: /Your account is suspended/,
  },
  {
    name: 'somebody named and suspended before they ever came',
    given: async (world) => {
      await world.user('ada@example.com')
      await world.change('ada@example.com', { status: 'suspended' })
    },
    want: /Your account is suspended/,
  },
  {
    name: 'a stranger, where new users wait for approval',
    given: (world) => world.settings({ usersApprovalOn: true }),
    want: { user: 'ada@example.com', status: 'needs-approval' },
  },
  {
    name: 'somebody who waits, once more',
    given: async (world) => {
      await world.settings({ usersApprovalOn: true })
      await knows()(world)
    },
    want: { user: 'ada@example.com', status: 'needs-approval' },
  },
  {
    name: 'an invited stranger',
    provider: nobody,
    ticket: { purpose: 'invite', role: 'admin' },
    want: { user: 'ada@example.com', role: 'admin' },
  },
  {
    name: 'an invited stranger, where new users wait for approval',
    given: (world) => world.settings({ usersApprovalOn: true }),
    provider: nobody,
    ticket: { purpose: 'invite' },
    want: { user: 'ada@example.com', status: 'active' },
  },
  {
    name: 'a link whose time is over',
    provider: nobody,
    ticket: { purpose: 'invite', expires: 1 as Wall },
    want: /link that you came by is over/,
  },
  {
    name: 'whoever holds the owner’s first link',
    provider: nobody,
    ticket: { purpose: 'owner' },
    want: { user: 'ada@example.com', role: 'owner' },
  },
  {
    name: 'whoever holds it when the owner has come in already',
    given: async (world) => world.passkey(world.owner.id),
    provider: nobody,
    ticket: { purpose: 'owner' },
    want: /has an owner already/,
  },
  {
    name: 'whoever holds it and is called like somebody else',
    given: (world) => world.user('ada@example.com'),
    provider: nobody,
    ticket: { purpose: 'owner' },
    want: /There is a user ada@example\.com already: an administrator can make them the owner/,
  },
  {
    name: 'a second provider of somebody who has a link',
    given: async (world) => world.passkey(await world.user('ben@example.com')),
    provider: nobody,
    ticket: { purpose: 'passkey' },
    want: { user: 'ben@example.com' },
  },
  {
    name: 'a second provider of somebody suspended who has a link',
    given: async (world) => {
      await world.user('ben@example.com')
      await world.change('ben@example.com', { status: 'suspended' })
    },
    provider: nobody,
    ticket: { purpose: 'passkey' },
    want: /Your account is suspended/,
  },
  {
    name: 'somebody once more, as themselves',
    given: knows(),
    again: (world) => findUser(world.state, 'ada@example.com')?.id ?? 0,
    want: { user: 'ada@example.com' },
  },
  {
    name: 'somebody else, who was to be the same once more',
    given: knows(),
    again: (world) => world.owner.id,
    want: /this is another account/,
  },
  {
    name: 'a stranger, who was to be somebody once more',
    again: (world) => world.owner.id,
    want: /this is another account/,
  },
]

test('a login makes somebody who they are, or nobody', async () => {
  for (const { name, given, claims = {}, provider = {}, ticket, again, want } of rows) {
    const world = await PeopleWorld.make()
    await given?.(world)
    await world.provider(provider)
    const [before, identities] = [world.state.count('user'), world.state.count('identity')]
    // What is left out on purpose is left out.
    const said = JSON.parse(JSON.stringify({ ...ada, ...claims })) as Claims
    const settled = await world.settle(said, {
      ...(again === undefined ? {} : { again: again(world) }),
      ...(ticket === undefined ? {} : { ticket: await world.ticket(ticket) }),
    })
    assert.deepEqual(
      told(settled),
      want instanceof RegExp ? 'refused' : want.user,
      `${name}: ${JSON.stringify(settled)}`,
    )
    if (want instanceof RegExp) {
      assert.match(settled.kind === 'refused' ? settled.why : '', want, name)
      assert.equal(world.state.count('user'), before, `${name}: nobody is made a user`)
      assert.equal(world.state.count('identity'), identities, `${name}: nobody gets a way in`)
    } else if (settled.kind === 'user') {
      const { status = 'active', role } = want
      assert.equal(settled.user.status, status, name)
      if (role !== undefined) assert.equal(settled.user.role, role, name)
      assert.equal(world.state.count('ticket'), 0, `${name}: the link is used up`)
      const identities = [...world.state.all('identity')].filter(({ user }) => user === settled.user.id)
      assert.deepEqual([identities.at(-1)?.issuer, identities.at(-1)?.subject], [ISSUER, said.subject], name)
    }
  }
})

test('whoever was let in comes back as the same user, with what the provider says now', async () => {
  const world = await PeopleWorld.make()
  await world.provider({ groupDomain: 'example.com' })
  const first = await world.settle({ ...ada, groups: ['Ops', '/staff/dev', 'no good name!'] })
  const second = await world.settle({ ...ada, displayName: 'A. L.', groups: ['Ops'] })
  assert.ok(first.kind === 'user' && second.kind === 'user')
  assert.equal(first.user.id, second.user.id)
  assert.deepEqual(first.user.groups, ['ops@example.com', 'staff/dev@example.com'])
  assert.deepEqual(second.user.groups, ['ops@example.com'])
  assert.equal(second.user.displayName, 'A. L.')
  assert.equal(world.state.count('identity'), 1)
})

test('groups under different paths never become one', () => {
  const at = { groupDomain: 'example.com', settings: { kind: 'github' } } as Provider
  const names = groupNames(at, { ...ada, groups: ['acme/ops', 'evil/ops', 'acme-ops', 'ops', '/acme/ops', 'ACME/OPS'] })
  assert.deepEqual(names, ['acme-ops@example.com', 'acme/ops@example.com', 'evil/ops@example.com', 'ops@example.com'])
})

test('a login name is an address, or a name at the provider that is no address of anybody', () => {
  const at = (kind: string) => ({ id: 'work', settings: { kind } }) as Provider
  const { email: _none, ...noAddress } = ada
  const names: readonly [Provider, Partial<Claims>, string][] = [
    [at('oidc'), ada, 'ada@example.com'],
    [at('github'), { ...noAddress, handle: 'mona' }, 'mona@github'],
    [at('oidc'), { ...noAddress, handle: 'boss@example.com' }, 'boss-example.com@work'],
    [at('oidc'), { ...noAddress, subject: 'a b<c>' }, 'a-b-c-@work'],
  ]
  for (const [provider, claims, want] of names) assert.equal(loginNameOf(provider, claims as Claims), want)
})

test('a login under way is good once, for its browser, for a quarter of an hour', async () => {
  const world = await PeopleWorld.make()
  await world.provider({})
  const mine = world.browser()
  const rows: readonly [string, (begun: Awaited<ReturnType<PeopleWorld['begin']>>) => Promise<unknown>, boolean][] = [
    ['by its browser', ({ state }) => world.signIns.take(state, mine, world.by), true],
    ['by another browser', ({ state }) => world.signIns.take(state, world.browser(), world.by), false],
    ['by a browser without a cookie', ({ state }) => world.signIns.take(state, undefined, world.by), false],
    ['with another state', () => world.signIns.take(world.browser().reveal(), mine, world.by), false],
    ['with a state that is none', () => world.signIns.take('__proto__', mine, world.by), false],
    [
      'a quarter of an hour later',
      ({ state }) => {
        world.clock.advance(15 * MINUTE_MS)
        return world.signIns.take(state, mine, world.by)
      },
      false,
    ],
  ]
  for (const [name, take, want] of rows) {
    const begun = await world.begin({ browser: mine })
    assert.equal((await take(begun)) !== undefined, want, name)
    if (want) assert.equal(await take(begun), undefined, 'and once more')
  }
})

test('two servers that are given one state let one of them go on', async () => {
  const world = await PeopleWorld.make()
  await world.provider({})
  const mine = world.browser()
  const { state } = await world.begin({ browser: mine })
  const other = await world.otherServer()
  const taken = await Promise.all([
    world.signIns.take(state, mine, world.by),
    other.signIns.take(state, mine, world.by),
  ])
  assert.equal(taken.filter((one) => one !== undefined).length, 1)
})

test('a link lets one of two in who hold it', async () => {
  const world = await PeopleWorld.make()
  await world.provider(nobody)
  const ticket = await world.ticket({ purpose: 'invite' })
  const settled = await Promise.all(
    ['ada', 'eve'].map((subject) => world.settle({ ...ada, subject, email: `${subject}@example.com` }, { ticket })),
  )
  assert.deepEqual(settled.map(({ kind }) => kind).sort(), ['refused', 'user'])
})

test('a provider that was removed meanwhile lets nobody in', async () => {
  const world = await PeopleWorld.make()
  await world.provider({})
  const mine = world.browser()
  const { signIn } = await world.begin({ browser: mine })
  await world.removeProvider()
  const settled = await world.signIns.settle(signIn, ada, world.by)
  assert.ok(settled.kind === 'refused' && /has been removed/.test(settled.why))
})

test('states, nonces and verifiers are not kept where their knowing is enough, and never repeat', async () => {
  const world = await PeopleWorld.make()
  await world.provider({})
  const mine = new Secret('b'.repeat(43), 'cookie')
  const begun = await Promise.all(Array.from({ length: 20 }, () => world.begin({ browser: mine })))
  const texts = begun.flatMap(({ state, signIn }) => [state, signIn.nonce, signIn.verifier])
  assert.equal(new Set(texts).size, 60)
  const kept = JSON.stringify([...world.ledger.model.server.entries('sign-in')])
  for (const { state } of begun) assert.ok(!kept.includes(state))
  assert.ok(!kept.includes(mine.reveal()))
})

function told(settled: Settled): string {
  return settled.kind === 'user' ? settled.user.loginName : settled.kind
}
