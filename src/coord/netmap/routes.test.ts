/** The order of the routers of one subnet through what befalls them. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Primaries } from './routes.ts'

const NET = '10.1.0.0/16'

class Harness {
  readonly primaries = new Primaries()
  readonly usable = new Set<number>()
  recorded: readonly number[] | undefined

  readonly #isUsable = (node: number): boolean => this.usable.has(node)

  set(node: number, usable: boolean, routes: readonly string[] = [NET]): void {
    if (usable) this.usable.add(node)
    else this.usable.delete(node)
    this.primaries.update(node, routes, this.#isUsable)
  }

  record(nodes: readonly number[] | undefined): void {
    this.recorded = nodes
    this.primaries.record(NET, nodes, this.#isUsable)
  }

  /** As the writer of records does it. */
  settle(): void {
    for (const [prefix, nodes] of this.primaries.unrecorded()) {
      assert.equal(prefix, NET)
      this.record(nodes)
    }
    assert.equal(this.primaries.unrecorded().size, 0, 'settled')
  }

  get order(): string {
    return [1, 2, 3]
      .toSorted((a, b) => Number(this.primaries.goesBefore(NET, b, a)) - Number(this.primaries.goesBefore(NET, a, b)))
      .filter((node) => this.primaries.contested.get(NET)?.includes(node) ?? this.primaries.isPrimary(node, NET))
      .join(' ')
  }
}

type Act = (world: Harness) => void
const up =
  (node: number): Act =>
  (world) =>
    world.set(node, true)
const down =
  (node: number): Act =>
  (world) =>
    world.set(node, false)
const gone =
  (node: number): Act =>
  (world) =>
    world.set(node, true, [])

const rows: readonly { name: string; acts: readonly Act[]; order: string; record: readonly number[] | undefined }[] = [
  { name: 'the lowest id is first', acts: [up(1), up(2), up(3)], order: '1 2 3', record: undefined },
  { name: 'whoever was alone stays first', acts: [up(2), up(1)], order: '2 1', record: [2, 1] },
  { name: 'one fails', acts: [up(1), up(2), down(1)], order: '2 1', record: [2, 1] },
  { name: 'and stays behind when it is back', acts: [up(1), up(2), down(1), up(1)], order: '2 1', record: [2, 1] },
  {
    name: 'until the other fails',
    acts: [up(1), up(2), down(1), up(1), down(2)],
    order: '1 2',
    record: [1, 2],
  },
  { name: 'all fail: nothing moves', acts: [up(1), up(2), down(1), down(2)], order: '2 1', record: [2, 1] },
  {
    name: 'all fail, and the first is back first',
    acts: [up(1), up(2), down(1), down(2), up(1)],
    order: '1 2',
    record: [1, 2],
  },
  { name: 'a newcomer is last', acts: [up(2), up(3), down(2), up(1)], order: '3 1 2', record: [3, 1, 2] },
  { name: 'one that offers nothing any more', acts: [up(1), up(2), up(3), gone(1)], order: '2 3', record: undefined },
  { name: 'and is last when it offers it anew', acts: [up(1), up(2), gone(1), up(1)], order: '2 1', record: [2, 1] },
  { name: 'one is left: no record', acts: [up(1), up(2), down(1), gone(1)], order: '2', record: undefined },
]

for (const { name, acts, order, record } of rows)
  test(name, () => {
    const world = new Harness()
    for (const act of acts) {
      act(world)
      world.settle()
    }
    assert.equal(world.order, order)
    assert.deepEqual(world.recorded, record)
  })

test('a server that starts has the order that is on record, whoever it hears of first', () => {
  const world = new Harness()
  world.record([3, 1, 2])
  for (const node of [1, 2, 3]) world.set(node, true)
  world.settle()
  assert.equal(world.order, '3 1 2')
  assert.deepEqual(world.recorded, [3, 1, 2])
})

test('what another server has written counts', () => {
  const world = new Harness()
  for (const node of [1, 2, 3]) world.set(node, true)
  world.record([2, 3, 1])
  assert.equal(world.order, '2 3 1')
  world.record(undefined)
  world.settle()
  assert.equal(world.order, '2 3 1', 'a record that is gone moves nobody')
  assert.deepEqual(world.recorded, [2, 3, 1])
})

test('exit routes are nobody’s part alone', () => {
  const world = new Harness()
  for (const node of [1, 2])
    assert.deepEqual(
      world.primaries.update(node, ['0.0.0.0/0', '::/0'], () => true),
      [],
    )
  assert.equal(world.primaries.contested.size, 0)
  assert.equal(world.primaries.version, 0)
})
