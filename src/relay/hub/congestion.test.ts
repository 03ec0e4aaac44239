import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { RelayWorld } from '../../../test/support/relay-world.ts'
import type { SimClient } from '../../../test/support/relay-world.ts'
import type { DropReason } from './metrics.ts'

const MBIT = 125_000
const SIZE = 1200
const DISCO = new Uint8Array([0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac, ...new Uint8Array(80)])

const dropsOf = (world: RelayWorld, ...reasons: DropReason[]) => {
  const { packets_dropped } = world.hub.metrics()
  return reasons.reduce((sum, reason) => sum + packets_dropped[reason].disco + packets_dropped[reason].other, 0)
}
/** How evenly shares are spread: 1 when all are equal, 1/n when one has all. (Jain) */
const fairness = (shares: readonly number[]) =>
  shares.reduce((a, b) => a + b, 0) ** 2 / (shares.length * shares.reduce((a, b) => a + b * b, 0))
const mbitTo = (client: SimClient, from: SimClient, ms: number) => (client.bytesFrom(from) * 8) / ms / 1000

test('congestion: a sender twice as fast as its receiver waits, and hardly anything is dropped at the relay', () => {
  const world = new RelayWorld(1)
  const a = world.client()
  const b = world.client({ link: { rate: 50 * MBIT } })
  const sent = a.flood([b], SIZE, 100 * MBIT, 3000)
  world.run(3500)
  const goodput = mbitTo(b, a, 3000)
  assert.ok(goodput > 45, `delivers ${goodput} of 50 Mbit/s`)
  assert.ok(sent.unsent > sent.offered * 0.3, 'the excess is dropped where it arises')
  assert.ok(dropsOf(world, 'queue_head', 'queue_tail', 'queue_early', 'queue_age') < sent.offered * 0.03)
  assert.ok(world.hub.metrics().counters.reads_paused > 0)
  assert.ok(a.longestPauseMs <= 101, `longest pause ${a.longestPauseMs} ms`)
})

test('congestion: packets of a slow receiver wait for tens of milliseconds, not seconds', () => {
  for (const rate of [1, 5, 20]) {
    const world = new RelayWorld(2)
    const [a, prober] = [world.client(), world.client()]
    const b = world.client({ link: { rate: rate * MBIT } })
    a.flood([b], SIZE, 100 * MBIT, 4000)
    world.run(3000)
    const start = world.now
    prober.packet(b, DISCO)
    world.run(500)
    const ping = b.arrivals.find((x) => x.from === prober.raw.toHex())
    assert.ok(
      ping !== undefined && ping.at - start < 150,
      `at ${rate} Mbit/s a disco ping took ${ping && ping.at - start} ms`,
    )
    const busy = b.bytesFrom(a, start - 2000)
    const wait = world.hub.metrics().average_queue_duration_ms
    assert.ok(wait < 100, `ordinary packets wait ${wait} ms`)
    assert.ok(busy * 8 > 2000 * rate * 1000 * 0.85, `and ${rate} Mbit/s are used`)
  }
})

test('congestion: a sender that is far too fast is made to wait all the same', () => {
  const world = new RelayWorld(10)
  const a = world.client()
  const b = world.client({ link: { rate: 1 * MBIT } })
  const sent = a.flood([b], SIZE, 100 * MBIT, 4000)
  world.run(4500)
  const dropped = dropsOf(world, 'queue_head', 'queue_tail', 'queue_early', 'queue_age')
  assert.ok(dropped < sent.offered * 0.05, `${dropped} of ${sent.offered} are carried here to be dropped`)
  assert.ok(b.bytesFrom(a) * 8 > 4000 * 1000 * 0.9)
})

