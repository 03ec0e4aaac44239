/** Auth keys and API tokens: made, shown, revoked. (api-v2.md §2, §4.4, checklist 19 to 21) */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DAY_MS, HOUR_MS } from '../../base/clock.ts'
import { RestWorld } from '../../../test/support/rest-world.ts'
import { TESTER } from '../../../test/support/ledger.ts'

let world: RestWorld
const KEYS = '/tailnet/-/keys'

/** Each test has a world of its own. */
function inWorld(name: string, run: () => Promise<void>): void {
  test(name, async () => {
    world = await RestWorld.make()
    await run()
  })
}

inWorld('a key asked for without anything gets 90 days and no rights', async () => {
  const key = await world.post(KEYS, {}, { token: world.alpha.tokens.admin })
  assert.match(key.key, new RegExp(`^tskey-auth-${key.id}-[1-9A-HJ-NP-Za-km-z]{28}$`))
  assert.match(key.id, /^k[1-9A-HJ-NP-Za-km-z]{11}CNTRL$/)
  const { id: _, key: __, ...rest } = key
  assert.deepEqual(rest, {
    keyType: 'auth',
    description: '',
    expirySeconds: 7_776_000,
    created: '2026-01-02T03:04:05Z',
    expires: '2026-04-02T03:04:05Z',
    capabilities: { devices: { create: { reusable: false, ephemeral: false, preauthorized: false } } },
    userId: world.alpha.userIds.admin,
    creator: 'admin',
    devices: [],
  })
})

inWorld('a key has what was asked for, and is read back the same, but for its secret', async () => {
  const capabilities = {
    devices: { create: { reusable: true, ephemeral: true, preauthorized: true, tags: ['tag:ci'] } },
  }
  const body = { capabilities, expirySeconds: 3600, description: 'ci run', keyType: 'auth', extra: 1 }
  const { key, ...rest } = await world.post(KEYS, body, { token: world.alpha.tokens.owner })
  assert.equal(rest.expires, '2026-01-02T04:04:05Z')
  assert.equal(rest.expirySeconds, 3600)
  assert.deepEqual(rest.capabilities, capabilities)
  assert.deepEqual(await world.get(`${KEYS}/${rest.id}`), rest)
  const { keys } = await world.get(`${KEYS}?all=true`)
  assert.deepEqual(
    keys.find(({ id }: { id: string }) => id === rest.id),
    rest,
  )
  const secret = key.split('-')[3]
  for (const scope of world.database.scopes.values())
    for (const record of scope.records.values()) assert.ok(!record.json.includes(secret), 'no secret is kept')
})

inWorld('what no key can be is refused', async () => {
  const rows = [
    { body: { description: 'x'.repeat(51) }, status: 400, message: /description: want at most 50 characters$/ },
    { body: { description: 'a\nb' }, status: 400, message: /description/ },
    { body: { expirySeconds: -1 }, status: 400, message: /expirySeconds/ },
    { body: { expirySeconds: 7_776_001 }, status: 400, message: /expirySeconds: want at most 7776000$/ },
    { body: { expirySeconds: 1.5 }, status: 400, message: /expirySeconds/ },
    { body: { keyType: 'api' }, status: 400, message: /want "auth", "client" or "federated"/ },
    { body: { keyType: 'client' }, status: 400, message: /at least one scope/ },
    { body: { keyType: 'federated' }, status: 400, message: /at least one scope/ },
    {
      body: { capabilities: { devices: { create: { tags: ['ci'] } } } },
      status: 400,
      message: /requested tags \[ci\] are invalid or not permitted/,
    },
    { body: { capabilities: { devices: { create: { reusable: 'yes' } } } }, status: 400, message: /reusable/ },
  ]
  const before = (await world.get(`${KEYS}?all=true`)).keys.length
  for (const { body, status, message } of rows) {
    const told = await world.ask('POST', KEYS, { token: world.alpha.tokens.owner, body })
    assert.equal(told.status, status, JSON.stringify(body))
    assert.match(told.body.message, message)
  }
  assert.equal((await world.get(`${KEYS}?all=true`)).keys.length, before)
})

