/** What the machines promise of bodies: windows, turns, buffers, and what comes back. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concat, sameBytes } from '../../base/bytes.ts'
import { data, END, framesOf, GREETING, many, NOW, raw, request, serving, WHOLE } from './by-hand.ts'
import { FLAG, FRAME } from './codes.ts'
import { readU32 } from './frames.ts'
import { H2Server } from './index.ts'
import type { H2Client } from './index.ts'

/** DATA in what is taken, as `stream:length`, with a dot where the stream ends. */
function sent(machine: H2Server | H2Client, atMost?: number): string[] {
  return framesOf(concat(machine.take(atMost)))
    .filter((frame) => frame.type === FRAME.DATA)
    .map((frame) => `${frame.stream}:${frame.payload.length}${(frame.flags & END) === 0 ? '' : '.'}`)
}

function grow(stream: number, by: number): Uint8Array {
  return raw(FRAME.WINDOW_UPDATE, 0, stream, Uint8Array.of(by >>> 24, (by >>> 16) & 255, (by >>> 8) & 255, by & 255))
}

function increments(machine: H2Server | H2Client): [stream: number, by: number][] {
  return framesOf(concat(machine.take()))
    .filter((frame) => frame.type === FRAME.WINDOW_UPDATE)
    .map((frame) => [frame.stream, readU32(frame.payload, 0)])
}

test('a server announces its limits', () => {
  const [settings, window, ...rest] = framesOf(concat(new H2Server().take()))
  assert.equal(settings?.payload.toHex(), '0003000000fa000400040000000600004000')
  assert.deepEqual(
    [window?.type, window?.stream, readU32(window?.payload as Uint8Array, 0)],
    [8, 0, 1_048_576 - 65_535],
  )
  assert.equal(rest.length, 0)
})

test('limits below what everybody starts with are not announced', () => {
  const [settings, ...rest] = framesOf(
    concat(new H2Server({ limits: { streamWindow: 1, connectionWindow: 1 } }).take()),
  )
  assert.equal(settings?.payload.toHex().slice(12, 24), '00040000ffff')
  assert.equal(rest.length, 0)
})

test('a body waits for the windows, and says how much of it waits', () => {
  const server = serving([1], {}, '0004 00000064')
  server.write(1, new Uint8Array(250), { end: true })
  assert.deepEqual(sent(server), ['1:100'])
  assert.equal(server.bufferedBytes(1), 150)
  assert.equal(server.due, false)
  assert.deepEqual(sent(server), [])
  server.receive(grow(1, 50), NOW)
  assert.equal(server.due, true)
  assert.deepEqual(sent(server), ['1:50'])
  server.receive(grow(1, 5000), NOW)
  assert.deepEqual(sent(server), ['1:100.'])
  assert.equal(server.openStreams, 0)
})

test('an end needs no window', () => {
  const server = serving([1], {}, '0004 00000000')
  server.write(1, new Uint8Array(0), { end: true })
  assert.deepEqual(sent(server), ['1:0.'])
})

test('the connection window is shared in turns', () => {
  const server = serving([1, 3])
  server.write(1, new Uint8Array(60_000))
  server.write(3, new Uint8Array(60_000))
  assert.deepEqual(sent(server), ['1:16384', '3:16384', '1:16384', '3:16383'])
  assert.deepEqual(sent(server), [])
  server.receive(grow(0, 20_000), NOW)
  assert.deepEqual(sent(server), ['1:16384', '3:3616'])
})

test('a smaller initial window takes back what was given, below zero even', () => {
  const server = serving([1])
  server.write(1, new Uint8Array(70_000))
  assert.deepEqual(sent(server, 30_000), ['1:16384', '1:16384'])
  // 32,768 are sent; a window of 10,000 leaves -22,768.
  server.receive(raw(FRAME.SETTINGS, 0, 0, '0004 00002710'), NOW)
  assert.deepEqual(sent(server), [])
  server.receive(grow(1, 22_768), NOW)
  assert.deepEqual(sent(server), [])
  server.receive(grow(1, 1), NOW)
  assert.deepEqual(sent(server), ['1:1'])
})

