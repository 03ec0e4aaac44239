/**
 * Subnets with several routers, in virtual time: what viewers are told when routers are killed, fall silent, say
 * goodbye, stall and flap; when all are down; when the server starts anew, and with two servers on one database.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryStore } from '../../src/coord/store/memory.ts'
import { memoryDatabase } from '../support/ledger.ts'
import type { Machine } from '../support/world.ts'
import { World } from '../support/world.ts'
import { apiOf } from '../support/world-api.ts'

const NET = '10.1.0.0/16'
const STEP_MS = 50
/** What the server has of the limits; the rest is for clients, their handshakes and what measures them. */
const KILLED_MS = 500
const SILENT_MS = 4200

/** Machines that live on one or more servers whose clocks run alike. */
class Field {
  readonly worlds: readonly World[]
  readonly routers: Machine[] = []
  viewer!: Machine
  /** Do not answer. */
  readonly silent = new Set<Machine>()
  /** Messages of each machine's stream that it has read. */
  readonly #read = new Map<Machine, number>()

  constructor(...worlds: World[]) {
    this.worlds = worlds
  }

  static async open(routers = 2): Promise<Field> {
    const field = new Field(await World.start())
    await field.fill(routers)
    return field
  }

  async fill(routers: number, of: (i: number) => World = () => this.worlds[0] as World): Promise<void> {
    this.viewer = await (this.worlds[0] as World).joined('viewer')
    for (let i = 0; i < routers; i++) this.routers.push(await this.router(`r${i}`, of(i)))
    await this.pass(6000)
    this.viewer.news()
  }

  async router(name: string, world = this.worlds[0] as World, tags: readonly string[] = []): Promise<Machine> {
    const router = await world.joined(name, { tags })
    router.hostinfo = { ...router.hostinfo, RoutableIPs: [NET] }
    await router.lite()
    await world.change(router.node.id, () => ({ approvedRoutes: [NET] }))
    return router
  }

  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= STEP_MS) {
      for (const world of this.worlds) await world.pass(STEP_MS)
      for (const router of this.routers) if (!this.silent.has(router)) await this.#answer(router)
    }
  }

  async #answer(router: Machine): Promise<void> {
    const { messages, ended } = router.stream
    const read = Math.min(this.#read.get(router) ?? 0, messages.length)
    this.#read.set(router, messages.length)
    if (ended) return
    for (const { PingRequest } of messages.slice(read))
      if (PingRequest !== undefined && (PingRequest.Types ?? '') === '')
        await router.send('HEAD', new URL(PingRequest.URL).pathname, '')
  }

  async reconnect(router: Machine): Promise<void> {
    this.#read.set(router, 0)
    router.stream = await router.map()
  }

  /** Number of the router that the viewer sends to; -1: none. Never two. */
  used(viewer = this.viewer): number {
    const peers = viewer.peers()
    const carrying = this.routers.filter((r) => peers.get(r.node.id)?.AllowedIPs?.includes(NET))
    for (const r of this.routers) {
      const peer = peers.get(r.node.id)
      assert.deepEqual(peer?.PrimaryRoutes ?? [], carrying.includes(r) ? [NET] : [])
    }
    assert.ok(carrying.length <= 1, 'two peers share a prefix')
    return carrying[0] === undefined ? -1 : this.routers.indexOf(carrying[0])
  }

  /** Passes time until the viewer sends to this router. */
  async until(router: number, most: number, viewer = this.viewer): Promise<number> {
    for (let ms = 0; ms <= most; ms += STEP_MS) {
      if (this.used(viewer) === router) return ms
      await this.pass(STEP_MS)
    }
    return assert.fail(`router ${router} is not used within ${most} ms but ${this.used(viewer)}`)
  }

  at(i: number): Machine {
    return this.routers[i] as Machine
  }
}

