import { test } from 'node:test'
import assert from 'node:assert/strict'
import { later } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'
import { Streams } from './streams.ts'
import type { Sink, Writer } from './streams.ts'

const MAP = new Uint8Array(1 << 20)
const writer: Writer = {
  keepalive: new Uint8Array(8),
  first: () => [MAP],
  delta: (_tailnet, _node, pending) => (pending.peers.size > 0 ? new Uint8Array(20) : undefined),
}
const dice = (length: number) => new Uint8Array(length)

class Pipe implements Sink {
  queued = 0
  readonly sizes: number[] = []
  ended = false
  readonly reads: boolean
  constructor(reads = true) {
    this.reads = reads
  }
  write(bytes: Uint8Array): void {
    this.sizes.push(bytes.length)
    if (!this.reads) this.queued += bytes.length
  }
  end(): void {
    this.ended = true
  }
}

test('first maps take turns when clients do not read, and nobody keeps the others waiting for long', () => {
  const streams = new Streams(writer, dice)
  let now = 1000 as Mono
  const pipes = Array.from({ length: 20 }, () => new Pipe(false))
  for (const [i, pipe] of pipes.entries()) streams.open(1, i, pipe, now)
  streams.flush(now)
  const begun = () => pipes.filter((pipe) => pipe.sizes.length > 0).length
  assert.equal(begun(), 8, 'eight of one MiB each')
  // One of them reads: one more may begin.
  const first = pipes[0] as Pipe
  first.queued = 0
  const stream = streams.get(1, 0)
  assert.ok(stream !== undefined && streams.drained(stream))
  streams.flush(now)
  assert.equal(begun(), 9)
  now = later(now, 4000)
  assert.ok(streams.deadline(now) <= now)
  streams.flush(now)
  assert.ok(begun() > 9, 'those that read nothing no longer count')
})

test('a stream that is slow is sent nothing more until it has read, and then all at once', () => {
  const streams = new Streams(writer, dice)
  const now = 1000 as Mono
  const slow = new Pipe(false)
  const { stream } = streams.open(1, 1, slow, now)
  streams.flush(now)
  for (let n = 0; n < 500; n++) {
    streams.note(1, [{ kind: 'peer', node: 2 + (n % 10), mask: 2 }])
    streams.flush(later(now, n * 300))
  }
  assert.ok(slow.sizes.filter((size) => size === 20).length === 0)
  assert.equal(stream.pending.peers.size, 10)
  slow.queued = 0
  assert.equal(streams.drained(stream), true)
  streams.flush(later(now, 200_000))
  assert.equal(slow.sizes.filter((size) => size === 20).length, 1)
  assert.equal(slow.ended, false)
})

test('a second stream of a node ends the first; closing the first then changes nothing', () => {
  const streams = new Streams(writer, dice)
  const now = 1000 as Mono
  const [one, two] = [new Pipe(), new Pipe()]
  const first = streams.open(1, 1, one, now).stream
  const second = streams.open(1, 1, two, now)
  assert.equal(second.replaced, first)
  assert.equal(one.ended, true)
  assert.equal(streams.close(first), false)
  assert.equal(streams.get(1, 1), second.stream)
  assert.equal(streams.size, 1)
})

test('an idle server has nothing to do but keepalives', () => {
  const streams = new Streams(writer, dice)
  assert.equal(streams.deadline(0 as Mono), Infinity)
  const pipe = new Pipe()
  streams.open(1, 1, pipe, 0 as Mono)
  let now = 0 as Mono
  let wakes = 0
  while (now < 120_000) {
    streams.flush(now)
    now = Math.max(now + 1, streams.deadline(now)) as Mono
    wakes++
  }
  assert.ok(wakes <= 125, `${wakes} wakes in two minutes`)
  assert.equal(pipe.sizes.filter((size) => size === 8).length, 2)
})

test('under steady change a stream is told every 200 ms, and those that began at different times are told together', () => {
  const streams = new Streams(writer, dice)
  const pipes = Array.from({ length: 10 }, () => new Pipe())
  let rounds = 0
  for (let now = 1000 as Mono; now < 6000; now = later(now, 1)) {
    const next = pipes[(now - 1000) / 17]
    if (next !== undefined) streams.open(1, (now - 1000) / 17, next, now)
    streams.note(1, [{ kind: 'peer', node: 99, mask: 2 }])
    const before = streams.counts.deltas
    streams.flush(now)
    if (now >= 5000 && streams.counts.deltas > before) rounds++
  }
  for (const pipe of pipes) {
    const told = pipe.sizes.filter((size) => size === 20).length
    // Three at once, and then five a second.
    assert.ok(told >= 25 && told <= 29, `told ${told} times in five seconds`)
  }
  assert.ok(rounds <= 20, `${rounds} rounds of sending in one second`)
})

test('a profile that nobody shows any more counts as never told, and that is no news by itself', () => {
  const streams = new Streams(writer, dice)
  const pipe = new Pipe()
  const { stream } = streams.open(1, 1, pipe, 1000 as Mono)
  streams.flush(1000 as Mono)
  stream.told.profiles.add(7).add(8)
  const sent = pipe.sizes.length
  streams.note(1, [{ kind: 'forgotten', profile: 7 }])
  streams.flush(5000 as Mono)
  assert.deepEqual([...stream.told.profiles], [8])
  assert.equal(pipe.sizes.length, sent)
})

test('after a policy was saved, streams are asked anew in turns, and changes of peers do not wait for them', () => {
  const asked: number[] = []
  const telling: Writer = {
    ...writer,
    delta: (_tailnet, node) => {
      asked.push(node)
      return new Uint8Array(20)
    },
  }
  const streams = new Streams(telling, dice)
  for (let node = 0; node < 100; node++) streams.open(1, node, new Pipe(), 900 as Mono)
  streams.flush(900 as Mono)
  const now = 1000 as Mono
  streams.note(1, [{ kind: 'policy' }])
  streams.flush(now)
  assert.equal(asked.length, 32)
  assert.ok(streams.deadline(now) <= now, 'the next turn is due at once')
  for (let turn = 0; turn < 3; turn++) streams.flush(now)
  assert.deepEqual(
    asked.toSorted((a, b) => a - b),
    Array.from({ length: 100 }, (_, node) => node),
    'everybody once',
  )
})

test('within a burst, too, a client has time to take one message before the next comes', () => {
  const streams = new Streams({ ...writer, delta: () => new Uint8Array(20) }, dice)
  const pipe = new Pipe()
  streams.open(1, 1, pipe, 1000 as Mono)
  streams.flush(1000 as Mono)
  const sent: number[] = []
  let now = 1000 as Mono
  for (; now < 1400; now = later(now, 5)) {
    streams.note(1, [{ kind: 'peer', node: 2, mask: 4 }])
    const before = streams.counts.deltas
    streams.flush(now)
    if (streams.counts.deltas > before) sent.push(now)
  }
  // The burst, spread out; then what the interval allows.
  assert.deepEqual(sent, [1050, 1100, 1150, 1250])
})
