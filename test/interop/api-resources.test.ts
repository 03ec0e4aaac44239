/**
 * Devices, users, contacts, settings, Services and posture integrations through the official client of API v2: every call
 * of these resources, and what it reads back. (api-v2.md §8.1, checklist 45)
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { ApiClient, type Auth } from './driver/apiclient.ts'
import { until } from './driver/tsclient.ts'
import { interopMissing, World } from './driver/world.ts'

const skip = interopMissing()

let world: World
let api: ApiClient
let admin: Auth

type Row = Record<string, any>

before(async () => {
  if (skip !== false) return
  world = await World.open()
  const { server, serverNamespace } = world
  // Tokens are taken on loopback, or over TLS.
  api = await ApiClient.start(serverNamespace, 'http://127.0.0.1:8080')
  await server.admin('users', 'create', 'anna@example.com', '--role', 'admin')
  admin = { key: (await server.admin('tokens', 'create', '--user', 'anna@example.com')).trim() }
})
after(async () => {
  if (skip === false) await world?.close()
})

const call = <T = Row>(name: string, args: object = {}) => api.call<T>(admin, name, args)

test('devices: found by what they are asked for, shown, changed in every way, deleted', { skip }, async () => {
  const clients = await world.clients('machine')
  const { key } = await world.server.createKey({ user: 'anna@example.com', reusable: true })
  const laptop = await clients.join('laptop', { control: world.control, authKey: key })
  await clients.join('phone', { control: world.control, authKey: key, ephemeral: true })

  const all = await call<Row[]>('devices.List')
  assert.deepEqual(all.map(({ hostname }) => hostname as string).sort(), ['laptop', 'phone'])
  const [device] = await call<Row[]>('devices.List', { filters: { hostname: ['laptop'] } })
  assert.ok(device !== undefined)
  const { id, nodeId, name } = device as { id: string; nodeId: string; name: string }
  assert.deepEqual(
    [device['user'], device['authorized'], device['isEphemeral'], device['connectedToControl'], device['lastSeen']],
    ['anna@example.com', true, false, true, null],
  )
  assert.deepEqual(device['addresses'], [...(await laptop.status()).TailscaleIPs!])
  const filters = [
    [{ name: [name] }, 1],
    [{ isEphemeral: ['true'] }, 1],
    [{ hostname: ['laptop'], isEphemeral: ['true'] }, 0],
    [{ tags: ['tag:none'] }, 0],
  ] as const
  for (const [wanted, count] of filters)
    assert.equal(((await call<Row[] | null>('devices.List', { filters: wanted })) ?? []).length, count)
  assert.equal(device['enabledRoutes'], null)
  const [full] = await call<Row[]>('devices.List', { fields: 'all', filters: { hostname: ['laptop'] } })
  assert.ok(Array.isArray(full?.['clientConnectivity'].endpoints))
  assert.deepEqual(
    (await call<Row[]>('devices.ListWithAllFields')).find((one) => one['id'] === id)?.['enabledRoutes'],
    [],
  )
  for (const ref of [id, nodeId]) assert.equal((await call('devices.Get', { id: ref }))['nodeId'], nodeId)
  assert.equal((await call('devices.GetWithAllFields', { id }))['distro'] === undefined, false)

  await call('devices.SetAuthorized', { id: nodeId, authorized: false })
  assert.equal((await call('devices.Get', { id }))['authorized'], false)
  await call('devices.SetAuthorized', { id, authorized: true })
  assert.equal((await call('devices.Get', { id }))['authorized'], true)
  await call('devices.SetName', { id: nodeId, name: 'desk' })
  await until('the device has its new name', async () => (await laptop.status()).Self.DNSName.startsWith('desk.'))
  await call('devices.SetKey', { id: nodeId, keyExpiryDisabled: true })
  const unending = await call('devices.Get', { id })
  assert.deepEqual([unending['keyExpiryDisabled'], unending['expires']], [true, '0001-01-01T00:00:00Z'])
  await call('devices.SetIPv4Address', { id: nodeId, ipv4: '100.77.7.7' })
  await until('the device has its new address', async () =>
    (await laptop.status()).TailscaleIPs?.includes('100.77.7.7'),
  )
  await call('devices.SetSubnetRoutes', { id: nodeId, routes: ['10.7.0.0/16'] })
  assert.deepEqual(await call('devices.SubnetRoutes', { id }), { advertisedRoutes: [], enabledRoutes: ['10.7.0.0/16'] })
  await call('devices.SetSubnetRoutes', { id: nodeId, routes: [] })

  const key1 = 'custom:colour'
  await call('devices.SetPostureAttribute', { id: nodeId, key: key1, value: 'red' })
  const { attributes, expiries } = await call('devices.GetPostureAttributes', { id })
  assert.deepEqual([attributes[key1], attributes['node:os'], expiries], ['red', 'linux', {}])
  await call('devices.DeletePostureAttribute', { id: nodeId, key: key1 })
  assert.ok(!(key1 in (await call('devices.GetPostureAttributes', { id }))['attributes']))

  await call('devices.SetTags', { id: nodeId, tags: ['tag:web'] })
  assert.deepEqual((await call('devices.Get', { id }))['tags'], ['tag:web'])
  await call('devices.SetTags', { id: nodeId, tags: [] })
  assert.equal((await call('devices.Get', { id }))['tags'], null)
  const wrong = await api.failure(admin, 'devices.SetTags', { id: nodeId, tags: ['web'] })
  assert.deepEqual(
    [wrong.status, /requested tags \[web\] are invalid or not permitted/.test(wrong.message)],
    [400, true],
  )

  await call('devices.Delete', { id: nodeId })
  for (const name of ['devices.Get', 'devices.SubnetRoutes', 'devices.Delete']) {
    const gone = await api.failure(admin, name, { id: nodeId })
    assert.deepEqual([gone.status, gone.notFound], [404, true], name)
  }
})

test('users: by type and role, and one by one', { skip }, async () => {
  const admins = await call<Row[]>('users.List', { role: 'admin' })
  assert.deepEqual(
    admins.map(({ loginName, type, role, status }) => [loginName, type, role, status]),
    [['anna@example.com', 'member', 'admin', 'active']],
  )
  // Of somebody who is connected, it is now.
  const { lastSeen: _, ...known } = admins[0] ?? {}
  const { lastSeen: seen, ...shown } = await call('users.Get', { id: known['id'] })
  assert.deepEqual(shown, known)
  assert.ok(Date.now() - Date.parse(seen) < 60_000)
  assert.ok((await call<Row[]>('users.List', { type: 'member' })).length > 1)
  assert.deepEqual((await call<Row[] | null>('users.List', { type: 'shared' })) ?? [], [])
  assert.equal((await api.failure(admin, 'users.Get', { id: '999999' })).notFound, true)
})

test('contacts and settings', { skip }, async () => {
  for (const type of ['account', 'support', 'security'])
    for (const _ of ['once', 'twice']) await call('contacts.Update', { type, email: `${type}@example.com` })
  const contact = (email: string) => ({ email, needsVerification: false })
  assert.deepEqual(await call('contacts.Get'), {
    account: contact('account@example.com'),
    support: contact('support@example.com'),
    security: contact('security@example.com'),
  })
  const before = await call('settings.Get')
  const wanted = {
    aclsExternallyManagedOn: true,
    aclsExternalLink: 'https://git.example/acl',
    devicesAutoUpdatesOn: true,
    devicesKeyDurationDays: 30,
    usersRoleAllowedToJoinExternalTailnets: 'admin',
    postureIdentityCollectionOn: true,
  }
  await call('settings.Update', wanted)
  assert.deepEqual(await call('settings.Get'), { ...before, ...wanted })
  // Newer clients say how routers are chosen by another name.
  await call('settings.Update', { routeSelection: 'regional-routing' })
  assert.equal((await call('settings.Get'))['regionalRoutingOn'], true)
  await call('settings.Update', { routeSelection: before['routeSelection'] })
  // What is not said stays.
  await call('settings.Update', { devicesKeyDurationDays: 60 })
  assert.deepEqual(await call('settings.Get'), { ...before, ...wanted, devicesKeyDurationDays: 60 })
  assert.equal((await api.failure(admin, 'settings.Update', { devicesKeyDurationDays: 1000 })).status, 400)
})

test('Services: made, read back as they were sent, changed, deleted', { skip }, async () => {
  const web = {
    name: 'svc:web',
    displayName: 'Web',
    comment: 'managed',
    annotations: { 'tailscale.com/owner-references': '{"ownerRefs":[{"operatorID":"n1CNTRL"}]}' },
    ports: ['tcp:8443', 'tcp:443'],
    tags: ['tag:k8s', 'tag:app'],
  }
  assert.equal((await api.failure(admin, 'services.Get', { name: 'svc:web' })).notFound, true)
  await call('services.CreateOrUpdate', web)
  const made = await call('services.Get', { name: 'svc:web' })
  assert.deepEqual(made, { ...web, addrs: made['addrs'] })
  assert.equal(made['addrs'].length, 2)
  await call('services.CreateOrUpdate', { ...made, ports: ['do-not-validate'] })
  assert.deepEqual(await call('services.List'), [{ ...made, ports: ['do-not-validate'] }])
  await call('services.Delete', { name: 'svc:web' })
  assert.deepEqual((await call<Row[] | null>('services.List')) ?? [], [])
  assert.equal((await api.failure(admin, 'services.Delete', { name: 'svc:web' })).notFound, true)
})

test('posture integrations: made, read back without a secret, changed, deleted', { skip }, async () => {
  const falcon = { provider: 'falcon', cloudId: 'us-1', clientId: 'abc', tenantId: 't' }
  const { id, ...made } = await call('posture.CreateIntegration', { ...falcon, clientSecret: 'secret' })
  assert.deepEqual(made, falcon)
  assert.deepEqual(await call('posture.ListIntegrations'), [{ id, ...falcon }])
  const changed = await call('posture.UpdateIntegration', { id, cloudId: 'eu-1' })
  assert.deepEqual(changed, { id, ...falcon, cloudId: 'eu-1' })
  assert.deepEqual(await call('posture.GetIntegration', { id }), changed)
  const twice = await api.failure(admin, 'posture.CreateIntegration', { ...falcon, clientSecret: 'secret' })
  assert.equal(twice.status, 409)
  await call('posture.DeleteIntegration', { id })
  assert.equal((await api.failure(admin, 'posture.GetIntegration', { id })).notFound, true)
  assert.deepEqual((await call<Row[] | null>('posture.ListIntegrations')) ?? [], [])
})
