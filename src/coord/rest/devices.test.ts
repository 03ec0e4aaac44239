/** The routes about devices, row by row as api-v2.md §4.1 and §6.1 have them. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DAY_MS } from '../../base/clock.ts'
import { RestWorld } from '../../../test/support/rest-world.ts'

let world: RestWorld
const laptop = () => `/device/${world.alpha.laptop.stableId}`
const shown = (path = laptop()) => world.get(`${path}?fields=all`)

/** Each test has a world of its own. */
function inWorld(name: string, run: () => Promise<void>): void {
  test(name, async () => {
    world = await RestWorld.make()
    await run()
  })
}

inWorld('a device shows the default members, and with fields=all the others', async () => {
  const { laptop: node } = world.alpha
  const basic = await world.get(laptop())
  assert.deepEqual(basic, {
    addresses: [node.ipv4, node.ipv6],
    id: String(node.id),
    nodeId: node.stableId,
    user: 'owner',
    name: 'laptop.alpha.sett.internal',
    hostname: 'laptop',
    clientVersion: '',
    os: '',
    updateAvailable: false,
    authorized: true,
    isExternal: false,
    keyExpiryDisabled: false,
    blocksIncomingConnections: false,
    connectedToControl: false,
    isEphemeral: false,
    created: '2026-01-02T03:04:05Z',
    expires: '2026-07-01T03:04:05Z',
    lastSeen: '2026-01-02T03:04:05Z',
    machineKey: node.machineKey,
    nodeKey: node.nodeKey,
    tailnetLockKey: '',
    tailnetLockError: '',
  })
  const all = await shown()
  assert.deepEqual(Object.fromEntries(Object.keys(basic).map((name) => [name, all[name]])), basic)
  assert.deepEqual(all.advertisedRoutes, ['10.0.0.0/8'])
  assert.deepEqual(all.enabledRoutes, [])
  assert.equal(all.sshEnabled, false)
  assert.deepEqual(all.clientConnectivity.endpoints, ['192.0.2.1:41641'])
  assert.equal(all.clientConnectivity.derp, 'Here')
})

inWorld('lastSeen is absent while the device is connected', async () => {
  world.online.add(world.alpha.laptop.id)
  const device = await world.get(laptop())
  assert.equal(device.connectedToControl, true)
  assert.ok(!('lastSeen' in device))
})

inWorld('tags are absent on an untagged device, and sorted on a tagged one', async () => {
  assert.ok(!('tags' in (await world.get(laptop()))))
  await world.post(`${laptop()}/tags`, { tags: ['tag:web', 'tag:db', 'tag:web'] })
  assert.deepEqual((await world.get(laptop())).tags, ['tag:db', 'tag:web'])
})

inWorld('latencies go by region, the better family counts, and the home region is marked', async () => {
  const net = { DERPLatency: { '900-v4': 0.02, '900-v6': 0.01, '7-v4': 0.5 }, WorkingUDP: true, UPnP: false }
  const node = await world.join(1, Number(world.alpha.userIds.owner), 'probe', { hostinfo: { NetInfo: net } })
  const { latency, clientSupports } = (await shown(`/device/${node.id}`)).clientConnectivity
  assert.deepEqual(latency, { Here: { preferred: true, latencyMs: 10 }, 7: { latencyMs: 500 } })
  assert.deepEqual(clientSupports, { hairPinning: null, ipv6: null, pcp: null, pmp: null, udp: true, upnp: false })
})

inWorld('both ids of a device work on every path', async () => {
  const { stableId, id } = world.alpha.laptop
  for (const ref of [stableId, String(id)]) {
    assert.equal((await world.get(`/device/${ref}`)).nodeId, stableId)
    assert.deepEqual((await world.get(`/device/${ref}/routes`)).enabledRoutes, [])
    await world.post(`/device/${ref}/name`, { name: `by-${ref.toLowerCase()}` })
  }
  for (const ref of ['0', '01', `${id}x`, 'n', '1e0', '-1', stableId.toLowerCase()])
    assert.equal((await world.ask('GET', `/device/${ref}`, { server: true })).status, 404, ref)
})