test('congestion: many senders, each with little, do not make a slow receiver late', () => {
  const world = new RelayWorld(11)
  const b = world.client({ link: { rate: 2 * MBIT } })
  const senders = Array.from({ length: 40 }, () => world.client())
  for (const s of senders) s.flood([b], SIZE, 0.4 * MBIT, 3000)
  world.run(3000)
  const wait = world.hub.metrics().average_queue_duration_ms
  assert.ok(wait < 100, `packets wait ${wait} ms`)
  assert.ok(b.conn.other.bytes < 64 * 1024, 'a slow receiver gets a short queue')
  const even = fairness(senders.map((s) => b.bytesFrom(s, 2000)))
  assert.ok(even > 0.8, `shares as even as ${even}`)
})

test('congestion: one slow receiver does not slow the sender down to others', () => {
  const world = new RelayWorld(3)
  const a = world.client()
  const [slow, fast] = [world.client({ link: { rate: 1 * MBIT } }), world.client({ link: { rate: 100 * MBIT } })]
  a.flood([slow, fast], SIZE, 40 * MBIT, 3000)
  world.run(3500)
  const goodput = mbitTo(fast, a, 3000)
  assert.ok(goodput > 19, `the fast one gets ${goodput} of 20 Mbit/s`)
  assert.ok(mbitTo(slow, a, 3000) > 0.8, 'and the slow one what it can take')
})

test('congestion: a receiver that takes nothing is let go after two seconds, and holds up nobody meanwhile', () => {
  const world = new RelayWorld(4)
  const a = world.client()
  const stuck = world.client()
  const other = world.client()
  world.settle()
  stuck.link.rate = 0
  a.flood([stuck], SIZE, 50 * MBIT, 5000)
  for (let i = 0; i < 40; i++) world.after(i * 100, () => a.packet(other, new Uint8Array(10)))
  world.run(1500)
  assert.equal(stuck.closed, undefined)
  world.run(3500)
  assert.equal(stuck.closed, 'write timeout')
  assert.equal(world.hub.metrics().counters.sclient_write_timeouts, 1)
  assert.equal(other.arrivals.length, 40)
  assert.ok(a.longestPauseMs <= 101)
  assert.ok(a.pausedMs < 300, `paused ${a.pausedMs} ms in all`)
  assert.equal(a.all('peer-gone').length, 0, 'it never sent anything')
  assert.equal(world.hub.metrics().gauge_queued_bytes, 0)
})

test('congestion: senders to one receiver get equal shares, however greedy they are', () => {
  for (const seed of [1, 2, 3]) {
    const world = new RelayWorld(seed)
    const b = world.client({ link: { rate: 40 * MBIT } })
    const rates = [15, 30, 60, 120]
    const senders = rates.map(() => world.client())
    senders.forEach((s, i) => s.flood([b], i === 1 ? 300 : SIZE, (rates[i] as number) * MBIT, 3000))
    world.run(3500)
    const shares = senders.map((s) => mbitTo(b, s, 3000))
    const small = shares.splice(1, 1)[0] as number
    // A fair turn counts what a packet costs here, so small packets carry a little less payload.
    assert.ok(fairness(shares) > 0.98, `shares ${shares.join()}`)
    assert.ok(small > 5, `small packets ${small}`)
    assert.ok([...shares, small].reduce((x, y) => x + y, 0) > 34)
  }
})

test('congestion: a trickle gets through a flood without loss', () => {
  const world = new RelayWorld(5)
  const b = world.client({ link: { rate: 10 * MBIT } })
  const [flooder, talker] = [world.client(), world.client()]
  flooder.flood([b], SIZE, 200 * MBIT, 4000)
  world.run(1000)
  const talk = talker.flood([b], 200, 0.1 * MBIT, 3000)
  world.run(3500)
  const heard = b.arrivals.filter((x) => x.from === talker.raw.toHex()).length
  assert.equal(heard, talk.offered)
})

