/**
 * SSH checks over the control channel (control.md §10.2, policy.md §7): a link, a login of the right person in a
 * browser, and back; how long it holds; and everything that must not get in.
 */

import { test } from 'node:test'
import assert from 'node:assert/strict'
import { HOUR_MS, MINUTE_MS } from '../../src/base/clock.ts'
import { MemoryStore } from '../../src/coord/store/memory.ts'
import { memoryDatabase } from '../support/ledger.ts'
import { addProvider, Browser, logsIn } from '../support/people-browser.ts'
import { savePolicy } from '../support/save-policy.ts'
import type { Answer, Machine } from '../support/world.ts'
import { World } from '../support/world.ts'
import { apiOf } from '../support/world-api.ts'

const ANNA = 'anna@example.com'
const NAMES = { tagOwners: { 'tag:web': [], 'tag:ci': [] }, grants: [{ src: ['*'], dst: ['*'], ip: ['*'] }] }
const CHECK = { action: 'check', src: [ANNA, 'tag:ci'], dst: ['tag:web'], users: ['root', 'deploy'], checkPeriod: '1h' }

interface Action {
  readonly accept?: boolean
  readonly reject?: boolean
  readonly message?: string
  readonly holdAndDelegate?: string
}

class SshWorld {
  readonly world: World
  readonly anna: Browser
  readonly laptop: Machine
  readonly web: Machine

  private constructor(world: World, anna: Browser, laptop: Machine, web: Machine) {
    this.world = world
    this.anna = anna
    this.laptop = laptop
    this.web = web
  }

  static async start(rule: object = CHECK, world?: World): Promise<SshWorld> {
    const at = world ?? (await World.start())
    await addProvider(at)
    const { browser, user } = await logsIn(at, 'anna')
    await savePolicy(at, { ...NAMES, ssh: [rule] })
    const laptop = await at.joined('laptop', { user: user.id })
    const web = await at.joined('web', { tags: ['tag:web'] })
    await at.pass(MINUTE_MS)
    return new SshWorld(at, browser, laptop, web)
  }

  /** The SSH server on `web` asks for the first time. */
  async ask(account = 'root', from = this.laptop): Promise<Answer> {
    return await this.web.send('GET', actionOf(from, this.web, account), '')
  }

