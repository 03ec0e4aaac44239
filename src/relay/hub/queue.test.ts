import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { DropReason } from './metrics.ts'
import { Budget, FairQueue, Lane, PACKET_OVERHEAD_BYTES } from './queue.ts'

function queueOf(limits: { bytes?: number; ageMs?: number; early?: boolean }, budget = new Budget(1_000_000)) {
  const dropped: { reason: DropReason; first: number | undefined }[] = []
  const queue = new FairQueue<string>(
    { bytes: limits.bytes ?? 100_000, ageMs: limits.ageMs ?? 1_000_000, early: limits.early ?? false },
    budget,
    (reason, packet) => dropped.push({ reason, first: packet[0] }),
  )
  return { queue, dropped, budget }
}
const packet = (mark: number, size = 100) => new Uint8Array(size).fill(mark)

test('queue: a source keeps its order', () => {
  const { queue } = queueOf({})
  const lane = new Lane('a')
  for (let i = 0; i < 100; i++) queue.push(lane, packet(i), 0)
  for (let i = 0; i < 100; i++) assert.equal(queue.take(0)?.[0], i)
  assert.equal(queue.take(0), undefined)
})

test('queue: sources take turns by bytes, not by packets', () => {
  const { queue } = queueOf({ bytes: 10_000_000 }, new Budget(100_000_000))
  const [large, small] = [new Lane('large'), new Lane('small')]
  for (let i = 0; i < 200; i++) queue.push(large, packet(1, 1200), 0)
  for (let i = 0; i < 2000; i++) queue.push(small, packet(2, 100), 0)
  const bytes = { large: 0, small: 0 }
  for (let i = 0; i < 800; i++) {
    const got = queue.take(0) as Uint8Array
    bytes[queue.taken?.owner as 'large' | 'small'] += got.length + PACKET_OVERHEAD_BYTES
  }
  assert.ok(Math.abs(bytes.large - bytes.small) <= 2 * 2048, `${bytes.large} and ${bytes.small}`)
})

for (const order of [
  ['long', 'short'],
  ['short', 'long'],
] as const)
  test(`queue: when there is no room, the longest line loses its oldest; ${order[0]} comes first`, () => {
    const { queue, dropped } = queueOf({ bytes: 10 * (100 + PACKET_OVERHEAD_BYTES) })
    const lanes = { long: new Lane('long'), short: new Lane('short') }
    for (const name of order)
      for (let i = 0; i < (name === 'long' ? 9 : 3); i++)
        queue.push(lanes[name], packet(name === 'long' ? i : 100 + i), 0)
    assert.deepEqual(dropped, [
      { reason: 'queue_head', first: 0 },
      { reason: 'queue_head', first: 1 },
    ])
    assert.equal(lanes.short.count, 3)
  })

test('queue: what no budget is left for is refused at the tail', () => {
  const { queue, dropped, budget } = queueOf({}, new Budget(1000))
  budget.used = 900
  queue.push(new Lane('a'), packet(1), 0)
  assert.deepEqual(dropped, [{ reason: 'queue_tail', first: 1 }])
  assert.equal(budget.used, 900)
})

test('queue: the old is dropped, by taking and by expiry', () => {
  const { queue, dropped, budget } = queueOf({ ageMs: 100 })
  const lane = new Lane('a')
  queue.push(lane, packet(1), 0)
  queue.push(lane, packet(2), 50)
  queue.push(lane, packet(3), 90)
  assert.equal(queue.take(120)?.[0], 2)
  queue.expire(300)
  assert.deepEqual(
    dropped.map((d) => d.reason),
    ['queue_age', 'queue_age'],
  )
  assert.deepEqual([queue.bytes, budget.used, queue.sources], [0, 0, 0])
})

test('queue: a wait that stays too long is answered with ever more drops, and ends them when it is short again', () => {
  const { queue, dropped } = queueOf({ early: true, bytes: 10_000_000 }, new Budget(100_000_000))
  const lane = new Lane('a')
  // 1 packet comes and leaves each millisecond, behind a standing queue of 60.
  for (let i = 0; i < 60; i++) queue.push(lane, packet(0), 0)
  const perHalf = [0, 0]
  for (let t = 60; t < 1260; t++) {
    queue.push(lane, packet(0), t)
    queue.take(t)
    if (dropped.length > 0) perHalf[t < 660 ? 0 : 1] = (perHalf[t < 660 ? 0 : 1] as number) + dropped.splice(0).length
  }
  const [early, late] = perHalf as [number, number]
  assert.ok(early > 0 && early <= 6 && late > early, `${early}, then ${late}`)
  while (queue.take(1260) !== undefined);
  dropped.length = 0
  for (let t = 1300; t < 1900; t++) {
    queue.push(lane, packet(0), t)
    assert.ok(queue.take(t) !== undefined)
  }
  assert.deepEqual(dropped, [])
})

test('queue: bytes in equal bytes out and dropped, whatever happens', () => {
  const step = fc.oneof(
    fc.record({ push: fc.nat(4), size: fc.nat(3000) }),
    fc.record({ take: fc.nat(5) }),
    fc.record({ wait: fc.nat(80) }),
    fc.constant({ expire: true }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.boolean(), (steps, early) => {
      const { queue, dropped, budget } = queueOf({ bytes: 8000, ageMs: 150, early }, new Budget(12_000))
      const lanes = Array.from({ length: 5 }, (_, i) => new Lane(String(i)))
      let now = 0
      let pushed = 0
      let taken = 0
      for (const s of steps) {
        if ('push' in s) {
          queue.push(lanes[s.push] as Lane<string>, new Uint8Array(s.size), now)
          pushed++
        } else if ('take' in s) {
          for (let i = 0; i < s.take; i++) if (queue.take(now) !== undefined) taken++
        } else if ('wait' in s) now += s.wait
        else queue.expire(now)
        assert.ok(queue.bytes <= 8000 && budget.used === queue.bytes)
        assert.equal(
          queue.bytes,
          lanes.reduce((sum, lane) => sum + lane.bytes, 0),
        )
        assert.equal(pushed, taken + dropped.length + lanes.reduce((sum, lane) => sum + lane.count, 0))
        assert.equal(queue.sources, lanes.filter((lane) => lane.count > 0).length)
      }
    }),
  )
})
