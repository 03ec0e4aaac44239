/** Settings (api-v2.md §4.9), and what Sett's API has beyond Tailscale's: logins, tailnets, addresses, status. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MINUTE_MS } from '../../base/clock.ts'
import type { Wall } from '../../base/clock.ts'
import { machineKeyOf, nodeKeyOf } from '../../base/keys.ts'
import { RestWorld } from '../../../test/support/rest-world.ts'
import { DEFAULT_SETTINGS, SERVER } from '../model/records.ts'
import { TESTER } from '../../../test/support/ledger.ts'

let world: RestWorld
function inWorld(name: string, run: () => Promise<void>): void {
  test(name, async () => {
    world = await RestWorld.make()
    await run()
  })
}

inWorld('settings: all are shown, and a patch changes what it names', async () => {
  const path = '/tailnet/-/settings'
  assert.deepEqual(await world.get(path), DEFAULT_SETTINGS)
  const patch = { devicesApprovalOn: true, devicesKeyDurationDays: 30, httpsEnabled: null, nosuch: 1 }
  const told = await world.ask('PATCH', path, { token: world.alpha.tokens.owner, body: patch })
  const want = { ...DEFAULT_SETTINGS, devicesApprovalOn: true, devicesKeyDurationDays: 30 }
  assert.deepEqual(told.body, want)
  assert.deepEqual(await world.get(path), want)
  assert.deepEqual((await world.ask('PATCH', path, { server: true, body: {} })).body, want)
  assert.deepEqual(await world.get('/tailnet/beta/settings'), DEFAULT_SETTINGS)
  for (const body of [{ devicesKeyDurationDays: 0 }, { devicesKeyDurationDays: 181 }, { usersApprovalOn: 'yes' }])
    assert.equal((await world.ask('PATCH', path, { server: true, body })).status, 400)
})

inWorld('settings: how routers are chosen has two names, which say the same', async () => {
  const path = '/tailnet/-/settings'
  const rows = [
    { body: { routeSelection: 'regional-routing' }, want: [true, 'regional-routing'] },
    { body: { regionalRoutingOn: true }, want: [true, 'regional-routing'] },
    { body: { regionalRoutingOn: false }, want: [false, 'active-passive-failover'] },
    { body: { routeSelection: 'magicroute' }, want: [false, 'magicroute'] },
    { body: { regionalRoutingOn: false }, want: [false, 'magicroute'] },
    { body: { regionalRoutingOn: false, routeSelection: 'magicroute' }, want: [false, 'magicroute'] },
    { body: { regionalRoutingOn: true, routeSelection: null }, want: [true, 'regional-routing'] },
  ]
  for (const { body, want } of rows) {
    const told = await world.ask('PATCH', path, { server: true, body })
    assert.deepEqual([told.body.regionalRoutingOn, told.body.routeSelection], want, JSON.stringify(body))
    assert.deepEqual(await world.get(path), told.body)
  }
  for (const body of [{ routeSelection: 'best' }, { routeSelection: 'magicroute', regionalRoutingOn: true }])
    assert.equal((await world.ask('PATCH', path, { server: true, body })).status, 400)
})

inWorld('settings: each member needs its own scope, and one that is missing refuses the whole patch', async () => {
  const rows = [
    { scopes: ['feature_settings'], body: { devicesApprovalOn: true }, status: 200 },
    { scopes: ['feature_settings'], body: { httpsEnabled: true }, status: 403 },
    { scopes: ['networking_settings'], body: { httpsEnabled: true }, status: 200 },
    { scopes: ['networking_settings'], body: { httpsEnabled: false, usersApprovalOn: true }, status: 403 },
    { scopes: ['logs:network'], body: { networkFlowLoggingOn: true }, status: 200 },
    { scopes: ['feature_settings'], body: { networkFlowLoggingOn: false }, status: 403 },
    { scopes: ['feature_settings:read'], body: {}, status: 403 },
  ]
  for (const { scopes, body, status } of rows) {
    const token = await world.token('alpha', { user: 'owner', scopes })
    assert.equal(
      (await world.ask('PATCH', '/tailnet/-/settings', { token, body })).status,
      status,
      JSON.stringify(body),
    )
  }
  const { httpsEnabled, usersApprovalOn, networkFlowLoggingOn } = await world.get('/tailnet/-/settings')
  assert.deepEqual([httpsEnabled, usersApprovalOn, networkFlowLoggingOn], [true, false, true])
})

async function pending(code: string): Promise<void> {
  await world.ledger.transact(SERVER, TESTER, (_, now) => ({
    batch: {
      writes: [
        {
          kind: 'login',
          id: code,
          expect: 'absent',
          value: {
            code,
            machineKey: machineKeyOf(new Uint8Array(32).fill(1)),
            nodeKey: nodeKeyOf(new Uint8Array(32).fill(2)),
            created: now,
            expires: (now + 15 * MINUTE_MS) as Wall,
            hostname: 'phone',
            os: 'android',
            from: '192.0.2.7',
            ephemeral: false,
            requestTags: [],
          },
        },
      ],
    },
    result: undefined,
  }))
}

inWorld('logins: the server’s administrator sees who waits; whoever knows a code may decide', async () => {
  await pending('AAAA1111')
  await pending('BBBB2222')
  const { logins } = await world.get('/sett/logins')
  assert.deepEqual(logins[0], {
    code: 'AAAA1111',
    hostname: 'phone',
    os: 'android',
    from: '192.0.2.7',
    key: '[AgICA]',
    ephemeral: false,
    requestTags: [],
    created: '2026-01-02T03:04:05Z',
    expires: '2026-01-02T03:19:05Z',
    outcome: 'waiting',
  })
  const { tokens, userIds } = world.alpha
  const approve = '/sett/tailnet/-/logins/AAAA1111/approve'
  assert.equal((await world.get('/sett/tailnet/-/logins/AAAA1111', { token: tokens['it-admin'] })).outcome, 'waiting')
  assert.equal((await world.ask('POST', approve, { token: tokens.admin, body: { user: 'stranger' } })).status, 400)
  assert.equal((await world.post(approve, { user: 'Member' }, { token: tokens.admin })).outcome, 'approved')
  assert.deepEqual(world.ledger.model.login('AAAA1111')?.outcome, {
    kind: 'approved',
    tailnet: 1,
    user: Number(userIds.member),
  })
  assert.equal((await world.ask('POST', approve, { token: tokens.admin, body: { user: 'admin' } })).status, 409)
  const refuse = '/sett/tailnet/-/logins/BBBB2222/refuse'
  assert.equal((await world.post(refuse, { reason: 'not ours' })).outcome, 'refused')
  assert.deepEqual(world.ledger.model.login('BBBB2222')?.outcome, { kind: 'refused', why: 'not ours' })
  assert.deepEqual((await world.get('/sett/logins')).logins, [])
})

inWorld('logins: one that a tailnet let in is nothing to another; one that ran out is over', async () => {
  await pending('AAAA1111')
  await world.post('/sett/tailnet/alpha/logins/AAAA1111/approve', { user: 'member' })
  const foreign = { token: world.beta.tokens.owner, body: { user: 'member' } }
  assert.equal((await world.ask('GET', '/sett/tailnet/-/logins/AAAA1111', { token: foreign.token })).status, 404)
  assert.equal((await world.ask('POST', '/sett/tailnet/-/logins/AAAA1111/approve', foreign)).status, 404)
  assert.equal((await world.ask('POST', '/sett/tailnet/-/logins/AAAA1111/refuse', foreign)).status, 404)
  await pending('CCCC3333')
  world.clock.advance(15 * MINUTE_MS)
  const late = { server: true, body: { user: 'member' } } as const
  assert.equal((await world.ask('POST', '/sett/tailnet/-/logins/CCCC3333/approve', late)).status, 410)
  assert.equal((await world.get('/sett/tailnet/-/logins/CCCC3333')).outcome, 'expired')
})

inWorld('logins: sixteen approve one code at once, one of them does', async () => {
  await pending('AAAA1111')
  const told = await Promise.all(
    Array.from({ length: 16 }, (_, i) => {
      const { tokens } = i % 2 === 0 ? world.alpha : world.beta
      const asking = { token: tokens.owner, body: { user: 'member' } }
      return world.ask('POST', '/sett/tailnet/-/logins/AAAA1111/approve', asking)
    }),
  )
  assert.equal(told.filter(({ status }) => status === 200).length, 1)
})

inWorld('logins: a suspended user gets no devices', async () => {
  await pending('AAAA1111')
  await world.post(`/users/${world.alpha.userIds.member}/suspend`)
  const body = { user: 'member' }
  const told = await world.ask('POST', '/sett/tailnet/-/logins/AAAA1111/approve', { server: true, body })
  assert.equal(told.status, 400)
})

inWorld('tailnets are added under names of their own, with the default settings and nobody in them', async () => {
  const made = await world.post('/sett/tailnets', { name: 'gamma' })
  assert.match(made.id, /^T\w{11}CNTRL$/)
  const { id: _, ...rest } = made
  assert.deepEqual(rest, {
    name: 'gamma',
    domain: 'gamma.sett.internal',
    created: '2026-01-02T03:04:05Z',
    deviceCount: 0,
    onlineCount: 0,
    userCount: 0,
  })
  const { tailnets } = await world.get('/sett/tailnets')
  assert.deepEqual(
    tailnets.map(({ name }: { name: string }) => name),
    ['alpha', 'beta', 'gamma'],
  )
  assert.deepEqual((await world.get('/tailnet/gamma/devices')).devices, [])
  for (const [name, status] of [
    ['gamma', 409],
    ['Gamma', 400],
    ['-', 400],
    ['a.b', 400],
    ['', 400],
    ['x'.repeat(64), 400],
  ] as const)
    assert.equal((await world.ask('POST', '/sett/tailnets', { server: true, body: { name } })).status, status, name)
  const many = Array.from({ length: 8 }, () =>
    world.ask('POST', '/sett/tailnets', { server: true, body: { name: 'delta' } }),
  )
  assert.equal((await Promise.all(many)).filter(({ status }) => status === 200).length, 1)
})

inWorld('the server’s administrator names any tailnet; "-" is the first', async () => {
  for (const [ref, want] of [
    ['-', world.alpha],
    ['alpha', world.alpha],
    ['beta', world.beta],
    [world.beta.id, world.beta],
    ['beta.sett.internal', world.beta],
  ] as const) {
    const { devices } = await world.get(`/tailnet/${ref}/devices`)
    assert.equal(devices[0].nodeId, want.laptop.stableId, ref)
  }
  assert.equal((await world.ask('GET', '/tailnet/nowhere/devices', { server: true })).status, 404)
  assert.equal((await world.get(`/device/${world.beta.laptop.id}`)).name, 'laptop.beta.sett.internal')
  assert.equal((await world.get(`/users/${world.beta.userIds.owner}`)).tailnetId, world.beta.id)
})

inWorld('before there is any tailnet, there is none to find', async () => {
  const { TestClock, testLedger } = await import('../../../test/support/ledger.ts')
  const bare = world.restOn(await testLedger(new TestClock()))
  assert.equal((await world.ask('GET', '/tailnet/-/devices', { server: true }, bare)).status, 404)
  assert.deepEqual((await world.ask('GET', '/sett/status', { server: true }, bare)).body.tailnets, [])
})

inWorld('status shows the tailnets that the credential may see', async () => {
  world.online.add(world.beta.laptop.id)
  const own = await world.get('/sett/status', { token: world.beta.tokens.member })
  assert.deepEqual([own.version, own.url, own.started], ['0.0.0', 'https://sett.test', '2026-01-02T03:04:05Z'])
  assert.deepEqual(
    own.tailnets.map(({ name, deviceCount, onlineCount }: Record<string, unknown>) => [name, deviceCount, onlineCount]),
    [['beta', 2, 1]],
  )
  assert.equal((await world.get('/sett/status')).tailnets.length, 2)
})

inWorld('addresses: who holds which, by tailnet', async () => {
  const { addresses } = await world.get('/sett/tailnet/beta/addresses')
  const { laptop, printer } = world.beta
  assert.deepEqual(
    addresses.map(({ address }: { address: string }) => address).sort(),
    [laptop.ipv4, laptop.ipv6, printer.ipv4, printer.ipv6].sort(),
  )
  await world.post(`/device/${laptop.id}/name`, { name: 'renamed' })
  const { addresses: one } = await world.get(`/sett/tailnet/beta/addresses?address=${laptop.ipv4}`)
  assert.deepEqual(one[0].holds, [
    { id: String(laptop.id), nodeId: laptop.stableId, name: 'renamed', since: '2026-01-02T03:04:05Z' },
  ])
})

test('a device is asked whether it is there, and one that is not is said to be not connected', async () => {
  world = await RestWorld.make()
  const { laptop } = world.alpha
  const ask = () => world.ask('POST', `/sett/device/${laptop.stableId}/ping`, { server: true, body: { echo: true } })
  assert.deepEqual((await ask()).body, { outcome: 'not-connected' })
  world.online.add(laptop.id)
  assert.deepEqual((await ask()).body, { outcome: 'answered', latencyMs: 1 })
})