  /** It does, and is shown a link. */
  async begin(account = 'root'): Promise<{ readonly link: string; readonly next: string }> {
    await this.world.pass(1000)
    const { message = '', holdAndDelegate = '', ...rest } = actionIn(await this.ask(account))
    assert.deepEqual(rest, {})
    const [, link] = /(\/ssh-check\/[a-z0-9]{16})\r\n$/.exec(message) ?? []
    assert.ok(link !== undefined, message)
    assert.match(message, /http:\/\/sett\.example:8080\/ssh-check\//)
    const { host, pathname, search } = new URL(holdAndDelegate)
    assert.equal(host, 'unused')
    return { link, next: pathname + search }
  }

  /** Anna proves who she is and lets the login in. */
  async pass(link: string): Promise<void> {
    const ask = await this.anna.follow(link, 'Log in again to let it in')
    assert.equal(ask.title, 'Let this login in?')
    assert.equal((await this.anna.press(link, 'Let it in')).title, 'The login goes on')
    await this.world.settle()
  }

  async through(account = 'root'): Promise<void> {
    const { link, next } = await this.begin(account)
    const held = await this.web.send('GET', next, '')
    await this.pass(link)
    assert.equal(actionIn(held).accept, true)
  }
}

function actionOf(from: Machine, to: Machine, account: string): string {
  return `/machine/ssh/action/${from.node.id}/to/${to.node.id}?local_user=${account}`
}

function actionIn(answer: Answer): Action {
  assert.equal(answer.status, 200, answer.body)
  return answer.json as Action
}

function isHeld(answer: Answer): boolean {
  return answer.status === 0 && !answer.ended
}

test('the netmap tells SSH servers to ask us, and not for how long', async () => {
  const { web } = await SshWorld.start()
  const rules = web.stream.messages.findLast((message) => message['SSHPolicy'] !== undefined)?.['SSHPolicy']
  assert.deepEqual(rules, {
    rules: [
      {
        principals: [{ userLogin: ANNA }],
        sshUsers: { root: 'root', deploy: 'deploy' },
        action: {
          holdAndDelegate: 'https://unused/machine/ssh/action/$SRC_NODE_ID/to/$DST_NODE_ID?local_user=$LOCAL_USER',
        },
      },
    ],
  })
})

test('a login waits for its link: a login before it does not count, a new one lets it in', async () => {
  const at = await SshWorld.start()
  const { link, next } = await at.begin()
  const held = await at.web.send('GET', next, '')
  assert.ok(isHeld(held))
  const before = await at.anna.get(link)
  assert.match(before.text, /laptop[^]*web[^]*root[^]*Log in again to let it in/)
  const csrf = /name="csrf" value="([0-9a-f]+)"/.exec(before.text)?.[1] ?? ''
  const allow = new Map([
    ['csrf', csrf],
    ['decision', 'allow'],
  ])
  assert.match((await at.anna.post(link, allow)).text, /Log in again to let it in/)
  await at.world.settle()
  assert.ok(isHeld(held))
  await at.pass(link)
  assert.deepEqual(actionIn(held), {
    accept: true,
    allowAgentForwarding: true,
    allowLocalPortForwarding: true,
    allowRemotePortForwarding: true,
    message: '# The check is passed.\r\n',
  })
  assert.equal((await at.anna.get(link)).status, 404, 'a link is good once')
})

test('what was decided is in the audit log, with who, from where, and by what they proved it', async () => {
  const at = await SshWorld.start()
  await at.through()
  const { link } = await at.begin('deploy')
  await at.anna.press(link, 'This is not my login')
  const { logs } = await apiOf(at.world)(
    'GET',
    '/tailnet/-/logging/configuration?start=2026-01-01T00:00:00Z&end=2027-01-01T00:00:00Z',
  )
  const checks = logs.filter(({ target }: any) => target.property === 'SSH_CHECK')
  const laptop = { id: at.laptop.node.stableId, name: 'laptop' }
  const user = at.world.state().usersByLogin.get(ANNA)
  assert.deepEqual(
    checks.map(({ action, actor, target, ...rest }: any) => [
      action,
      actor.loginName,
      target.name,
      rest.old ?? undefined,
      rest.new ?? undefined,
    ]),
    [
      [
        'ACCEPT',
        ANNA,
        'web',
        undefined,
        {
          account: 'root',
          user: ANNA,
          from: laptop,
          authenticated: new Date(user?.authenticated?.at ?? 0).toISOString().replace('.000Z', 'Z'),
          method: 'work',
        },
      ],
      ['CANCEL', ANNA, 'web', { account: 'deploy', user: ANNA, from: laptop }, undefined],
    ],
  )
  assert.ok(!JSON.stringify(checks).includes(link.slice('/ssh-check/'.length)), 'the code stays out of the log')
})

test('a check holds for the period of its rule, for one account of one node', async () => {
  const at = await SshWorld.start()
  await at.through()
  await at.world.pass(59 * MINUTE_MS)
  assert.equal(actionIn(await at.ask()).accept, true)
  assert.ok(actionIn(await at.ask('deploy')).holdAndDelegate, 'another account')
  const other = await at.world.joined('web-2', { tags: ['tag:web'] })
  const elsewhere = await other.send('GET', actionOf(at.laptop, other, 'root'), '')
  assert.ok(actionIn(elsewhere).holdAndDelegate, 'another node')
  await at.world.pass(2 * MINUTE_MS)
  await at.through()
})

const periods = [
  { name: 'twelve hours where the rule says nothing', checkPeriod: undefined, holds: 12 * HOUR_MS },
  { name: 'half a minute', checkPeriod: '30s', holds: 30_000 },
]
for (const { name, checkPeriod, holds } of periods)
  test(`a check holds ${name}, also after a restart`, async () => {
    const at = await SshWorld.start({ ...CHECK, checkPeriod })
    await at.through()
    at.world.coord.close()
    await at.world.open()
    await at.world.pass(holds - 5000)
    assert.equal(actionIn(await at.ask()).accept, true)
    await at.world.pass(5000)
    assert.ok(actionIn(await at.ask()).holdAndDelegate)
  })

test('with "always", every login has a check of its own', async () => {
  const at = await SshWorld.start({ ...CHECK, checkPeriod: 'always' })
  const [one, two] = [await at.begin(), await at.begin()]
  assert.notEqual(one.link, two.link)
  const held = [await at.web.send('GET', one.next, ''), await at.web.send('GET', two.next, '')] as const
  await at.pass(one.link)
  assert.equal(actionIn(held[0]).accept, true)
  assert.ok(isHeld(held[1]))
  assert.ok(actionIn(await at.ask()).holdAndDelegate)
})

test('logins that ask for the same share one check, as long as that has time left', async () => {
  const at = await SshWorld.start()
  const [one, two] = [await at.begin(), await at.begin()]
  assert.equal(one.link, two.link)
  const held = [await at.web.send('GET', one.next, ''), await at.web.send('GET', two.next, '')] as const
  await at.pass(one.link)
  for (const each of held) assert.equal(actionIn(each).accept, true)
  const late = await at.begin('deploy')
  await at.world.pass(20 * MINUTE_MS)
  assert.notEqual((await at.begin('deploy')).link, late.link)
})

test('a login that its user refuses, or lets wait, is refused', async () => {
  const at = await SshWorld.start()
  const refused = await at.begin()
  const held = await at.web.send('GET', refused.next, '')
  assert.equal((await at.anna.press(refused.link, 'This is not my login')).title, 'The login has been refused')
  await at.world.settle()
  assert.deepEqual(actionIn(held), {
    reject: true,
    message: '# This login is refused: it was refused in the browser.\r\n',
  })
  const { link, next } = await at.begin()
  const polled = await polls(at, next, 31 * MINUTE_MS)
  assert.equal(polled.action.reject, true)
  assert.match(polled.action.message ?? '', /in time/)
  assert.ok(polled.requests >= 15, `${polled.requests} requests, so that none hangs on a dead connection`)
  assert.equal((await at.anna.get(link)).status, 404)
})

/** Asks as SSH servers do, until it is told to let in or refuse. */
async function polls(at: SshWorld, next: string, forMs: number): Promise<{ action: Action; requests: number }> {
  let request = await at.web.send('GET', next, '')
  let requests = 1
  for (let waited = 0; waited < forMs; waited += 5000) {
    await at.world.pass(5000)
    if (isHeld(request)) continue
    const action = actionIn(request)
    if (action.holdAndDelegate === undefined) return { action, requests }
    assert.equal(action.message, undefined, 'the link is shown once')
    const { pathname, search } = new URL(action.holdAndDelegate)
    request = await at.web.send('GET', pathname + search, '')
    requests++
  }
  throw new Error('it waits without an end')
}

test('nobody else can let a login in: not by its link, not from another site, not without a login', async () => {
  const at = await SshWorld.start()
  const { browser: ben } = await logsIn(at.world, 'ben')
  const { link, next } = await at.begin()
  const held = await at.web.send('GET', next, '')
  await at.world.pass(1000)
  const stranger = new Browser(at.world, 'ben')
  const shown = await stranger.get(link)
  assert.equal(shown.title, 'A login by SSH waits for you')
  const after = await stranger.follow(link, 'Log in with Work')
  assert.deepEqual([after.status, after.title], [403, 'This login is not yours'])
  const csrf = /name="csrf" value="([0-9a-f]+)"/.exec((await ben.get(link)).text)?.[1] ?? ''
  const allow = (token: string) => new Map<string, unknown>(Object.entries({ csrf: token, decision: 'allow' }))
  assert.equal((await ben.post(link, allow(csrf))).title, 'This login is not yours')
  await at.anna.follow(link, 'Log in again to let it in')
  const own = /name="csrf" value="([0-9a-f]+)"/.exec((await at.anna.get(link)).text)?.[1] ?? ''
  assert.equal((await at.anna.post(link, allow(csrf))).status, 403, 'the token of another session')
  assert.equal((await at.anna.post(link, allow(own), 'https://evil.example')).status, 403, 'another site')
  assert.equal((await new Browser(at.world, 'eve').post(link, allow(own))).status, 403, 'nobody')
  await at.world.settle()
  assert.ok(isHeld(held))
  await at.anna.press(link, 'Let it in')
  await at.world.settle()
  assert.equal(actionIn(held).accept, true)
})

test('the machine that asks is the one that is logged in to', async () => {
  const at = await SshWorld.start()
  const { link, next } = await at.begin()
  assert.equal((await at.laptop.send('GET', next, '')).status, 403)
  assert.equal((await at.laptop.send('GET', actionOf(at.laptop, at.web, 'root'), '')).status, 403)
  await at.pass(link)
  assert.equal((await at.laptop.send('GET', next, '')).status, 403)
  const other = await at.world.joined('web-2', { tags: ['tag:web'] })
  const moved = next.replace(`/to/${at.web.node.id}`, `/to/${other.node.id}`)
  assert.equal(actionIn(await other.send('GET', moved, '')).reject, true, 'a check of another login')
  const odd = await SshWorld.start({ ...CHECK, users: ['a b&c=$1'] })
  const { next: oddNext, link: oddLink } = await odd.begin('a+b%26c%3D%241')
  assert.match((await odd.anna.get(oddLink)).text, /a b&#38;c=\$1/)
  await odd.pass(oddLink)
  assert.equal(actionIn(await odd.web.send('GET', oddNext, '')).accept, true, 'whatever the account is called')
  const account = next.replace('local_user=root', 'local_user=deploy')
  assert.equal(actionIn(await at.web.send('GET', account, '')).reject, true, 'a check of another account')
  for (const path of [
    '/machine/ssh/action/1/to/x',
    '/machine/ssh/action/1',
    `/machine/ssh/action/1/to/${at.web.node.id}`,
  ])
    assert.equal((await at.web.send('GET', path, '')).status, 404, path)
  const asked = `/machine/ssh/action/${at.laptop.node.id}/to/${at.web.node.id}?local_user=`
  for (const name of ['', '%zz', 'x'.repeat(257)])
    assert.equal((await at.web.send('GET', asked + name, '')).status, 404)
  assert.equal((await at.web.send('POST', next, '')).status, 405)
})

const changes: readonly {
  readonly name: string
  readonly change: (at: SshWorld) => Promise<void>
  readonly want: Action
}[] = [
  {
    name: 'the policy has no rule for it any more',
    change: (at) => savePolicy(at.world, { ...NAMES, ssh: [] }),
    want: { reject: true },
  },
  {
    name: 'the policy is for another account',
    change: (at) => savePolicy(at.world, { ...NAMES, ssh: [{ ...CHECK, users: ['deploy'] }] }),
    want: { reject: true },
  },
  {
    name: 'the policy accepts it without a check',
    change: (at) => savePolicy(at.world, { ...NAMES, ssh: [{ ...CHECK, action: 'accept', checkPeriod: null }] }),
    want: { accept: true },
  },
  {
    name: 'the device is tagged, and so nobody who could pass',
    change: (at) => at.world.change(at.laptop.node.id, () => ({ tags: ['tag:ci'] })),
    want: { reject: true },
  },
  {
    name: 'the device is not approved any more',
    change: (at) => at.world.change(at.laptop.node.id, () => ({ authorized: false })),
    want: { reject: true },
  },
  {
    name: "the device's key has run out",
    change: (at) => at.world.change(at.laptop.node.id, (_, now) => ({ keyExpiry: now, keyExpiryDisabled: false })),
    want: { reject: true },
  },
  {
    name: 'the device belongs to somebody else',
    change: async (at) => {
      const { user } = await logsIn(at.world, 'ben')
      await savePolicy(at.world, { ...NAMES, ssh: [{ ...CHECK, src: [ANNA, 'ben@example.com'] }] })
      await at.world.change(at.laptop.node.id, () => ({ user: user.id }))
    },
    want: { reject: true },
  },
]
for (const { name, change, want } of changes)
  test(`what is decided is decided by the policy as it is then: ${name}`, async () => {
    const at = await SshWorld.start()
    const { link, next } = await at.begin()
    await at.pass(link)
    await change(at)
    const { accept, reject } = actionIn(await at.web.send('GET', next, ''))
    assert.deepEqual({ ...(accept === undefined ? {} : { accept }), ...(reject === undefined ? {} : { reject }) }, want)
  })

test('a check is asked at one server, decided at another, and waited for at both', async () => {
  const database = memoryDatabase()
  const one = await World.start({ store: new MemoryStore(database), server: 'one' })
  const two = await World.start({ store: new MemoryStore(database), server: 'two' })
  const both = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 250) for (const world of [one, two]) await world.pass(Math.min(250, left))
  }
  const at = await SshWorld.start(CHECK, one)
  await two.pass(one.wall() - two.wall())
  const { link, next } = await at.begin()
  await two.pass(one.wall() - two.wall() - 300)
  two.take(at.web)
  // It has not heard of the check yet, when it is asked about it.
  const held = await at.web.send('GET', next, '')
  await both(500)
  assert.ok(isHeld(held))
  one.take(at.web)
  const heldAtOne = await at.web.send('GET', next, '')
  const anna = new Browser(two, 'anna')
  await anna.follow(link, 'Log in with Work')
  await anna.press(link, 'Let it in')
  await both(1000)
  for (const each of [held, heldAtOne]) assert.equal(actionIn(each).accept, true)
  two.take(at.web)
  assert.equal(actionIn(await at.ask()).accept, true, 'the period holds at the other one too')
})

test('what nobody can know any more is asked anew, and old checks are forgotten', async () => {
  const at = await SshWorld.start()
  const unknown = await at.web.send('GET', `${actionOf(at.laptop, at.web, 'root')}&check=abcdefgh23456789`, '')
  assert.ok(isHeld(unknown))
  await at.world.pass(6000)
  assert.match(actionIn(unknown).message ?? '', /\/ssh-check\//)
  await at.through()
  await at.begin('deploy')
  for (const machine of [at.laptop, at.web]) machine.stream.end()
  const known = () => at.world.coord.ledger.model.server.count('ssh-check')
  assert.equal(known(), 2)
  await at.world.pass(2 * HOUR_MS)
  assert.equal(known(), 1, 'the one that was passed')
})

test('one node has so many checks open at a time, and then refuses', async () => {
  const at = await SshWorld.start({ ...CHECK, checkPeriod: 'always' })
  for (let i = 0; i < 64; i++) await at.begin()
  assert.match(actionIn(await at.ask()).message ?? '', /too many/)
  await at.world.pass(31 * MINUTE_MS)
  await at.begin()
})
