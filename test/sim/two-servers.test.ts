/** Two servers on one store: what one writes the other tells its clients, and neither undoes what the other knows. */

import { test } from 'node:test'
import assert from 'node:assert/strict'
import { MemoryStore } from '../../src/coord/store/memory.ts'
import { World } from '../support/world.ts'
import { memoryDatabase } from '../support/ledger.ts'

async function pair(): Promise<{ one: World; two: World; pass: (ms: number) => Promise<void> }> {
  const database = memoryDatabase()
  const one = await World.start({ store: new MemoryStore(database), server: 'one' })
  const two = await World.start({ store: new MemoryStore(database), server: 'two' })
  const pass = async (ms: number): Promise<void> => {
    // Their clocks run alike, in small steps, so that each hears of the other in time.
    for (let left = ms; left > 0; left -= 250) for (const world of [one, two]) await world.pass(Math.min(250, left))
  }
  return { one, two, pass }
}

test('both know the same tailnet, and a node of one sees those of the other', async () => {
  const { one, two, pass } = await pair()
  assert.equal(one.tailnet.stableId, two.tailnet.stableId)
  const a = await one.joined('a')
  const b = await two.joined('b')
  await pass(1000)
  assert.deepEqual(
    [...a.peers().values()].map((peer) => [peer.Name, peer.Online]),
    [['b.home.sett.internal.', true]],
  )
  assert.deepEqual(
    [...b.peers().values()].map((peer) => [peer.Name, peer.Online]),
    [['a.home.sett.internal.', true]],
  )
  b.endpoints = ['198.51.100.77:7']
  await b.lite()
  await pass(500)
  assert.deepEqual(a.peers().get(b.node.id)?.Endpoints, ['198.51.100.77:7'])
})

test('a login polled at one server and approved at the other lets the machine in', async () => {
  const { one, two, pass } = await pair()
  const a = one.machine('phone')
  const url = (await a.register()).json['AuthURL'] as string
  const waiting = await a.register({ Followup: url })
  await pass(500)
  const owner = [...two.state().usersById.values()][0]
  assert.ok(owner)
  await two.decideLogin(url.slice(url.lastIndexOf('/') + 1), {
    kind: 'approved',
    tailnet: two.tailnet.num,
    user: owner.id,
  })
  await pass(500)
  assert.equal(waiting.status, 200)
  assert.equal(waiting.json['Error'], undefined)
  assert.equal(a.node.user, owner.id)
})

test('a node that moves from one server to the other stays online: a late goodbye changes nothing', async () => {
  const { one, two, pass } = await pair()
  const a = await one.joined('a')
  const b = await one.joined('b')
  const old = b.stream
  two.take(b)
  b.stream = await b.map()
  await pass(500)
  old.end()
  await pass(30_000)
  assert.equal(a.peers().get(b.node.id)?.Online, true)
  assert.equal(one.state().presence(b.node.id)?.server, 'two')
  b.stream.end()
  await pass(15_000)
  assert.equal(a.peers().get(b.node.id)?.Online, false)
})

test('of 32 machines that race for one one-off key at two servers, one gets in', async () => {
  const { one, two, pass } = await pair()
  const AuthKey = await one.key()
  await pass(250)
  const machines = Array.from({ length: 32 }, (_, i) => (i % 2 ? one : two).machine(`m${i}`))
  const answers = await Promise.all(machines.map((machine) => machine.register({ Auth: { AuthKey } })))
  await pass(500)
  assert.equal(answers.filter((answer) => answer.json['Error'] === undefined).length, 1)
  assert.equal(one.state().count('node'), 1)
  assert.equal(two.state().count('node'), 1)
})

test('a server that starts later, or has fallen behind what is kept of the feed, knows the same', async () => {
  const { one, two, pass } = await pair()
  for (let i = 0; i < 5; i++) await one.joined(`n${i}`)
  await one.store.trim(1)
  await pass(500)
  const names = (world: World) => [...world.state().all('node')].map((node) => node.name).sort()
  assert.deepEqual(names(two), names(one))
  await two.open()
  assert.deepEqual(names(two), names(one))
})