inWorld('the server’s administrator makes keys for the owner, or for whom it names', async () => {
  const { userIds } = world.alpha
  assert.equal((await world.post(KEYS, {})).userId, userIds.owner)
  assert.equal((await world.post(KEYS, { user: 'Member' })).userId, userIds.member)
  assert.equal((await world.post(KEYS, { user: userIds.auditor })).userId, userIds.auditor)
  const tagged = { capabilities: { devices: { create: { tags: ['tag:a'] } } } }
  assert.equal((await world.post(KEYS, tagged)).userId, '')
  assert.equal((await world.ask('POST', KEYS, { server: true, body: { user: 'nobody' } })).status, 400)
  assert.equal((await world.ask('POST', KEYS, { server: true, body: { user: world.beta.userIds.owner } })).status, 400)
  await world.post(`/users/${userIds.member}/suspend`)
  assert.equal((await world.ask('POST', KEYS, { server: true, body: { user: 'member' } })).status, 400)
})

inWorld('nobody else makes keys for another', async () => {
  const { tokens } = world.alpha
  for (const path of [KEYS, '/sett/tailnet/-/tokens'])
    for (const user of ['owner', 'nobody', world.beta.userIds.owner])
      assert.equal(
        (await world.ask('POST', path, { token: tokens.admin, body: { user } })).status,
        403,
        `${path} ${user}`,
      )
  assert.equal((await world.post(KEYS, { user: 'admin' }, { token: tokens.admin })).userId, world.alpha.userIds.admin)
})

inWorld('in a tailnet without users, a key needs tags', async () => {
  await world.post('/sett/tailnets', { name: 'empty' })
  const told = await world.ask('POST', '/tailnet/empty/keys', { server: true, body: {} })
  assert.deepEqual([told.status, /create one, or give tags/.test(told.body.message)], [400, true])
  await world.post('/tailnet/empty/keys', { capabilities: { devices: { create: { tags: ['tag:a'] } } } })
})

inWorld('a list shows who made a key, when it was last used, and which nodes joined by it', async () => {
  const { id } = await world.post(KEYS, {}, { token: world.alpha.tokens.admin })
  const node = await world.join(1, Number(world.alpha.userIds.admin), 'box', { authKey: id })
  await world.ledger.transact(1, TESTER, (_, now) => ({
    batch: { writes: [{ kind: 'key-use', id, expect: 'any', value: { at: now } }] },
    result: undefined,
  }))
  const { keys } = await world.get(`${KEYS}?all=true`, { token: world.alpha.tokens.owner })
  const { creator, created, lastUsed, expires, devices } = keys.find((key: { id: string }) => key.id === id)
  assert.deepEqual(
    { creator, created, lastUsed, expires, devices },
    {
      creator: 'admin',
      created: '2026-01-02T03:04:05Z',
      lastUsed: '2026-01-02T03:04:05Z',
      expires: '2026-04-02T03:04:05Z',
      devices: [node.stableId],
    },
  )
})

inWorld('without all=true, a list has one’s own; with it, the tailnet’s and no other’s', async () => {
  await world.post(KEYS, {}, { token: world.alpha.tokens.admin })
  const creators = async (query: string) =>
    (await world.get(KEYS + query, { token: world.alpha.tokens.admin })).keys.map(
      (key: any) => `${key.keyType} ${key.creator}`,
    )
  assert.deepEqual((await creators('')).sort(), ['api admin', 'auth admin'])
  assert.equal((await creators('?all=true')).length, 8)
  const ids = new Set((await world.get('/tailnet/beta/keys?all=true')).keys.map((key: any) => key.id))
  for (const { id } of (await world.get(`${KEYS}?all=true`)).keys) assert.ok(!ids.has(id))
})

inWorld('a list has only the types that the credential may read', async () => {
  await world.post(KEYS, {})
  for (const [scope, want] of [
    ['auth_keys:read', ['auth']],
    ['api_access_tokens', ['api']],
  ] as const) {
    const token = await world.token('alpha', { user: 'owner', scopes: [scope] })
    const { keys } = await world.get(`${KEYS}?all=true`, { token })
    assert.deepEqual([...new Set(keys.map((key: any) => key.keyType))], want)
  }
})

inWorld('every credential may see itself, and without a scope nothing else', async () => {
  const token = await world.token('alpha', { user: 'member', scopes: ['dns:read'] })
  const self = await world.get(`${KEYS}/${token.split('-')[2]}`, { token })
  assert.deepEqual([self.keyType, self.scopes, self.userId], ['api', ['dns:read'], world.alpha.userIds.member])
  const { id } = await world.post(KEYS, {})
  assert.equal((await world.ask('GET', `${KEYS}/${id}`, { token })).status, 403)
})

