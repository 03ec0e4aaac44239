/**
 * The rest of Terraform: the policy, whose resource validates at each plan; devices that are gone; and data sources.
 * (api-v2.md §8.2)
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RestWorld } from '../../../test/support/rest-world.ts'

const T = '/tailnet/-'

test('tailscale_acl: validated at each plan, created over the default only, applied, and reset', async () => {
  const world = await RestWorld.make()
  const token = world.alpha.tokens.owner
  const hujson = { accept: 'application/hujson' }
  const raw = async () => (await world.ask('GET', `${T}/acl`, { token, headers: hujson })).text
  const apply = (body: string, headers: Record<string, string> = {}) =>
    world.ask('POST', `${T}/acl`, { token, body, headers: { 'content-type': 'application/hujson', ...headers } })
  const first = '// ours\n{"acls": [{"action": "accept", "src": ["*"], "dst": ["*:22"]}]}'
  const plan = async (body: string) => (await world.ask('POST', `${T}/acl/validate`, { token, body })).body
  assert.deepEqual(await plan(first), {})
  assert.match((await plan('{"acls": [{"action": "refuse"}]}')).message, /./)
  assert.equal((await apply(first, { 'if-match': '"ts-default"' })).status, 200)
  assert.match(await raw(), /^\/\/ ours\n\{/)
  // Another one that does not know of the first is kept from overwriting it.
  const second = await apply('{"acls": []}', { 'if-match': '"ts-default"' })
  assert.deepEqual([second.status, second.body.message], [412, 'precondition failed, invalid old hash'])
  assert.equal((await apply('{"acls": []}')).status, 200)
  const kept = await raw()
  assert.equal((await apply(kept)).status, 200)
  assert.equal(await raw(), kept)
  assert.equal((await apply('')).status, 200)
  assert.equal((await apply(first, { 'if-match': '"ts-default"' })).status, 200)
})

test('a device that is gone is forgotten: every path of it answers 404 with a message', async () => {
  const world = await RestWorld.make()
  const { stableId } = world.alpha.laptop
  await world.ask('DELETE', `/device/${stableId}`, { server: true })
  for (const path of ['', '/routes']) {
    const told = await world.ask('GET', `/device/${stableId}${path}`, { server: true })
    assert.deepEqual([told.status, told.body], [404, { message: 'device not found' }])
  }
})

/** Members of a device that the data sources read, and of what kind they are. */
const DEVICE = {
  name: 'string',
  hostname: 'string',
  user: 'string',
  nodeId: 'string',
  id: 'string',
  addresses: 'object',
  authorized: 'boolean',
  keyExpiryDisabled: 'boolean',
  blocksIncomingConnections: 'boolean',
  clientVersion: 'string',
  created: 'string',
  expires: 'string',
  isExternal: 'boolean',
  lastSeen: 'string',
  machineKey: 'string',
  nodeKey: 'string',
  os: 'string',
  tailnetLockError: 'string',
  tailnetLockKey: 'string',
  updateAvailable: 'boolean',
} as const

test('data sources find devices, users and Services by what they are asked for', async () => {
  const world = await RestWorld.make()
  const devices = async (query: string) => (await world.get(`${T}/devices?${query}`)).devices
  for (const query of ['name=laptop.alpha.sett.internal', 'hostname=laptop']) {
    const [found, ...more] = await devices(query)
    assert.equal(more.length, 0)
    assert.equal(found.nodeId, world.alpha.laptop.stableId)
    for (const [member, kind] of Object.entries(DEVICE)) assert.equal(typeof found[member], kind, member)
  }
  assert.deepEqual(await devices('name=nobody.alpha.sett.internal'), [])
  assert.equal((await devices('tags=tag%3Aoffice&isEphemeral=false')).length, 1)

  const { users } = await world.get(`${T}/users?type=member&role=admin`)
  assert.deepEqual(
    users.map(({ loginName }: { loginName: string }) => loginName),
    ['admin'],
  )
  assert.deepEqual(await world.get(`/users/${users[0].id}`), users[0])
  const all = (await world.get(`${T}/users`)).users
  assert.ok(all.some(({ loginName }: { loginName: string }) => loginName === 'auditor'))
})