test('killed, silent, gone by its own word: the other one carries on, and the first stays behind when it is back', async () => {
  const field = await Field.open()
  const [a, b] = [field.at(0), field.at(1)]
  assert.equal(field.used(), 0)

  a.stream.end()
  assert.ok((await field.until(1, KILLED_MS)) > 0)
  await field.reconnect(a)
  await field.pass(8000)
  assert.equal(field.used(), 1, 'back, and not used')

  field.silent.add(b)
  const took = await field.until(0, SILENT_MS)
  assert.ok(took > 2000, `${took} ms`)
  field.silent.delete(b)
  await field.pass(8000)
  assert.equal(field.used(), 0)

  // Clients that go down offer nothing any more; those that log out let their key expire.
  await a.register({ Expiry: '1970-01-01T00:02:03Z' })
  await field.until(1, KILLED_MS)
})

test('both are told, once, and nobody else but who sees them', async () => {
  const field = await Field.open()
  const [a, b] = [field.at(0), field.at(1)]
  for (const machine of [a, b]) machine.news()
  field.silent.add(a)
  await field.until(1, SILENT_MS)
  await field.pass(500)
  const told = field.viewer.news()
  assert.equal(told.length, 1)
  assert.deepEqual(
    told[0]?.PeersChanged?.map(({ ID }) => ID),
    [a, b].map(({ node }) => node.id),
  )
  const own = (machine: Machine) => machine.news().flatMap(({ Node }) => (Node === undefined ? [] : [Node]))
  assert.deepEqual(
    own(b).map(({ PrimaryRoutes }) => PrimaryRoutes),
    [[NET]],
  )
  const [standby] = own(a)
  assert.equal(standby?.PrimaryRoutes, undefined)
  assert.ok(standby?.AllowedIPs?.includes(NET), 'its own entry still lists it')
})

test('two stalls of a second cause no switch', async () => {
  const field = await Field.open()
  const a = field.at(0)
  for (let i = 0; i < 2; i++) {
    field.silent.add(a)
    await field.pass(1000)
    field.silent.delete(a)
    await field.pass(100)
  }
  await field.pass(10_000)
  assert.equal(field.used(), 0)
  assert.deepEqual(
    field.viewer.news().filter(({ PeersChanged }) => PeersChanged !== undefined),
    [],
  )
})

test('one that flaps is left once', async () => {
  const field = await Field.open()
  const a = field.at(0)
  for (let i = 0; i < 4; i++) {
    field.silent.add(a)
    await field.pass(6000)
    field.silent.delete(a)
    await field.pass(6000)
  }
  assert.equal(field.used(), 1)
  assert.equal(field.viewer.news().filter(({ PeersChanged }) => PeersChanged !== undefined).length, 1)
})

test('all down: nothing moves until one is back', async () => {
  const field = await Field.open(3)
  const [a, b, c] = [0, 1, 2].map((i) => field.at(i)) as [Machine, Machine, Machine]
  for (const router of [a, b, c]) field.silent.add(router)
  await field.pass(20_000)
  assert.equal(field.used(), 0)
  field.silent.delete(c)
  await field.until(2, 2000)
  field.silent.delete(a)
  await field.pass(20_000)
  assert.equal(field.used(), 2)
  c.stream.end()
  await field.until(0, KILLED_MS)
})

test('all streams end at once and come back one by one, as behind a proxy that starts anew: no switch', async () => {
  const field = await Field.open()
  const [a, b] = [field.at(0), field.at(1)]
  for (const router of [a, b]) router.stream.end()
  await field.pass(300)
  await field.reconnect(b)
  await field.pass(4000)
  await field.reconnect(a)
  await field.pass(10_000)
  assert.equal(field.used(), 0)
})