inWorld('a revoked key is shown as invalid for 30 days, then not found', async () => {
  const { id } = await world.post(KEYS, {})
  assert.equal((await world.ask('DELETE', `${KEYS}/${id}`, { server: true })).text, '')
  assert.equal((await world.ask('DELETE', `${KEYS}/${id}`, { server: true })).status, 200)
  const key = await world.get(`${KEYS}/${id}`)
  assert.deepEqual([key.invalid, key.revoked], [true, '2026-01-02T03:04:05Z'])
  world.clock.advance(30 * DAY_MS - 1)
  assert.equal((await world.get(`${KEYS}/${id}`)).invalid, true)
  world.clock.advance(1)
  assert.deepEqual((await world.ask('GET', `${KEYS}/${id}`, { server: true })).body, { message: 'key not found' })
  assert.ok(!(await world.get(`${KEYS}?all=true`)).keys.some((key: any) => key.id === id))
})

inWorld(
  'an expired key, a used one-off key and one whose maker is gone are invalid; a used reusable one is not',
  async () => {
    const create = (reusable: boolean, expirySeconds?: number) =>
      world.post(KEYS, { user: 'member', expirySeconds, capabilities: { devices: { create: { reusable } } } })
    const [short, once, often] = [await create(true, 60), await create(false), await create(true)]
    for (const { id } of [once, often])
      await world.ledger.transact(1, TESTER, (model) => {
        const key = model.state(1).key(id) as NonNullable<
          ReturnType<typeof model.state>['key'] extends (id: string) => infer K ? K : never
        >
        const expect = model.state(1).version('key', id)
        return { batch: { writes: [{ kind: 'key', id, expect, value: { ...key, usedBy: 1 } }] }, result: undefined }
      })
    world.clock.advance(HOUR_MS)
    const invalid = async () =>
      Promise.all([short, once, often].map(async ({ id }) => (await world.get(`${KEYS}/${id}`)).invalid === true))
    assert.deepEqual(await invalid(), [true, true, false])
    assert.equal((await world.get(`${KEYS}/${once.id}`)).used, true)
    await world.post(`/users/${world.alpha.userIds.member}/suspend`)
    assert.deepEqual(await invalid(), [true, true, true])
  },
)

inWorld('revoking needs the scope of the key’s own type', async () => {
  const { id } = await world.post(KEYS, {})
  const token = await world.token('alpha', { user: 'owner', scopes: ['api_access_tokens'] })
  assert.equal((await world.ask('DELETE', `${KEYS}/${id}`, { token })).status, 403)
  assert.equal((await world.get(`${KEYS}/${id}`)).invalid, undefined)
  assert.equal((await world.ask('DELETE', `${KEYS}/${token.split('-')[2]}`, { token })).status, 200)
  assert.equal((await world.ask('GET', KEYS, { token })).status, 401)
})

inWorld('a token never gets scopes that its maker has not, nor such as there are none', async () => {
  const token = await world.token('alpha', { user: 'owner', scopes: ['api_access_tokens', 'devices:core:read'] })
  const rows = [
    { scopes: ['devices:core:read'], status: 200 },
    { scopes: ['api_access_tokens:read', 'devices:core:read'], status: 200 },
    { scopes: ['devices:core'], status: 403 },
    { scopes: ['devices'], status: 403 },
    { scopes: ['all:read'], status: 403 },
    { scopes: undefined, status: 403 },
    { scopes: ['everything'], status: 400 },
    { scopes: [], status: 400 },
  ]
  for (const { scopes, status } of rows)
    assert.equal(
      (await world.ask('POST', '/sett/tailnet/-/tokens', { token, body: { scopes } })).status,
      status,
      String(scopes),
    )
})

inWorld('when a token was last used is noted, and not for every single use', async () => {
  const token = await world.token('alpha', { user: 'owner' })
  const id = token.split('-')[2] as string
  const seq = () => world.ledger.model.state(1).seq
  assert.equal((await world.get(`${KEYS}/${id}`)).lastUsed, undefined)
  await world.get(KEYS, { token })
  const first = seq()
  assert.equal((await world.get(`${KEYS}/${id}`)).lastUsed, '2026-01-02T03:04:05Z')
  for (let i = 0; i < 5; i++) await world.get(KEYS, { token })
  assert.equal(seq(), first)
  world.clock.advance(HOUR_MS)
  await world.get(KEYS, { token })
  assert.equal((await world.get(`${KEYS}/${id}`)).lastUsed, '2026-01-02T04:04:05Z')
})
