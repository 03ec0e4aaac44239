/**
 * Keys through the official client of API v2: every call of its resource, what it reads back, and its three ways to say
 * who asks. (api-v2.md §2, §4.4, §8.1)
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { Lab } from '../lab/lab.ts'
import { labMissing } from '../lab/available.ts'
import { TestServer } from '../support/server.ts'
import { ApiClient, type Auth } from './driver/apiclient.ts'
import { goMissing } from './driver/build.ts'
import { startIssuer } from './driver/issuer.ts'

const skip = labMissing() || goMissing()

let lab: Lab
let api: ApiClient
let server: TestServer
let admin: Auth
let where: Awaited<ReturnType<Lab['namespace']>>

before(async () => {
  if (skip !== false) return
  lab = await Lab.open()
  where = await lab.namespace('server')
  server = await TestServer.start({ dir: `${where.dir}/data`, namespace: where })
  api = await ApiClient.start(where, server.url)
  await server.admin('users', 'create', 'anna@example.com', '--role', 'admin')
  admin = { key: (await server.admin('tokens', 'create', '--user', 'anna@example.com')).trim() }
})
after(async () => {
  if (skip === false) await lab?.close()
})

type Key = Record<string, any>
/** What Go makes of a time that is not there. */
const UNSET = '0001-01-01T00:00:00Z'
const NANOSECONDS = 1

test('auth keys: made, read back, listed, deleted, and then invalid', { skip }, async () => {
  const capabilities = {
    devices: { create: { reusable: true, ephemeral: true, preauthorized: true, tags: ['tag:ci'] } },
  }
  const { key, ...made } = await api.call<Key>(admin, 'keys.CreateAuthKey', {
    capabilities,
    expirySeconds: 3600,
    description: 'ci run',
  })
  assert.match(key, /^tskey-auth-/)
  assert.deepEqual(
    [made['keyType'], made['description'], made['expirySeconds'], made['capabilities'], made['invalid']],
    ['auth', 'ci run', 3600 * NANOSECONDS, capabilities, false],
  )
  assert.equal(Date.parse(made['expires']) - Date.parse(made['created']), 3_600_000)
  assert.deepEqual(await api.call(admin, 'keys.Get', { id: made['id'] }), { ...made, key: '' })
  const listed = await api.call<Key[]>(admin, 'keys.List', { all: false })
  assert.ok(listed.some(({ id }) => id === made['id']))
  await api.call(admin, 'keys.Delete', { id: made['id'] })
  const gone = await api.call<Key>(admin, 'keys.Get', { id: made['id'] })
  assert.equal(gone['invalid'], true)
  assert.notEqual(gone['revoked'], UNSET)

  const plain = await api.call<Key>(admin, 'keys.CreateAuthKey', {})
  assert.equal(plain['expirySeconds'], 7_776_000)
  const none = await api.failure(admin, 'keys.Get', { id: 'kNobodyCNTRL' })
  assert.deepEqual([none.status, none.notFound, none.message], [404, true, 'key not found (404)'])
})