inWorld('the list is filtered by any top-level member, and filters add up', async () => {
  await world.join(1, Number(world.alpha.userIds.admin), 'box', { ephemeral: true, tags: ['tag:a', 'tag:b'] })
  const rows = [
    { query: '', want: ['laptop', 'printer', 'box'] },
    { query: '?fields=all', want: ['laptop', 'printer', 'box'] },
    { query: '?hostname=printer', want: ['printer'] },
    { query: '?name=laptop.alpha.sett.internal', want: ['laptop'] },
    { query: '?name=laptop', want: [] },
    { query: '?isEphemeral=true', want: ['box'] },
    { query: '?isEphemeral=false', want: ['laptop', 'printer'] },
    { query: '?tags=tag:a', want: ['box'] },
    { query: '?tags=tag%3Aa&tags=tag%3Ab', want: ['box'] },
    { query: '?tags=tag:a&tags=tag:c', want: [] },
    { query: '?user=owner&isEphemeral=false&fields=default', want: ['laptop', 'printer'] },
    { query: '?user=owner&hostname=box', want: [] },
    { query: '?hostname=box&hostname=laptop', want: ['laptop', 'box'] },
    { query: '?advertisedRoutes=10.0.0.0/8', want: ['laptop'] },
    { query: '?nosuchmember=1', want: [] },
    { query: '?constructor=1&__proto__=2', want: [] },
  ]
  for (const { query, want } of rows) {
    const { devices } = await world.get(`/tailnet/-/devices${query}`)
    assert.deepEqual(
      devices.map((device: { hostname: string }) => device.hostname),
      want,
      query,
    )
  }
})

inWorld('renaming', async () => {
  const rows = [
    { name: 'a short name', to: 'web', want: 'web' },
    { name: 'a full name', to: 'db.alpha.sett.internal', want: 'db' },
    { name: 'a full name with its dot', to: 'cache.alpha.sett.internal.', want: 'cache' },
    { name: 'capitals are lowered', to: 'Mail', want: 'mail' },
    { name: 'the name it has', to: 'mail', want: 'mail' },
    { name: 'one that another device has', to: 'printer', status: 409 },
    { name: 'a full name of another tailnet', to: 'web.beta.sett.internal', status: 400 },
    { name: 'two labels', to: 'a.b', status: 400 },
    { name: 'a space', to: 'a b', status: 400 },
    { name: 'a hyphen at its end', to: 'web-', status: 400 },
    { name: 'more than 63 characters', to: 'a'.repeat(64), status: 400 },
    { name: 'a line break', to: 'web\nHost x', status: 400 },
    { name: 'a path', to: '../../users/1', status: 400 },
  ]
  for (const { name, to, want, status = 200 } of rows) {
    const told = await world.ask('POST', `${laptop()}/name`, { server: true, body: { name: to } })
    assert.equal(told.status, status, `${name}: ${told.text}`)
    assert.equal((await world.get(laptop())).name, `${want ?? 'mail'}.alpha.sett.internal`, name)
  }
})

inWorld('an empty name is made from the host name again, and a name given up can be had by another', async () => {
  await world.post(`${laptop()}/name`, { name: 'chosen' })
  assert.equal(world.node(1, world.alpha.laptop.id)?.named, true)
  await world.post(`${laptop()}/name`, { name: '' })
  assert.equal((await world.get(laptop())).name, 'laptop.alpha.sett.internal')
  assert.equal(world.node(1, world.alpha.laptop.id)?.named, false)
  await world.post(`${laptop()}/name`, { name: 'elsewhere' })
  await world.post(`/device/${world.alpha.printer.stableId}/name`, { name: 'laptop' })
  await world.post(`${laptop()}/name`, { name: '' })
  assert.equal((await world.get(laptop())).name, 'laptop-1.alpha.sett.internal')
})

inWorld('tags that are none, or that the caller may not use, are refused in the words clients know', async () => {
  const { tokens } = world.alpha
  const rows = [
    { by: tokens.owner, tags: ['tag:ok', 'nope', 'tag:1'], want: '[nope tag:1]' },
    { by: tokens.owner, tags: ['tag:', 'tag:a b'], want: '[tag: tag:a b]' },
    { by: tokens['it-admin'], tags: ['tag:a', 'tag:b'], want: '[tag:a tag:b]' },
    { by: tokens['it-admin'], tags: ['web'], want: '[web]' },
    {
      by: tokens.owner,
      tags: ['web', 'tag:ok', 'db'],
      want: '[web db]',
      hint: ': every tag begins with "tag:"; want tag:web tag:db',
    },
  ]
  for (const { by, tags, want, hint = '' } of rows) {
    const told = await world.ask('POST', `${laptop()}/tags`, { token: by, body: { tags } })
    assert.deepEqual(
      [told.status, told.body.message],
      [400, `requested tags ${want} are invalid or not permitted${hint}`],
    )
  }
  assert.ok(!('tags' in (await world.get(laptop()))))
})