test('take hands over about as much as is asked for, one frame at least', () => {
  const server = serving([1])
  server.write(1, new Uint8Array(50_000))
  assert.deepEqual(sent(server, 1), ['1:16384'])
  assert.deepEqual(sent(server, 20_000), ['1:16384', '1:16384'])
  assert.equal(server.bufferedBytes(1), 50_000 - 3 * 16_384)
})

test('pieces go out as they were written, uncopied, in one frame', () => {
  const server = serving([1])
  const [a, b] = [Uint8Array.of(1, 2, 3), Uint8Array.of(4, 5)]
  server.write(1, a)
  server.write(1, b)
  const pieces = server.take()
  assert.equal(pieces.length, 3)
  assert.equal(pieces[0]?.toHex(), '000005000000000001')
  assert.equal(pieces[1], a)
  assert.equal(pieces[2], b)
})

test('many pieces over many frames keep their order', () => {
  const server = serving([1])
  const pieces = Array.from({ length: 500 }, (_, i) => new Uint8Array(100).fill(i & 255))
  for (const piece of pieces) server.write(1, piece)
  const got: Uint8Array[] = []
  for (let out = server.take(1); out.length > 0; out = server.take(1))
    got.push(...framesOf(concat(out)).map((frame) => frame.payload))
  assert.ok(sameBytes(concat(got), concat(pieces)))
})

test('a stream is told once that its buffer is empty', () => {
  const server = serving([1, 3])
  server.write(1, new Uint8Array(10))
  server.write(3, new Uint8Array(70_000))
  server.take()
  assert.deepEqual(server.drained(), [1])
  assert.deepEqual(server.drained(), [])
  server.receive(concat([grow(0, 70_000), grow(3, 70_000)]), NOW)
  server.take()
  assert.deepEqual(server.drained(), [3])
})

test('a stream that is gone is not told of its buffer', () => {
  const server = serving([1])
  server.write(1, new Uint8Array(10))
  server.take()
  server.reset(1, 'CANCEL')
  assert.deepEqual(server.drained(), [])
})

test('headers longer than a frame are continued', () => {
  const server = serving([])
  server.receive(request(1, [], WHOLE | END), NOW)
  server.respond(1, 200, [['x', '~'.repeat(40_000)]], { end: true })
  const frames = framesOf(concat(server.take()))
  assert.deepEqual(
    frames.map((frame) => [frame.type, frame.flags, frame.payload.length]),
    [
      [FRAME.HEADERS, END, 16_384],
      [FRAME.CONTINUATION, 0, 16_384],
      [FRAME.CONTINUATION, WHOLE, 40_009 - 2 * 16_384],
    ],
  )
})

test('used bytes come back in halves of the window, and with the stream at the latest', () => {
  const server = new H2Server({ limits: { streamWindow: 70_000, connectionWindow: 100_000 } })
  server.receive(concat([GREETING, request(1), many(3, () => data(1, 16_000))]), NOW)
  server.take()
  server.consumed(1, 34_999)
  assert.deepEqual(increments(server), [])
  server.consumed(1, 1)
  assert.deepEqual(increments(server), [[1, 35_000]])
  server.consumed(1, 13_000)
  assert.deepEqual(increments(server), [])
  server.receive(
    many(1, () => data(1, 16_000)),
    NOW,
  )
  server.receive(raw(FRAME.RST_STREAM, 0, 1, '00000008'), NOW)
  assert.deepEqual(increments(server), [[0, 64_000]])
})

test('more is never given back than was received', () => {
  const server = new H2Server({ limits: { streamWindow: 65_535, connectionWindow: 65_535 } })
  server.receive(concat([GREETING, request(1), many(1, () => data(1, 10_000))]), NOW)
  server.take()
  server.consumed(1, 1e9)
  server.consumed(1, 1e9)
  assert.deepEqual(increments(server), [])
})

test('padding is given back by itself', () => {
  const server = new H2Server({ limits: { streamWindow: 65_535, connectionWindow: 65_535 } })
  server.receive(concat([GREETING, request(1)]), NOW)
  server.take()
  const padded = raw(FRAME.DATA, FLAG.PADDED, 1, concat([Uint8Array.of(255), new Uint8Array(100), new Uint8Array(255)]))
  server.receive(
    many(129, () => padded),
    NOW,
  )
  // 128 times 256 bytes of padding and its length are the first to reach half of the window.
  assert.deepEqual(increments(server), [
    [0, 32_768],
    [1, 32_768],
  ])
})
