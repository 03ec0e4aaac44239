/** What is routed by whom, approving it, and what waits for approval. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Wall } from '../../base/clock.ts'
import type { Write } from '../model/records.ts'
import { RestWorld } from '../../../test/support/rest-world.ts'
import { TESTER } from '../../../test/support/ledger.ts'

const NET = '10.0.0.0/8'
const EXIT = ['0.0.0.0/0', '::/0']

/** Laptop and printer of one tailnet offer these. */
async function offering(laptop: readonly string[], printer: readonly string[]): Promise<RestWorld> {
  const world = await RestWorld.make()
  await write(world, () =>
    [
      [world.alpha.laptop.id, laptop],
      [world.alpha.printer.id, printer],
    ].map(([id, RoutableIPs]) => {
      const state = world.ledger.model.state(world.alpha.num)
      const node = state.node(id as number)
      assert.ok(node)
      const hostinfo = { ...node.hostinfo, RoutableIPs: RoutableIPs as string[] }
      const value = { ...node, hostinfo, approvedRoutes: [] }
      return { kind: 'node', id: String(node.id), expect: 'any', value }
    }),
  )
  return world
}

async function write(world: RestWorld, writes: () => Write[]): Promise<void> {
  await world.ledger.transact(world.alpha.num, TESTER, () => ({ batch: { writes: writes() }, result: undefined }))
}

const list = async (world: RestWorld) => (await world.get('/sett/tailnet/alpha/routes')).routes
const short = async (world: RestWorld) =>
  (await list(world)).map(({ prefix, routers }: any) => [
    prefix,
    ...routers.map(
      (r: any) => `${r.name}${r.approved ? '' : ' waits'}${r.primary ? ' primary' : ''}${r.healthy ? '' : ' unwell'}`,
    ),
  ])

test('routes are approved and withdrawn one by one, and everything shows who is used', async () => {
  const world = await offering([NET, ...EXIT], [NET, '192.168.1.0/24'])
  const { laptop, printer } = world.alpha
  for (const { id } of [laptop, printer]) world.online.add(id)
  assert.deepEqual(await short(world), [
    [NET, `${laptop.name} waits`, `${printer.name} waits`],
    ['192.168.1.0/24', `${printer.name} waits`],
    ['0.0.0.0/0', `${laptop.name} waits`],
    ['::/0', `${laptop.name} waits`],
  ])
  const change = (node: { stableId: string }, body: object) => world.post(`/sett/device/${node.stableId}/routes`, body)
  assert.deepEqual((await change(laptop, { approve: [NET] })).enabledRoutes, [NET])
  assert.deepEqual((await change(laptop, { approve: EXIT })).enabledRoutes, [NET, ...EXIT])
  await change(printer, { approve: [NET] })
  assert.deepEqual(await short(world), [
    [NET, `${laptop.name} primary`, printer.name],
    ['192.168.1.0/24', `${printer.name} waits`],
    ['0.0.0.0/0', laptop.name],
    ['::/0', laptop.name],
  ])
  assert.deepEqual((await change(laptop, { withdraw: EXIT, approve: ['172.16.0.0/12'] })).enabledRoutes, [
    NET,
    '172.16.0.0/12',
  ])
})

test('a router that does not answer is shown as such, and the order that is on record counts', async () => {
  const world = await offering([NET], [NET])
  const { laptop, printer } = world.alpha
  for (const { id, stableId } of [laptop, printer]) {
    world.online.add(id)
    await world.post(`/sett/device/${stableId}/routes`, { approve: [NET] })
  }
  const presence = (node: number, more: object): Write => ({
    kind: 'presence',
    id: String(node),
    expect: 'any',
    value: { node, online: true, lastSeen: 0 as Wall, server: 'one', ...more },
  })
  await write(world, () => [presence(laptop.id, { unwell: world.clock.wall() }), presence(printer.id, {})])
  assert.deepEqual(await short(world), [[NET, `${printer.name} primary`, `${laptop.name} unwell`]])
  const [before] = await list(world)
  assert.equal(before.routers[1].unhealthySince, new Date(world.clock.wall()).toISOString().replace('.000', ''))
  assert.equal(before.primarySince, undefined)
  await write(world, () => [
    presence(laptop.id, {}),
    {
      kind: 'route-order',
      id: NET,
      expect: 'absent',
      value: { nodes: [printer.id, laptop.id], since: world.clock.wall() },
    },
  ])
  assert.deepEqual(await short(world), [[NET, `${printer.name} primary`, laptop.name]])
  assert.ok((await list(world))[0].primarySince)
})

test('what waits for approval is listed until it is approved', async () => {
  const world = await offering([NET, ...EXIT], [])
  const { laptop } = world.alpha
  const waiting = async () => (await world.get('/sett/tailnet/alpha/approvals')).approvals
  const [first] = await waiting()
  assert.deepEqual([first.name, first.device, first.routes, first.exitNode], [laptop.name, false, [NET], true])
  await world.post(`/sett/device/${laptop.stableId}/routes`, { approve: [NET, EXIT[0]] })
  assert.deepEqual(
    (await waiting()).map(({ routes, exitNode }: any) => [routes, exitNode]),
    [[[], true]],
    'both families are one exit node',
  )
  await world.post(`/sett/device/${laptop.stableId}/routes`, { approve: EXIT })
  assert.deepEqual(await waiting(), [])
  await world.post(`/device/${laptop.stableId}/authorized`, { authorized: false })
  assert.deepEqual(
    (await waiting()).map(({ name, device, routes }: any) => [name, device, routes]),
    [[laptop.name, true, []]],
  )
})

test('what cannot be done is refused, and nothing is changed', async () => {
  const world = await offering([NET], [])
  const path = `/sett/device/${world.alpha.laptop.stableId}/routes`
  const rows: readonly [object, number, RegExp][] = [
    [{ approve: ['10.0.0.1/8'] }, 400, /want 10\.0\.0\.0\/8/],
    [{ approve: ['office'] }, 400, /want a prefix such as/],
    [{ withdraw: [NET] }, 404, /is not approved/],
    [{ approve: [NET], withdraw: [NET] }, 400, /at once/],
    [{ approve: Array.from({ length: 2049 }, () => NET) }, 400, /./],
  ]
  for (const [body, status, message] of rows) {
    const told = await world.ask('POST', path, { server: true, body })
    assert.equal(told.status, status, told.text)
    assert.match(told.body.message, message)
  }
  assert.deepEqual((await world.get(`/device/${world.alpha.laptop.stableId}/routes`)).enabledRoutes, [])
})