test('congestion: disco packets get through when the ordinary queue is full', () => {
  const world = new RelayWorld(6)
  const [a, c] = [world.client(), world.client()]
  const b = world.client({ link: { rate: 2 * MBIT } })
  a.flood([b], SIZE, 100 * MBIT, 2000)
  for (let i = 0; i < 50; i++) world.after(500 + i * 20, () => c.packet(b, DISCO))
  world.run(3000)
  assert.equal(b.arrivals.filter((x) => x.from === c.raw.toHex()).length, 50)
})

test('congestion: a flood of disco packets does not silence the rest', () => {
  const world = new RelayWorld(7)
  const [a, c] = [world.client(), world.client()]
  const b = world.client({ link: { rate: 10 * MBIT } })
  for (let i = 0; i < 20_000; i++) world.after(i * 0.1, () => a.packet(b, DISCO))
  c.flood([b], SIZE, 5 * MBIT, 2000)
  world.run(2500)
  const goodput = mbitTo(b, c, 2000)
  assert.ok(goodput > 4, `${goodput} of 5 Mbit/s`)
  assert.ok(dropsOf(world, 'queue_head') > 0)
})

test('congestion: nothing is delivered that has waited longer than allowed', () => {
  const world = new RelayWorld(8, { ageMs: 200 })
  const [a, b] = [world.client(), world.client()]
  world.settle()
  b.stall(1000)
  const start = world.now
  const sent: number[] = []
  for (let i = 0; i < 100; i++)
    world.after(i * 10, () => {
      a.packet(b, new Uint8Array([i]))
      sent[i] = world.now - start
    })
  world.run(1500)
  const marks = b.arrivals.map((x) => x.packet[0] as number)
  // The first was on its way already.
  assert.equal(marks[0], 0)
  assert.deepEqual(
    marks.slice(1),
    sent.flatMap((at, i) => (i > 0 && at >= 800 ? [i] : [])),
  )
  assert.equal(dropsOf(world, 'queue_age'), 100 - marks.length)
})

test('congestion: memory is bounded for one receiver and for all', () => {
  fc.assert(
    fc.property(fc.nat(1000), fc.integer({ min: 2, max: 12 }), fc.integer({ min: 0, max: 4000 }), (seed, n, size) => {
      const memoryBytes = 600_000
      const queueBytes = 200_000
      const world = new RelayWorld(seed, { memoryBytes, queueBytes })
      const senders = Array.from({ length: n }, () => world.client())
      const receivers = Array.from({ length: 6 }, () => world.client())
      world.settle()
      for (const r of receivers) r.link.rate = 0
      for (const s of senders) s.pause = () => {} // A sender that does not care.
      for (let round = 0; round < 150; round++) {
        for (const s of senders) for (const r of receivers) s.packet(r, new Uint8Array(size))
        assert.ok(world.hub.metrics().gauge_queued_bytes <= memoryBytes)
        for (const r of receivers) assert.ok(r.conn.other.bytes <= queueBytes)
        if (round % 50 === 49) world.run(10)
      }
      for (const r of receivers) r.disconnect()
      assert.equal(world.hub.metrics().gauge_queued_bytes, 0)
      const { counters } = world.hub.metrics()
      const all: DropReason[] = ['gone_disconnected', 'queue_head', 'queue_tail', 'queue_early', 'queue_age']
      assert.equal(counters.packets_received, counters.packets_sent + dropsOf(world, ...all))
    }),
    { numRuns: 8 },
  )
})

test('congestion: a paused sender that leaves, and a receiver that leaves, hold up nobody', () => {
  const world = new RelayWorld(9)
  const [a, c] = [world.client(), world.client()]
  const b = world.client({ link: { rate: 1 * MBIT } })
  a.flood([b], SIZE, 100 * MBIT, 200)
  c.flood([b], SIZE, 100 * MBIT, 200)
  world.run(60)
  assert.ok(a.paused || c.paused)
  a.disconnect()
  b.disconnect()
  world.settle()
  assert.equal(c.paused, false)
  assert.equal(world.hub.metrics().gauge_queued_bytes, 0)
})