inWorld(
  'once there is a policy, tags have to be declared, and others than administrators have to own them',
  async () => {
    const { tokens, userIds } = world.alpha
    const policy = '{"tagOwners": {"tag:web": [], "tag:ci": ["autogroup:it-admin"]}, "grants": []}'
    await world.ask('POST', '/tailnet/-/acl', { server: true, body: policy })
    const rows = [
      { by: tokens.owner, tags: ['tag:web', 'tag:ci'], wrong: '' },
      { by: tokens.admin, tags: ['tag:web'], wrong: '' },
      { by: tokens.owner, tags: ['tag:web', 'tag:new', 'tag:other'], wrong: 'tag:new tag:other' },
      { by: tokens['it-admin'], tags: ['tag:ci'], wrong: '' },
      { by: tokens['it-admin'], tags: ['tag:ci', 'tag:web'], wrong: 'tag:web' },
      { by: undefined, tags: ['tag:new'], wrong: 'tag:new' },
    ]
    for (const { by, tags, wrong } of rows) {
      const asking = by === undefined ? ({ server: true } as const) : { token: by }
      const device = await world.join(1, Number(userIds.owner), 'tagged')
      const tagged = await world.ask('POST', `/device/${device.stableId}/tags`, { ...asking, body: { tags } })
      const capabilities = { devices: { create: { tags } } }
      const key = await world.ask('POST', '/tailnet/-/keys', { ...asking, body: { capabilities } })
      for (const told of [tagged, key]) {
        assert.equal(told.status, wrong === '' ? 200 : 400, tags.join(' '))
        if (wrong !== '') assert.equal(told.body.message, `requested tags [${wrong}] are invalid or not permitted`)
      }
    }
  },
)

inWorld('taking the last tag away gives the device back to its user, or to whoever does it', async () => {
  const printer = `/device/${world.alpha.printer.stableId}`
  await world.post(`${printer}/tags`, { tags: [] }, { token: world.alpha.tokens.admin })
  assert.equal((await world.get(printer)).user, 'owner')
  const orphan = await world.join(1, 0, 'orphan', { tags: ['tag:x'] })
  assert.equal((await world.get(`/device/${orphan.id}`)).user, 'tagged-devices')
  await world.post(`/device/${orphan.id}/tags`, {}, { token: world.alpha.tokens.admin })
  assert.equal((await world.get(`/device/${orphan.id}`)).user, 'admin')
})

inWorld('approval is given and taken', async () => {
  for (const authorized of [false, true]) {
    await world.post(`${laptop()}/authorized`, { authorized })
    assert.equal((await world.get(laptop())).authorized, authorized)
  }
})

inWorld('an expired device’s key ends now, even one that was never to', async () => {
  await world.post(`${laptop()}/key`, { keyExpiryDisabled: true })
  assert.equal((await world.get(laptop())).expires, '0001-01-01T00:00:00Z')
  world.clock.advance(DAY_MS)
  await world.post(`${laptop()}/expire`)
  const { keyExpiryDisabled, expires } = await world.get(laptop())
  assert.deepEqual({ keyExpiryDisabled, expires }, { keyExpiryDisabled: false, expires: '2026-01-03T03:04:05Z' })
})

inWorld('key expiry is switched off and on; a key without an end gets one', async () => {
  await world.post(`${laptop()}/key`, { keyExpiryDisabled: true })
  await world.post(`${laptop()}/key`, { keyExpiryDisabled: false })
  assert.equal((await world.get(laptop())).expires, '2026-07-01T03:04:05Z')
  const node = await world.join(1, Number(world.alpha.userIds.owner), 'endless', { keyExpiryDisabled: true })
  await world.post(`/device/${node.id}/key`, { keyExpiryDisabled: false })
  assert.equal((await world.get(`/device/${node.id}`)).expires, '2026-07-01T03:04:05Z')
})

inWorld('routes are replaced, read back as they were set, and may be enabled before they are offered', async () => {
  const rows = [
    { name: 'one that is offered', routes: ['10.0.0.0/8'], want: ['10.0.0.0/8'] },
    {
      name: 'others, in their order',
      routes: ['192.0.2.0/24', '::/0', '0.0.0.0/0'],
      want: ['192.0.2.0/24', '::/0', '0.0.0.0/0'],
    },
    { name: 'each once', routes: ['2001:db8::/32', '2001:DB8:0::/32'], want: ['2001:db8::/32'] },
    { name: 'an address', routes: ['192.0.2.1'], status: 400 },
    { name: 'bits behind the length', routes: ['192.0.2.1/24'], status: 400 },
    { name: 'no prefix at all', routes: ['10.0.0.0/8', 'lan'], status: 400 },
    { name: 'none', routes: [], want: [] },
    { name: 'none, as a Go client says it', routes: null, want: [] },
  ]
  for (const { name, routes, want, status = 200 } of rows) {
    const before = await world.get(`${laptop()}/routes`)
    const told = await world.ask('POST', `${laptop()}/routes`, { server: true, body: { routes } })
    assert.equal(told.status, status, `${name}: ${told.text}`)
    const after = await world.get(`${laptop()}/routes`)
    assert.deepEqual(after, want === undefined ? before : { advertisedRoutes: ['10.0.0.0/8'], enabledRoutes: want })
    if (want !== undefined) assert.deepEqual(told.body, after)
  }
})

