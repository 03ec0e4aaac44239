/**
 * From a credential of the API to a node: the checklist's rows about keys (api-v2.md §10, 1 to 3, 5, 19, 20, 22), with
 * machines that join by what the API gives out.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DAY_MS, HOUR_MS } from '../../src/base/clock.ts'
import { createRest } from '../../src/coord/rest/rest.ts'
import { nodePrimitives } from '../../src/crypto/io/node-primitives.ts'
import { SERVER_IDENTITY } from '../support/rest-world.ts'
import { START, World } from '../support/world.ts'

type Headers = Readonly<Record<string, string>>
interface Told {
  readonly status: number
  readonly body: any
}
/** Asks the API: with these headers, or else as the server's administrator. */
type Ask = (method: string, path: string, body?: unknown, headers?: Headers) => Promise<Told>

function askOf(world: World): Ask {
  const rest = createRest({
    ledger: world.coord.ledger,
    dice: nodePrimitives.random,
    primitives: nodePrimitives,
    config: { version: '0.0.0', url: 'https://sett.test', started: START, tailnetDomain: 'sett.internal' },
    live: {
      isOnline: () => true,
      ping: () => Promise.resolve({ outcome: 'not-connected' }),
      regionName: () => undefined,
    },
  })
  return async (method, path, body, headers) => {
    const request = new Request(`http://sett.test/api/v2${path}`, {
      method,
      ...(headers === undefined ? {} : { headers }),
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const response = await rest.fetch(request, headers === undefined ? SERVER_IDENTITY : undefined)
    const text = await response.text()
    await world.settle()
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
  }
}

const bearer = (token: string): Headers => ({ authorization: `Bearer ${token}` })
const basic = (user: string, password = ''): Headers => ({ authorization: `Basic ${btoa(`${user}:${password}`)}` })
const form = (fields: Headers) => new URLSearchParams(fields).toString()
const minting = (...tags: string[]) => ({ capabilities: { devices: { create: { ephemeral: true, tags } } } })
const errorOf = async (world: World, AuthKey: string, more: object = {}): Promise<string> => {
  const machine = world.machine()
  machine.hostinfo = { ...machine.hostinfo, ...more }
  const { Error: said = '' } = (await machine.register({ Auth: { AuthKey } })).json
  assert.ok(typeof said === 'string')
  return said
}

test('1. Basic and Bearer both authenticate API tokens and access tokens', async () => {
  const ask = askOf(await World.start())
  const { body: token } = await ask('POST', '/sett/tailnet/-/tokens', {})
  const { body: client } = await ask('POST', '/tailnet/-/keys', { keyType: 'client', scopes: ['all'] })
  const { body: access } = await ask('POST', '/oauth/token', form({ client_secret: client.key }), {})
  for (const text of [token.key, access.access_token])
    for (const headers of [bearer(text), basic(text)])
      assert.equal((await ask('GET', '/tailnet/-/devices', undefined, headers)).status, 200)
  for (const headers of [{}, bearer(client.key), basic(client.key), basic('x', access.access_token)])
    assert.equal((await ask('GET', '/tailnet/-/devices', undefined, headers)).status, 401)
})

test('2., 3. a client is found by its secret, and gets no more than it has', async () => {
  const ask = askOf(await World.start())
  const body = { keyType: 'client', scopes: ['auth_keys', 'dns:read'], tags: ['tag:a', 'tag:b'] }
  const { body: client } = await ask('POST', '/tailnet/-/keys', body)
  const token = (fields: Headers, headers: Headers = {}) => ask('POST', '/oauth/token', form(fields), headers)
  const good = [
    await token({ client_id: 'some-client-id', client_secret: client.key }),
    await token({ grant_type: 'client_credentials' }, basic('some-client-id', client.key)),
  ]
  for (const told of good)
    assert.deepEqual([told.status, told.body.token_type, told.body.expires_in], [200, 'Bearer', 3600])
  for (const [more, status, scope] of [
    [{ scope: 'dns:read' }, 200, 'dns:read'],
    [{ tags: 'tag:b' }, 200, 'auth_keys dns:read'],
    [{ scope: 'dns' }, 400, undefined],
    [{ scope: 'all' }, 400, undefined],
    [{ tags: 'tag:a tag:c' }, 400, undefined],
  ] as const) {
    const told = await token({ client_secret: client.key, ...more })
    assert.deepEqual([told.status, told.body.scope], [status, scope], JSON.stringify(more))
  }
})

test('5. a machine joins by a key that a client has made: tagged, ephemeral, and with no other tag', async () => {
  const world = await World.start()
  const ask = askOf(world)
  const body = { keyType: 'client', scopes: ['auth_keys'], tags: ['tag:ci'] }
  const { body: client } = await ask('POST', '/tailnet/-/keys', body)
  const { body: access } = await ask('POST', '/oauth/token', form({ client_secret: client.key }), {})
  const mint = () => ask('POST', '/tailnet/-/keys', minting('tag:ci'), bearer(access.access_token))
  const machine = world.machine('runner')
  machine.hostinfo = { ...machine.hostinfo, RequestTags: ['tag:ci'] }
  const answer = await machine.register({ Auth: { AuthKey: (await mint()).body.key } })
  assert.equal(answer.json['Error'] ?? '', '')
  assert.deepEqual([machine.node.tags, machine.node.ephemeral], [['tag:ci'], true])
  assert.notEqual(await errorOf(world, (await mint()).body.key, { RequestTags: ['tag:prod'] }), '')
  // Neither the secret nor an access token is a key to join with.
  assert.match(await errorOf(world, client.key), /OAuth secret/)
  assert.match(await errorOf(world, access.access_token), /API token/)
  // What it made goes on without it.
  const { body: later } = await mint()
  await ask('DELETE', `/tailnet/-/keys/${client.id}`)
  assert.equal((await mint()).status, 401)
  assert.equal(await errorOf(world, later.key), '')
})

test('19. a key that is asked for without an end gets 90 days, and its secret is shown once', async () => {
  const ask = askOf(await World.start())
  for (const body of [{}, { expirySeconds: 0 }, { expirySeconds: null }]) {
    const { key, ...made } = (await ask('POST', '/tailnet/-/keys', body)).body
    assert.equal(made.expirySeconds, 7_776_000)
    assert.equal(Date.parse(made.expires) - Date.parse(made.created), 90 * DAY_MS)
    assert.match(key, /^tskey-auth-/)
    assert.deepEqual((await ask('GET', `/tailnet/-/keys/${made.id}`)).body, made)
  }
})

test('20. a revoked key is shown as invalid and lets nobody in; later it is not found', async () => {
  const world = await World.start()
  const ask = askOf(world)
  const reusable = { capabilities: { devices: { create: { reusable: true } } } }
  const { body: made } = await ask('POST', '/tailnet/-/keys', reusable)
  const path = `/tailnet/-/keys/${made.id}`
  assert.equal(await errorOf(world, made.key), '')
  assert.equal((await ask('DELETE', path)).status, 200)
  const { status, body } = await ask('GET', path)
  assert.deepEqual([status, body.invalid], [200, true])
  assert.match(await errorOf(world, made.key), /has been revoked/)
  await world.pass(30 * DAY_MS + HOUR_MS)
  assert.deepEqual(await ask('GET', path), { status: 404, body: { message: 'key not found' } })
})

test('22. a client with tag:k8s-operator makes keys for tag:k8s if and only if the policy says so', async () => {
  const world = await World.start()
  const ask = askOf(world)
  const save = (k8s: string[]) =>
    ask('POST', '/tailnet/-/acl', JSON.stringify({ tagOwners: { 'tag:k8s-operator': [], 'tag:k8s': k8s } }))
  await save(['tag:k8s-operator'])
  const body = { keyType: 'client', scopes: ['devices:core', 'auth_keys'], tags: ['tag:k8s-operator'] }
  const { body: client } = await ask('POST', '/tailnet/-/keys', body)
  const { body: access } = await ask('POST', '/oauth/token', form({ client_secret: client.key }), {})
  const mint = () => ask('POST', '/tailnet/-/keys', minting('tag:k8s'), bearer(access.access_token))
  assert.equal((await mint()).status, 200)
  await save([])
  const { status, body: problem } = await mint()
  assert.equal(status, 400)
  assert.deepEqual(problem, { message: 'requested tags [tag:k8s] are invalid or not permitted' })
})