test('the server starts anew: whoever was used is used, and what happened before is known', async () => {
  const field = await Field.open()
  const [world] = field.worlds as [World]
  const [a, b] = [field.at(0), field.at(1)]
  field.silent.add(a)
  await field.until(1, SILENT_MS)
  await field.pass(1000)
  world.coord.close()
  await world.open()
  field.viewer.stream = await field.viewer.map()
  field.silent.delete(a)
  await field.reconnect(a)
  // It comes back late, as clients that back off do.
  await field.pass(20_000)
  await field.reconnect(b)
  await field.pass(10_000)
  assert.equal(field.used(), 1)
  b.stream.end()
  await field.until(0, KILLED_MS)
})

test('two servers: each asks its own routers, and both tell the same', async () => {
  const database = memoryDatabase()
  const one = await World.start({ store: new MemoryStore(database), server: 'one' })
  const two = await World.start({ store: new MemoryStore(database), server: 'two' })
  const field = new Field(one, two)
  await field.fill(2, (i) => (i === 0 ? one : two))
  const other = await two.joined('other')
  await field.pass(1000)
  const used = () => [field.used(), field.used(other)]
  assert.deepEqual(used(), [0, 0])
  field.silent.add(field.at(0))
  await field.until(1, SILENT_MS)
  await field.pass(500)
  assert.deepEqual(used(), [1, 1])
  field.silent.clear()
  await field.pass(10_000)
  field.at(1).stream.end()
  await field.until(0, KILLED_MS + 250)
  await field.pass(500)
  assert.deepEqual(used(), [0, 0])
})

test('via: every viewer has its own router, and only those move whose router fails', async () => {
  const world = await World.start()
  const field = new Field(world)
  await apiOf(world)(
    'POST',
    '/tailnet/-/acl',
    JSON.stringify({
      tagOwners: Object.fromEntries(['east', 'west', 'east-client', 'west-client', 'any'].map((t) => [`tag:${t}`, []])),
      grants: [
        { src: ['tag:east-client'], dst: [NET], ip: ['*'], via: ['tag:east'] },
        { src: ['tag:west-client'], dst: [NET], ip: ['*'], via: ['tag:west'] },
        { src: ['tag:any'], dst: [NET], ip: ['*'], via: ['tag:west', 'tag:east'] },
      ],
    }),
  )
  const [east, west, any] = [
    await world.joined('ec', { tags: ['tag:east-client'] }),
    await world.joined('wc', { tags: ['tag:west-client'] }),
    await world.joined('ac', { tags: ['tag:any'] }),
  ] as [Machine, Machine, Machine]
  field.viewer = east
  for (const [name, tag] of [
    ['e0', 'tag:east'],
    ['e1', 'tag:east'],
    ['w0', 'tag:west'],
    ['w1', 'tag:west'],
  ] as const)
    field.routers.push(await field.router(name, world, [tag]))
  await field.pass(6000)
  const used = () => [east, west, any].map((viewer) => field.used(viewer))
  assert.deepEqual(used(), [0, 2, 0])
  for (const viewer of [east, west, any]) viewer.news()

  field.silent.add(field.at(2))
  await field.until(3, SILENT_MS, west)
  await field.pass(500)
  assert.deepEqual(used(), [0, 3, 0])
  assert.equal(east.news().length, 0, 'whom it does not concern hears nothing')
  field.silent.delete(field.at(2))
  await field.pass(20_000)
  assert.deepEqual(used(), [0, 3, 0], 'back, and behind')

  field.at(0).stream.end()
  await field.until(1, KILLED_MS)
  await field.pass(500)
  assert.deepEqual(used(), [1, 3, 1])

  // Nothing left on one side: nobody is sent over the other.
  field.at(1).stream.end()
  await field.until(3, KILLED_MS, any)
  await field.pass(500)
  assert.deepEqual(used(), [1, 3, 3])
})

test('of fifty routers of one subnet some are killed one after the other: each time the next carries on', async () => {
  const field = await Field.open(50)
  for (let i = 0; i < 3; i++) {
    assert.equal(field.used(), i)
    field.at(i).stream.end()
    await field.until(i + 1, KILLED_MS)
  }
})
