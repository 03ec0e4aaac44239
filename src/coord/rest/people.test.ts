/** Identity providers, sessions and login links over the API: what is kept, what is shown, and who may. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { later } from '../../base/clock.ts'
import { SERVER } from '../model/records.ts'
import type { Session } from '../model/records.ts'
import { TESTER } from '../../../test/support/ledger.ts'
import { RestWorld } from '../../../test/support/rest-world.ts'

const GOOGLE = {
  title: 'Google',
  settings: { kind: 'oidc', issuer: 'https://accounts.google.com', clientId: 'client-1', clientSecret: 'very secret' },
  admits: { domains: ['alpha.example'] },
}
const at = '/sett/tailnet/-/identity-providers'

test('a provider is kept with its secret sealed, and shown without it', async () => {
  const world = await RestWorld.make()
  const made = await world.ask('PUT', `${at}/google`, { server: true, body: GOOGLE })
  assert.equal(made.status, 200)
  assert.deepEqual(made.body, {
    id: 'google',
    title: 'Google',
    settings: {
      kind: 'oidc',
      issuer: 'https://accounts.google.com',
      clientId: 'client-1',
      scopes: ['openid', 'profile', 'email'],
      groupsClaim: 'groups',
      trustEmail: false,
    },
    admits: { anyone: false, domains: ['alpha.example'], groups: [], users: [] },
    callbackUrl: 'https://sett.test/auth/callback',
    created: made.body.created,
  })
  assert.deepEqual(await world.get(at), { identityProviders: [made.body] })
  const kept = world.ledger.model.state(1).get('provider', 'google')
  assert.ok(kept?.settings.kind === 'oidc')
  assert.equal(kept.settings.clientSecret, `sealed identity provider google ${btoa('very secret')}`)
})

const { clientSecret: _secret, ...withoutSecret } = GOOGLE.settings
const secrets = [
  { name: 'the same client', settings: withoutSecret, kept: true },
  { name: 'another client', settings: { ...withoutSecret, clientId: 'client-2' }, kept: false },
  { name: 'the client of another issuer', settings: { ...withoutSecret, issuer: 'https://evil.example' }, kept: false },
]
for (const { name, settings, kept } of secrets)
  test(`a change without a secret ${kept ? 'keeps' : 'does not carry over'} that of ${name}`, async () => {
    const world = await RestWorld.make()
    await world.ask('PUT', `${at}/google`, { server: true, body: GOOGLE })
    await world.ask('PUT', `${at}/google`, { server: true, body: { ...GOOGLE, settings } })
    const provider = world.ledger.model.state(1).get('provider', 'google')
    assert.ok(provider?.settings.kind === 'oidc')
    assert.equal(provider.settings.clientSecret !== undefined, kept)
  })

const refused = [
  { id: 'Google', body: GOOGLE, status: 404 },
  { id: 'passkey', body: GOOGLE, status: 404 },
  { id: 'x', body: { ...GOOGLE, settings: { ...GOOGLE.settings, issuer: 'http://accounts.example' } }, status: 400 },
  { id: 'x', body: { ...GOOGLE, settings: { ...GOOGLE.settings, issuer: 'https://u@evil.example' } }, status: 400 },
  { id: 'x', body: { title: 'GitHub', settings: { kind: 'github', clientId: 'a' } }, status: 400 },
  { id: 'x', body: { title: 'X', settings: { kind: 'ldap' } }, status: 400 },
]
test('what is no provider is refused, and nothing is kept', async () => {
  const world = await RestWorld.make()
  for (const { id, body, status } of refused) {
    const told = await world.ask('PUT', `${at}/${id}`, { server: true, body })
    assert.equal(told.status, status, told.text)
  }
  assert.equal(world.ledger.model.state(1).count('provider'), 0)
})

test('nobody but the owner and the server says who vouches for whom', async () => {
  const world = await RestWorld.make()
  for (const role of ['admin', 'it-admin', 'network-admin', 'auditor', 'member'] as const)
    assert.equal(
      (await world.ask('PUT', `${at}/x`, { token: world.alpha.tokens[role], body: GOOGLE })).status,
      403,
      role,
    )
  assert.equal((await world.ask('PUT', `${at}/x`, { token: await world.token('alpha'), body: GOOGLE })).status, 403)
  assert.equal((await world.ask('PUT', `${at}/x`, { token: world.alpha.tokens.owner, body: GOOGLE })).status, 200)
})

async function sessionOf(world: RestWorld, tailnet: number, user: number, id: string): Promise<void> {
  const now = world.clock.wall()
  const session: Session = {
    tailnet,
    user,
    created: now,
    used: now,
    expires: later(now, 60_000),
    authenticated: { at: now, method: 'google' },
    from: '192.0.2.7',
    agent: 'Browser',
  }
  await world.ledger.transact(SERVER, TESTER, () => ({
    batch: { writes: [{ kind: 'session', id, expect: 'absent', value: session }] },
    result: undefined,
  }))
}

test('sessions are listed and ended in their own tailnet alone, by a part of what they are known by', async () => {
  const world = await RestWorld.make()
  const [alpha, beta] = ['a'.repeat(64), 'b'.repeat(64)]
  const [member, stranger] = [Number(world.alpha.userIds.member), Number(world.beta.userIds.member)]
  await sessionOf(world, 1, member, alpha)
  await sessionOf(world, 2, stranger, beta)
  const token = world.alpha.tokens.owner
  const { sessions } = (await world.ask('GET', '/sett/tailnet/-/sessions', { token })).body
  assert.deepEqual(
    sessions.map(({ id, userId, method }: Record<string, string>) => [id, userId, method]),
    [['a'.repeat(16), String(member), 'google']],
  )
  assert.equal((await world.ask('DELETE', `/sett/tailnet/-/sessions/${'b'.repeat(16)}`, { token })).status, 404)
  assert.equal((await world.ask('DELETE', `/sett/users/${stranger}/sessions`, { token })).status, 404)
  assert.equal((await world.ask('DELETE', `/sett/tailnet/-/sessions/${'a'.repeat(16)}`, { token })).status, 200)
  await sessionOf(world, 1, member, alpha)
  assert.equal((await world.ask('DELETE', `/sett/users/${member}/sessions`, { token })).status, 200)
  assert.deepEqual(world.ledger.model.server.ids('session'), [beta])
})

test('a login link is shown once and kept as a hash; nobody but the owner and the server makes the owner’s', async () => {
  const world = await RestWorld.make()
  const { owner, member } = world.alpha.userIds
  const link = await world.ask('POST', `/sett/users/${member}/login-link`, { token: world.alpha.tokens.admin })
  assert.match(link.body.url, /^https:\/\/sett\.test\/auth\/ticket\/1\.[\w-]{43}$/)
  const [ticket] = [...world.ledger.model.state(1).all('ticket')]
  assert.deepEqual([ticket?.purpose, ticket?.user], ['passkey', Number(member)])
  assert.ok(!JSON.stringify([...world.ledger.model.state(1).entries('ticket')]).includes(link.body.url.slice(-43)))
  const path = `/sett/users/${owner}/login-link`
  assert.equal((await world.ask('POST', path, { token: world.alpha.tokens.admin })).status, 403)
  assert.equal((await world.ask('POST', path, { token: world.alpha.tokens.owner })).status, 200)
  assert.equal((await world.ask('POST', path, { server: true })).status, 200)
  assert.equal([...world.ledger.model.state(1).all('ticket')].filter(({ purpose }) => purpose === 'owner').length, 2)
})
