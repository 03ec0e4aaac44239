/** What the machines promise their shells: how streams and connections end, what misuse is, and time that heals. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concat } from '../../base/bytes.ts'
import { later } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'
import { MeshError } from '../../base/errors.ts'
import {
  block,
  data,
  END,
  framesOf,
  many,
  NOW,
  PING,
  POST,
  raw,
  request,
  serving,
  SETTINGS,
  TRAILERS,
  verdict,
  WHOLE,
} from './by-hand.ts'
import { FLAG, FRAME } from './codes.ts'
import type { H2Code } from './codes.ts'
import { H2Client } from './index.ts'
import type { H2ServerEvent } from './index.ts'

test('a response before the end of its request asks for no more of it, and late frames pass', () => {
  const server = serving([])
  server.receive(concat([request(1), data(1, 100)]), NOW)
  server.respond(1, 413, [])
  server.write(1, Uint8Array.of(1), { end: true })
  const frames = framesOf(concat(server.take()))
  assert.deepEqual(
    frames.map((frame) => frame.type),
    [FRAME.HEADERS, FRAME.DATA, FRAME.RST_STREAM],
  )
  assert.equal(frames[2]?.payload.toHex(), '00000000')
  assert.equal(server.openStreams, 0)
  assert.deepEqual(server.receive(concat([data(1, 100), data(1, 0, END)]), NOW), [])
  assert.equal(verdict(server), 'fine')
})

test('late frames of a stream that we reset pass; what is buffered on it is dropped', () => {
  const server = serving([])
  server.receive(concat([request(1), data(1, 100)]), NOW)
  server.respond(1, 200, [])
  server.write(1, new Uint8Array(10))
  server.reset(1, 'CANCEL')
  assert.deepEqual(verdict(server), { reset: 'CANCEL', stream: 1 })
  assert.deepEqual(server.receive(concat([data(1, 100), request(1, [], WHOLE | END)]), NOW), [])
  assert.equal(verdict(server), 'fine')
  assert.equal(server.write(1, new Uint8Array(1)), false)
  assert.equal(server.respond(1, 200, []), false)
  assert.equal(server.bufferedBytes(1), 0)
})

test('a reset by the client is told with its code', () => {
  const server = serving([1])
  const codes: readonly [number, H2Code][] = [
    [8, 'CANCEL'],
    [0xbad, 'INTERNAL_ERROR'],
  ]
  for (const [i, [number, code]] of codes.entries()) {
    const stream = 3 + 2 * i
    server.receive(request(stream), NOW)
    const events = server.receive(raw(FRAME.RST_STREAM, 0, stream, number.toString(16).padStart(8, '0')), NOW)
    assert.deepEqual(events, [{ kind: 'reset', stream, code, by: 'peer' }])
  }
  assert.equal(server.openStreams, 1)
})

test('trailers end a request', () => {
  const server = serving([])
  const trailers = raw(FRAME.HEADERS, WHOLE | END, 1, '000161 0162')
  const events = server.receive(concat([request(1), trailers]), NOW)
  assert.deepEqual(
    events.map((event) => [event.kind, 'endStream' in event && event.endStream]),
    [
      ['request', false],
      ['data', true],
    ],
  )
})

test('after GOAWAY open streams go on, new ones are not looked at, and the end is the end', () => {
  const server = serving([1])
  server.goaway()
  server.goaway()
  const [frame, ...rest] = framesOf(concat(server.take()))
  assert.deepEqual([frame?.type, frame?.payload.toHex()], [FRAME.GOAWAY, '0000000100000000'])
  assert.equal(rest.length, 0)
  assert.deepEqual(server.receive(concat([request(3), data(3, 10)]), NOW), [])
  assert.equal(verdict(server), 'fine')
  assert.equal(server.finished, false)
  server.write(1, new Uint8Array(1), { end: true })
  assert.equal(server.finished, false)
  server.take()
  assert.equal(server.finished, true)
})

test('a ping is answered, and ours are told', () => {
  const server = serving([])
  server.receive(PING, NOW)
  const [pong] = framesOf(concat(server.take()))
  assert.deepEqual([pong?.flags, pong?.payload.toHex()], [FLAG.ACK, '0102030405060708'])
  server.ping(Uint8Array.of(8, 7, 6, 5, 4, 3, 2, 1))
  const ours = concat(server.take())
  const back = ours.slice()
  back[4] = FLAG.ACK
  assert.deepEqual(server.receive(concat([back, back]), NOW), [{ kind: 'pong', opaque: ours.slice(9) }])
})

test('after a failure nothing is heard or said but the GOAWAY', () => {
  const server = serving([1, 3])
  server.write(1, new Uint8Array(10))
  const events = server.receive(concat([PING, data(0, 1), request(5)]), NOW)
  assert.deepEqual(events, [{ kind: 'failed', code: 'PROTOCOL_ERROR', why: 'DATA without a stream' }])
  assert.equal(server.finished, true)
  assert.equal(server.openStreams, 0)
  assert.equal(server.write(3, new Uint8Array(1)), false)
  server.ping(new Uint8Array(8))
  const frames = framesOf(concat(server.take()))
  assert.deepEqual(
    frames.map((frame) => frame.type),
    [FRAME.GOAWAY],
  )
  assert.equal(frames[0]?.payload.toHex().slice(0, 16), '0000000300000001')
  assert.deepEqual(server.receive(request(7), NOW), [])
  assert.deepEqual(server.take(), [])
})

test('patience comes back with time', () => {
  const spend = many(400, () => PING)
  for (const { pause, want } of [
    { pause: 0, want: 'ENHANCE_YOUR_CALM' },
    { pause: 4000, want: undefined },
  ]) {
    const server = serving([])
    let failed: H2ServerEvent | undefined
    for (let i = 0, now: Mono = NOW; i < 10; i++, now = later(now, pause)) {
      failed ??= server.receive(spend, now).find((event) => event.kind === 'failed')
      server.take()
    }
    assert.equal(failed?.kind === 'failed' ? failed.code : undefined, want)
  }
})

test('patience does not grow beyond what it was', () => {
  const server = serving([])
  const events: H2ServerEvent[] = []
  const anHourOn = later(NOW, 3_600_000)
  for (let i = 0; i < 4; i++) {
    events.push(
      ...server.receive(
        many(300, () => PING),
        anHourOn,
      ),
    )
    server.take()
  }
  assert.deepEqual(
    events.map((event) => event.kind === 'failed' && event.code),
    ['ENHANCE_YOUR_CALM'],
  )
})

test('of the streams that we gave up only the last 128 are remembered', () => {
  const server = serving([])
  for (let i = 0; i < 129; i++) {
    server.receive(request(1 + 2 * i), NOW)
    server.reset(1 + 2 * i, 'CANCEL')
  }
  server.take()
  server.receive(data(3, 100), NOW)
  assert.equal(verdict(server), 'fine')
  server.receive(data(1, 100), NOW)
  assert.deepEqual(verdict(server), { reset: 'STREAM_CLOSED', stream: 1 })
})

test('a client that has its answers made and never reads them is let go', () => {
  const server = serving([])
  let answered = 0
  for (let stream = 1; !server.finished; stream += 2) {
    for (const event of server.receive(request(stream, [], WHOLE | END), NOW))
      if (event.kind === 'request' && server.respond(event.stream, 404, [], { end: true })) answered++
  }
  assert.ok(answered <= 501, `${answered} answers were kept`)
})

test('misuse is an error, not a frame', () => {
  const server = serving([])
  server.receive(request(1), NOW)
  const misuse = [
    { name: 'a body before its headers', code: 'internal', run: () => server.write(1, new Uint8Array(1)) },
    { name: 'a line break in a header', code: 'h2/protocol', run: () => server.respond(1, 200, [['x', 'a\nb']]) },
    { name: 'an uppercase header', code: 'h2/protocol', run: () => server.respond(1, 200, [['X', 'a']]) },
    { name: 'a pseudo-header', code: 'h2/protocol', run: () => server.respond(1, 200, [[':status', '200']]) },
    { name: 'a value beyond latin1', code: 'h2/protocol', run: () => server.respond(1, 200, [['x', '\u20ac']]) },
    { name: 'a connection header', code: 'h2/protocol', run: () => server.respond(1, 200, [['connection', 'close']]) },
  ] as const
  for (const { name, code, run } of misuse)
    assert.throws(run, (err) => err instanceof MeshError && err.code === code, name)
  assert.equal(server.due, false)
  server.respond(1, 200, [])
  assert.throws(() => server.respond(1, 200, []), MeshError)
  server.write(1, new Uint8Array(1), { end: true })
  assert.throws(() => server.write(1, new Uint8Array(1)), MeshError)
})

test('a client opens no more streams than the server takes', () => {
  const client = new H2Client()
  client.receive(raw(FRAME.SETTINGS, 0, 0, '0003 00000002'), NOW)
  const get = { method: 'GET', path: '/', authority: 'a' }
  assert.deepEqual([client.request(get, { end: true }), client.request(get), client.request(get)], [1, 3, undefined])
  client.receive(raw(FRAME.HEADERS, WHOLE | END, 1, '88'), NOW)
  assert.equal(client.request(get), 5)
  client.goaway()
  client.reset(3, 'CANCEL')
  assert.equal(client.request(get), undefined)
})

test("a server's GOAWAY refuses the streams it has not looked at", () => {
  const client = new H2Client()
  client.receive(SETTINGS, NOW)
  const get = { method: 'GET', path: '/', authority: 'a' }
  for (let i = 0; i < 3; i++) client.request(get, { end: true })
  assert.deepEqual(client.receive(raw(FRAME.GOAWAY, 0, 0, '00000001 0000000b'), NOW), [
    { kind: 'goaway', code: 'ENHANCE_YOUR_CALM', lastStream: 1 },
    { kind: 'reset', stream: 3, code: 'REFUSED_STREAM', by: 'peer' },
    { kind: 'reset', stream: 5, code: 'REFUSED_STREAM', by: 'peer' },
  ])
  assert.equal(client.request(get), undefined)
  assert.equal(client.finished, false)
  client.receive(raw(FRAME.HEADERS, WHOLE | END, 1, '88'), NOW)
  assert.equal(client.finished, true)
})

test('an answer to HEAD tells a length and brings nothing', () => {
  const client = new H2Client()
  client.receive(SETTINGS, NOW)
  client.request({ method: 'HEAD', path: '/', authority: 'a' }, { end: true })
  const events = client.receive(raw(FRAME.HEADERS, WHOLE | END, 1, '88 5c0133'), NOW)
  assert.deepEqual(events, [
    { kind: 'response', stream: 1, status: 200, headers: [['content-length', '3']], endStream: true },
  ])
})

test('what is kept of a received buffer is a copy, of a Node buffer too', () => {
  const server = serving([])
  const fields = block([...POST, ['x-one', 'first'], ['x-two', 'second']])
  const [a, b] = [fields.subarray(0, 20), fields.subarray(20, 30)]
  const pieces = [
    raw(FRAME.HEADERS, 0, 1, a),
    raw(FRAME.CONTINUATION, 0, 1, b),
    raw(FRAME.CONTINUATION, WHOLE, 1, fields.subarray(30)),
    data(1, 3).subarray(0, 10),
    data(1, 3).subarray(10),
  ]
  const events: H2ServerEvent[] = []
  for (const piece of pieces) {
    const buffer = Buffer.from(piece)
    events.push(...server.receive(buffer, NOW))
    buffer.fill(0xff)
  }
  assert.deepEqual(events, [
    {
      kind: 'request',
      stream: 1,
      method: 'POST',
      path: '/',
      scheme: 'https',
      authority: 'unused',
      headers: [
        ['x-one', 'first'],
        ['x-two', 'second'],
      ],
      endStream: false,
    },
    { kind: 'data', stream: 1, bytes: new Uint8Array(3), endStream: false },
  ])
})

/** What a client may go on sending for a while, but not for ever. */
const deaf = [
  { name: 'DATA on a stream that we reset', before: 'reset', send: () => data(1, 0) },
  { name: 'trailers on a stream that we reset', before: 'reset', send: () => TRAILERS },
  { name: 'requests after our GOAWAY', before: 'goaway', send: (i: number) => request(3 + 2 * i) },
] as const
for (const { name, before, send } of deaf)
  test(`a flood of ${name} ends the connection`, () => {
    const server = serving([])
    server.receive(request(1), NOW)
    if (before === 'reset') server.reset(1, 'CANCEL')
    else server.goaway()
    const few = server.receive(many(100, send), NOW)
    assert.deepEqual(few, [])
    const more = server.receive(
      many(1000, (i) => send(100 + i)),
      NOW,
    )
    assert.deepEqual(
      more.map((event) => event.kind === 'failed' && event.code),
      ['ENHANCE_YOUR_CALM'],
    )
  })
