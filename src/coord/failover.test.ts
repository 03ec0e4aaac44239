/** What the server does for routers of one subnet, and what it leaves alone. Whole lives of routers are in test/sim. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MeshError } from '../base/errors.ts'
import { memoryDatabase } from '../../test/support/ledger.ts'
import type { Machine } from '../../test/support/world.ts'
import { World } from '../../test/support/world.ts'
import { apiOf } from '../../test/support/world-api.ts'
import { MemoryStore } from './store/memory.ts'
import type { Store } from './store/store.ts'

const NET = '10.1.0.0/16'

async function router(world: World, name: string): Promise<Machine> {
  const machine = await world.joined(name)
  machine.hostinfo = { ...machine.hostinfo, RoutableIPs: [NET, '0.0.0.0/0', '::/0'] }
  await machine.lite()
  await world.change(machine.node.id, () => ({ approvedRoutes: [NET, '0.0.0.0/0', '::/0'] }))
  return machine
}

/** Passes so much time; these machines answer. Gives how often each machine was asked. */
async function pass(world: World, ms: number, answering: readonly Machine[]): Promise<void> {
  for (let left = ms; left > 0; left -= 100) {
    await world.pass(100)
    for (const machine of answering)
      for (const { PingRequest } of machine.news())
        if (PingRequest !== undefined) await machine.send('HEAD', new URL(PingRequest.URL).pathname, '')
  }
}

const pings = (machine: Machine): number => machine.stream.messages.filter((m) => m.PingRequest !== undefined).length

test('only routers of a subnet that has several are asked, and once a second', async () => {
  const world = await World.start()
  const viewer = await world.joined('viewer')
  const a = await router(world, 'a')
  await pass(world, 10_000, [a])
  assert.equal(pings(a), 0, 'nobody could stand in')
  const b = await router(world, 'b')
  await pass(world, 10_000, [a, b])
  assert.equal(pings(viewer), 0)
  for (const machine of [a, b]) assert.ok(pings(machine) >= 9 && pings(machine) <= 11, `${pings(machine)}`)
  const before = [a, b].map(pings)
  await world.change(b.node.id, () => ({ approvedRoutes: ['0.0.0.0/0', '::/0'] }))
  await pass(world, 10_000, [a, b])
  assert.deepEqual([a, b].map(pings), before, 'exit nodes are chosen by those who use them')
})

test('the log says who does not answer, who answers again, and who is used instead', async () => {
  const said: string[] = []
  const say = (event: string, { node, route }: Readonly<Record<string, unknown>>): void => {
    if (/router/.test(event)) said.push([event, node, route].filter(Boolean).join(' '))
  }
  const world = await World.start({ say })
  const [a, b] = [await router(world, 'a'), await router(world, 'b')]
  await pass(world, 3000, [a, b])
  await pass(world, 6000, [b])
  await pass(world, 8000, [a, b])
  assert.deepEqual(said, [
    'router does not answer a',
    `route has another primary router b ${NET}`,
    'router answers again a',
  ])
})

test('while the store takes nothing it is tried again once a second; then it happens', async () => {
  const inner = new MemoryStore(memoryDatabase())
  let [broken, tries] = [false, 0]
  const store: Store = new Proxy(inner, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      if (name === 'commit' && broken) {
        tries++
        return () => Promise.reject(new MeshError('store/unavailable', 'the disk is gone'))
      }
      return value.bind(target) as unknown
    },
  })
  const world = await World.start({ store })
  const [a, b] = [await router(world, 'a'), await router(world, 'b')]
  await pass(world, 3000, [a, b])
  broken = true
  for (let left = 9000; left > 0; left -= 100) {
    await pass(world, 100, [b]).catch((error: unknown) => assert.match(String(error), /the disk is gone/))
    world.failures.length = 0
  }
  assert.ok(tries >= 3 && tries <= 8, `${tries} tries`)
  broken = false
  await pass(world, 1500, [b])
  assert.deepEqual(world.state().get('route-order', NET)?.nodes, [b.node.id, a.node.id])
})

test('`explain` names the router that is used, whoever joined first', async () => {
  const world = await World.start()
  await world.joined('viewer')
  const [a, b] = [await router(world, 'a'), await router(world, 'b')]
  await pass(world, 3000, [a, b])
  const through = async (): Promise<unknown> => {
    const { flows } = await apiOf(world)('POST', '/sett/tailnet/-/policy/explain?src=viewer&dst=10.1.2.3:443', '')
    return flows[0].through.node
  }
  const first = await through()
  await pass(world, 6000, [b])
  const second = await through()
  await pass(world, 10_000, [a, b])
  assert.deepEqual(
    [first, second, await through()],
    [a, b, b].map(({ node }) => node.id),
  )
})