inWorld('addresses: free and in range, and remembered', async () => {
  const rows = [
    { name: 'a free one', ipv4: '100.70.1.2' },
    { name: 'the one it has', ipv4: '100.70.1.2' },
    { name: 'outside 100.64.0.0/10', ipv4: '10.0.0.1', status: 400 },
    { name: 'the service address', ipv4: '100.100.100.100', status: 400 },
    { name: 'one that is taken', ipv4: () => world.alpha.printer.ipv4, status: 409 },
    { name: 'leading zeros', ipv4: '100.070.1.3', status: 400 },
    { name: 'its own from before', ipv4: () => world.alpha.laptop.ipv4 },
  ]
  for (const { name, ipv4, status = 200 } of rows) {
    const address = typeof ipv4 === 'string' ? ipv4 : ipv4()
    const told = await world.ask('POST', `${laptop()}/ip`, { server: true, body: { ipv4: address } })
    assert.equal(told.status, status, `${name}: ${told.text}`)
    if (status === 200) assert.equal((await world.get(laptop())).addresses[0], address)
  }

  const { addresses } = await world.get('/sett/tailnet/-/addresses?address=100.70.1.2')
  const since = '2026-01-02T03:04:05Z'
  const { id, stableId } = world.alpha.laptop
  assert.deepEqual(addresses, [
    { address: '100.70.1.2', holds: [{ id: String(id), nodeId: stableId, name: 'laptop', since, until: since }] },
  ])
})

inWorld('an address that somebody had is nobody else’s for 90 days, and then anybody’s', async () => {
  const { ipv4 } = world.alpha.laptop
  await world.ask('DELETE', laptop(), { server: true })
  const wanted = { server: true, body: { ipv4 } } as const
  const printer = `/device/${world.alpha.printer.stableId}`
  world.clock.advance(90 * DAY_MS - 1)
  assert.equal((await world.ask('POST', `${printer}/ip`, wanted)).status, 409)
  world.clock.advance(1)
  assert.equal((await world.ask('POST', `${printer}/ip`, wanted)).status, 200)
  const { addresses } = await world.get(`/sett/tailnet/-/addresses?address=${ipv4}`)
  assert.deepEqual(
    addresses[0].holds.map(({ name, until }: { name: string; until?: string }) => [name, until === undefined]),
    [
      ['laptop', false],
      ['printer', true],
    ],
  )
})

inWorld(
  'a deleted device is gone with its name, key and attributes; who had its addresses stays on record',
  async () => {
    const { laptop: node } = world.alpha
    await world.post(`${laptop()}/attributes/custom:x`, { value: 1 })
    assert.equal((await world.ask('DELETE', laptop(), { server: true })).text, '')
    assert.equal((await world.ask('GET', laptop(), { server: true })).status, 404)
    assert.equal((await world.ask('DELETE', laptop(), { server: true })).status, 404)
    const state = world.ledger.model.state(1)
    assert.equal(state.get('name', 'laptop'), undefined)
    assert.equal(state.get('attributes', String(node.id)), undefined)
    assert.equal(world.ledger.model.nodeByKey(node.nodeKey), undefined)
    assert.equal(state.address(node.ipv4)?.holds.at(-1)?.until, world.clock.now)
    // Another device may use the key now: the claim is released.
    await world.join(1, 1, 'laptop', { nodeKey: node.nodeKey })
  },
)

inWorld('requests that do not fit are refused with what was wanted, and change nothing', async () => {
  const rows = [
    { path: '/authorized', body: {}, message: /authorized/ },
    { path: '/authorized', body: { authorized: 'yes' }, message: /authorized/ },
    { path: '/key', body: undefined, message: /keyExpiryDisabled/ },
    { path: '/name', body: { name: 7 }, message: /name/ },
    { path: '/routes', body: { routes: '10.0.0.0/8' }, message: /routes/ },
    { path: '/routes', body: {}, message: /routes/ },
    { path: '/tags', body: { tags: [1] }, message: /tags\.0/ },
    { path: '/authorized', body: '{"authorized":', message: /not JSON/ },
    { path: '/authorized', body: '[true]', message: /object/ },
    { path: '/authorized', body: 'null', message: /object/ },
  ]
  for (const { path, body, message } of rows) {
    const told = await world.ask('POST', `${laptop()}${path}`, { server: true, body })
    assert.equal(told.status, 400, `${path} ${JSON.stringify(body)}`)
    assert.match(told.body.message, message)
  }
})

inWorld('members that nobody knows are ignored', async () => {
  await world.post(`${laptop()}/authorized`, { authorized: false, reason: 'lost', __proto__: 1 })
  assert.equal((await world.get(laptop())).authorized, false)
})