test('OAuth clients: made, set, and used by the client itself, within their scopes', { skip }, async () => {
  const { key: clientSecret, ...made } = await api.call<Key>(admin, 'keys.CreateOAuthClient', {
    scopes: ['auth_keys', 'devices:core:read', 'oauth_keys:read'],
    tags: ['tag:ci'],
    description: 'pipeline',
  })
  assert.match(clientSecret, /^tskey-client-/)
  assert.deepEqual(
    [made['keyType'], made['scopes'], made['tags'], made['expires'], made['description']],
    ['client', ['auth_keys', 'devices:core:read', 'oauth_keys:read'], ['tag:ci'], UNSET, 'pipeline'],
  )
  assert.deepEqual(await api.call(admin, 'keys.Get', { id: made['id'] }), { ...made, key: '' })
  assert.ok(!(await api.call<Key[]>(admin, 'keys.List', { all: false })).some(({ id }) => id === made['id']))
  assert.ok((await api.call<Key[]>(admin, 'keys.List', { all: true })).some(({ id }) => id === made['id']))

  const client: Auth = { clientId: made['id'], clientSecret }
  const minted = await api.call<Key>(client, 'keys.CreateAuthKey', {
    capabilities: { devices: { create: { tags: ['tag:ci'] } } },
  })
  assert.deepEqual([minted['keyType'], minted['userId']], ['auth', ''])
  assert.deepEqual(
    (await api.call<Key[]>(client, 'keys.List', { all: false })).map(({ keyType }) => keyType),
    ['client'],
  )
  const foreign = await api.failure(client, 'keys.CreateAuthKey', {
    capabilities: { devices: { create: { tags: ['tag:prod'] } } },
  })
  assert.deepEqual([foreign.status, /requested tags \[tag:prod\]/.test(foreign.message)], [400, true])
  assert.equal((await api.failure(client, 'keys.CreateOAuthClient', { scopes: ['dns:read'] })).status, 403)
  const narrowed: Auth = { ...client, scopes: ['devices:core:read'] }
  assert.equal((await api.failure(narrowed, 'keys.CreateAuthKey', {})).status, 403)
  const wider = await api.failure({ ...client, scopes: ['dns'] }, 'keys.List', {})
  assert.match(wider.message, /invalid_scope/)
  const stranger = await api.failure({ clientId: 'x', clientSecret: `${clientSecret}x` }, 'keys.List', {})
  assert.match(stranger.message, /invalid_client/)

  const set = await api.call<Key>(admin, 'keys.SetOAuthClient', {
    id: made['id'],
    scopes: ['dns:read'],
    tags: [],
    description: 'less',
  })
  assert.deepEqual([set['scopes'], set['tags'] ?? [], set['description']], [['dns:read'], [], 'less'])
  assert.notEqual(set['updated'], UNSET)
  assert.deepEqual(await api.call(admin, 'keys.Get', { id: made['id'] }), set)
  // The access token that it holds has lost what the client has.
  assert.equal((await api.failure(client, 'keys.CreateAuthKey', {})).status, 403)
  await api.call(admin, 'keys.Delete', { id: made['id'] })
  assert.equal((await api.failure(client, 'keys.List', {})).status, 401)
})

test('federated identities: made, set, and used with an ID token of their issuer', { skip }, async () => {
  const issuer = await startIssuer(where)
  const { key, ...made } = await api.call<Key>(admin, 'keys.CreateFederatedIdentity', {
    scopes: ['auth_keys'],
    tags: ['tag:ci'],
    issuer: issuer.url,
    subject: 'repo:sett/*',
    customClaimRules: { environment: 'prod-*' },
    description: 'actions',
  })
  assert.equal(key, '')
  assert.deepEqual(
    [made['keyType'], made['issuer'], made['subject'], made['customClaimRules']],
    ['federated', issuer.url, 'repo:sett/*', { environment: 'prod-*' }],
  )
  assert.deepEqual(await api.call(admin, 'keys.Get', { id: made['id'] }), { ...made, key: '' })

  const as = async (subject: string, claims: object, audience = made['audience'] as string): Promise<Auth> => ({
    clientId: made['id'] as string,
    idToken: await issuer.sign(audience, subject, { ...claims }),
  })
  const minting = { capabilities: { devices: { create: { tags: ['tag:ci'] } } } }
  const good = await as('repo:sett/web', { environment: 'prod-eu' })
  assert.equal((await api.call<Key>(good, 'keys.CreateAuthKey', minting))['keyType'], 'auth')
  const refusals: [Auth, RegExp][] = [
    [await as('repo:else/web', { environment: 'prod-eu' }), /status 400: .*\\"sub\\"/],
    [await as('repo:sett/web', { environment: 'test' }), /status 400: .*environment/],
    [await as('repo:sett/web', {}), /status 400: .*environment/],
    [await as('repo:sett/web', { environment: 'prod-eu' }, 'else'), /status 400: .*\\"aud\\"/],
  ]
  for (const [auth, message] of refusals)
    assert.match((await api.failure(auth, 'keys.CreateAuthKey', minting)).message, message)

  const set = await api.call<Key>(admin, 'keys.SetFederatedIdentity', {
    id: made['id'],
    scopes: ['auth_keys'],
    tags: ['tag:ci'],
    issuer: issuer.url,
    subject: 'repo:sett/api',
    audience: 'mine',
  })
  assert.deepEqual([set['subject'], set['audience'], set['customClaimRules'] ?? {}], ['repo:sett/api', 'mine', {}])
  const anew = await as('repo:sett/api', {}, 'mine')
  assert.equal((await api.call<Key>(anew, 'keys.CreateAuthKey', minting))['keyType'], 'auth')
  const before = await as('repo:sett/web', { environment: 'prod-eu' })
  assert.match((await api.failure(before, 'keys.CreateAuthKey', minting)).message, /status 400/)
})
