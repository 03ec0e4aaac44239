/** Every rule whose breach costs a peer a stream or its connection, a row each: server first, then client. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concat, fromHex, utf8 } from '../../base/bytes.ts'
import type { Mono } from '../../base/clock.ts'
import { codeName, FLAG, FRAME } from './codes.ts'
import type { H2Code } from './codes.ts'
import { FrameReader, PREFACE, readU32 } from './frames.ts'
import type { Frame } from './frames.ts'
import { HeaderEncoder } from './hpack.ts'
import type { Field } from './hpack.ts'
import { H2Client, H2Server } from './index.ts'
import type { H2Limits } from './index.ts'

const NOW = 1000 as Mono

/** A frame by hand; `length` lies about the payload. */
function raw(
  type: number,
  flags: number,
  stream: number,
  payload: string | Uint8Array = '',
  length?: number,
): Uint8Array {
  const body = typeof payload === 'string' ? (fromHex(payload.replaceAll(' ', '')) as Uint8Array) : payload
  const size = length ?? body.length
  const head = [size >>> 16, (size >>> 8) & 255, size & 255, type, flags]
  return concat([
    Uint8Array.from([...head, stream >>> 24, (stream >>> 16) & 255, (stream >>> 8) & 255, stream & 255]),
    body,
  ])
}

const END = FLAG.END_STREAM
const WHOLE = FLAG.END_HEADERS
const SETTINGS = raw(FRAME.SETTINGS, 0, 0)
const GREETING = concat([PREFACE, SETTINGS])

function block(fields: readonly Field[]): Uint8Array {
  return new HeaderEncoder().encode(fields)
}

const POST: readonly Field[] = [
  [':method', 'POST'],
  [':scheme', 'https'],
  [':path', '/'],
  [':authority', 'unused'],
]

/** HEADERS of a request; without END_STREAM unless `flags` says so. */
function request(stream: number, extra: readonly Field[] = [], flags: number = WHOLE): Uint8Array {
  return raw(FRAME.HEADERS, flags, stream, block([...POST, ...extra]))
}

function data(stream: number, length: number, flags = 0): Uint8Array {
  return raw(FRAME.DATA, flags, stream, new Uint8Array(length))
}

function many(count: number, frame: (i: number) => Uint8Array): Uint8Array {
  return concat(Array.from({ length: count }, (_, i) => frame(i)))
}

function framesOf(bytes: Uint8Array): Frame[] {
  const reader = new FrameReader()
  reader.push(bytes)
  const frames: Frame[] = []
  for (let next = reader.next(); typeof next === 'object'; next = reader.next()) frames.push(next)
  return frames
}

type Verdict = 'fine' | { readonly goaway: H2Code } | { readonly reset: H2Code; readonly stream: number }

/** What the frames that a machine sends say of its peer: the last word counts. */
function verdict(machine: H2Server | H2Client): Verdict {
  let said: Verdict = 'fine'
  for (const frame of framesOf(concat(machine.take()))) {
    if (frame.type === FRAME.GOAWAY) said = { goaway: codeName(readU32(frame.payload, 4)) }
    if (frame.type === FRAME.RST_STREAM) said = { reset: codeName(readU32(frame.payload, 0)), stream: frame.stream }
  }
  return said
}

type Row = {
  readonly name: string
  readonly send: readonly Uint8Array[]
  readonly want: Verdict
  readonly limits?: Partial<H2Limits>
}

const goaway = (code: H2Code): Verdict => ({ goaway: code })
const reset = (code: H2Code, stream = 1): Verdict => ({ reset: code, stream })

/** A request whose list is well-formed but for `fields`. */
function odd(name: string, fields: readonly Field[], want: Verdict = reset('PROTOCOL_ERROR')): Row {
  return { name, send: [raw(FRAME.HEADERS, WHOLE | END, 1, block(fields))], want }
}

const TRAILERS = raw(FRAME.HEADERS, WHOLE | END, 1, block([['x-sum', '1']]))
const OPEN = raw(FRAME.HEADERS, 0, 1, block(POST))

const serverRows: readonly Row[] = [
  // Frames: RFC 9113 §4
  { name: 'a frame of 16,384 bytes is fine', send: [request(1), data(1, 16_384)], want: 'fine' },
  { name: 'a frame of 16,385 bytes', send: [raw(FRAME.DATA, 0, 1, '', 16_385)], want: goaway('FRAME_SIZE_ERROR') },
  { name: 'an unknown frame is read past', send: [raw(0xee, 0xff, 7, '00ff')], want: 'fine' },
  { name: 'an unknown frame within a header block', send: [OPEN, raw(0xee, 0, 1)], want: goaway('PROTOCOL_ERROR') },
  {
    name: 'the reserved bit of a stream id is read past',
    send: [raw(FRAME.PING, 0, 0x8000_0000, '0102030405060708')],
    want: 'fine',
  },
  // DATA: §6.1
  { name: 'DATA without a stream', send: [data(0, 1)], want: goaway('PROTOCOL_ERROR') },
  { name: 'DATA on an idle stream', send: [data(1, 1)], want: goaway('PROTOCOL_ERROR') },
  { name: 'DATA on a server stream', send: [request(1), data(2, 1)], want: goaway('PROTOCOL_ERROR') },
  { name: 'DATA after the end', send: [request(1), data(1, 1, END), data(1, 1)], want: reset('STREAM_CLOSED') },
  {
    name: 'DATA after a reset of its own',
    send: [request(1), raw(FRAME.RST_STREAM, 0, 1, '00000008'), data(1, 1)],
    want: reset('STREAM_CLOSED'),
  },
  { name: 'padding', send: [request(1), raw(FRAME.DATA, FLAG.PADDED, 1, '03 616263 000000')], want: 'fine' },
  { name: 'padding only', send: [request(1), raw(FRAME.DATA, FLAG.PADDED, 1, '03 000000')], want: 'fine' },
  {
    name: 'more padding than frame',
    send: [request(1), raw(FRAME.DATA, FLAG.PADDED, 1, '03 0000')],
    want: goaway('PROTOCOL_ERROR'),
  },
  {
    name: 'padding that is not there',
    send: [request(1), raw(FRAME.DATA, FLAG.PADDED, 1, '')],
    want: goaway('PROTOCOL_ERROR'),
  },
  {
    name: 'a body shorter than its content-length',
    send: [request(1, [['content-length', '3']]), data(1, 2, END)],
    want: reset('PROTOCOL_ERROR'),
  },
  {
    name: 'a body longer than its content-length',
    send: [request(1, [['content-length', '3']]), data(1, 4)],
    want: reset('PROTOCOL_ERROR'),
  },
  {
    name: 'a body as long as its content-length',
    send: [request(1, [['content-length', '3']]), data(1, 1), data(1, 2, END)],
    want: 'fine',
  },
  {
    name: 'no body where content-length wants one',
    send: [request(1, [['content-length', '3']], WHOLE | END)],
    want: reset('PROTOCOL_ERROR'),
  },
  {
    name: 'trailers before content-length is reached',
    send: [request(1, [['content-length', '3']]), TRAILERS],
    want: reset('PROTOCOL_ERROR'),
  },
  // HEADERS and CONTINUATION: §6.2, §6.10
  { name: 'HEADERS without a stream', send: [request(0)], want: goaway('PROTOCOL_ERROR') },
  { name: 'HEADERS on an even stream', send: [request(2)], want: goaway('PROTOCOL_ERROR') },
  { name: 'streams may be left out', send: [request(1), request(7)], want: 'fine' },
  { name: 'HEADERS on a stream that was left out', send: [request(7), request(5)], want: goaway('STREAM_CLOSED') },
  {
    name: 'HEADERS on a stream that was reset',
    send: [request(1), raw(FRAME.RST_STREAM, 0, 1, '00000008'), TRAILERS],
    want: goaway('STREAM_CLOSED'),
  },
  { name: 'HEADERS after the end', send: [request(1), data(1, 0, END), TRAILERS], want: reset('STREAM_CLOSED') },
  { name: 'trailers', send: [request(1), data(1, 3), TRAILERS], want: 'fine' },
  {
    name: 'trailers that do not end the stream',
    send: [request(1), raw(FRAME.HEADERS, WHOLE, 1, block([['x', '1']]))],
    want: reset('PROTOCOL_ERROR'),
  },
  {
    name: 'a pseudo-header in trailers',
    send: [request(1), raw(FRAME.HEADERS, WHOLE | END, 1, block([[':path', '/']]))],
    want: reset('PROTOCOL_ERROR'),
  },
  { name: 'a second request on an open stream', send: [request(1), request(1)], want: reset('PROTOCOL_ERROR') },
  { name: 'a malformed header block', send: [raw(FRAME.HEADERS, WHOLE, 1, '80')], want: goaway('COMPRESSION_ERROR') },
  {
    name: 'a malformed header block on a closed stream',
    send: [request(1), raw(FRAME.RST_STREAM, 0, 1, '00000008'), raw(FRAME.HEADERS, WHOLE, 1, '80')],
    want: goaway('COMPRESSION_ERROR'),
  },
  {
    name: 'a block in three frames',
    send: [
      raw(FRAME.HEADERS, END, 1, block(POST)),
      raw(FRAME.CONTINUATION, 0, 1, '000161'),
      raw(FRAME.CONTINUATION, WHOLE, 1, '0162'),
    ],
    want: 'fine',
  },
  {
    name: 'CONTINUATION out of nowhere',
    send: [raw(FRAME.CONTINUATION, WHOLE, 1, '82')],
    want: goaway('PROTOCOL_ERROR'),
  },
  {
    name: 'CONTINUATION after a whole block',
    send: [request(1), raw(FRAME.CONTINUATION, WHOLE, 1, '')],
    want: goaway('PROTOCOL_ERROR'),
  },
  {
    name: 'CONTINUATION of another stream',
    send: [OPEN, raw(FRAME.CONTINUATION, WHOLE, 3, '')],
    want: goaway('PROTOCOL_ERROR'),
  },
  {
    name: 'CONTINUATION without a stream',
    send: [OPEN, raw(FRAME.CONTINUATION, WHOLE, 0, '')],
    want: goaway('PROTOCOL_ERROR'),
  },
  { name: 'DATA within a header block', send: [OPEN, data(1, 1)], want: goaway('PROTOCOL_ERROR') },
  {
    name: 'PING within a header block',
    send: [OPEN, raw(FRAME.PING, 0, 0, '0102030405060708')],
    want: goaway('PROTOCOL_ERROR'),
  },
  {
    name: 'padded HEADERS with a priority',
    send: [
      raw(
        FRAME.HEADERS,
        WHOLE | END | FLAG.PADDED | FLAG.PRIORITY,
        1,
        concat([Uint8Array.of(2, 0, 0, 0, 3, 9), block(POST), new Uint8Array(2)]),
      ),
    ],
    want: 'fine',
  },
  {
    name: 'HEADERS of nothing but padding too long',
    send: [raw(FRAME.HEADERS, WHOLE | FLAG.PADDED, 1, '05 00')],
    want: goaway('PROTOCOL_ERROR'),
  },
  {
    name: 'HEADERS too short for their priority',
    send: [raw(FRAME.HEADERS, WHOLE | FLAG.PRIORITY, 1, '00000000')],
    want: goaway('FRAME_SIZE_ERROR'),
  },
  {
    name: 'HEADERS that depend on themselves',
    send: [raw(FRAME.HEADERS, WHOLE | FLAG.PRIORITY, 1, concat([Uint8Array.of(0, 0, 0, 1, 9), block(POST)]))],
    want: reset('PROTOCOL_ERROR'),
  },
  // PRIORITY: §6.3
  { name: 'PRIORITY on an idle stream', send: [raw(FRAME.PRIORITY, 0, 5, '00000000 10')], want: 'fine' },
  {
    name: 'PRIORITY without a stream',
    send: [raw(FRAME.PRIORITY, 0, 0, '00000000 10')],
    want: goaway('PROTOCOL_ERROR'),
  },
  {
    name: 'PRIORITY of four bytes',
    send: [request(1), raw(FRAME.PRIORITY, 0, 1, '00000000')],
    want: reset('FRAME_SIZE_ERROR'),
  },
  {
    name: 'PRIORITY on itself',
    send: [request(1), raw(FRAME.PRIORITY, 0, 1, '80000001 10')],
    want: reset('PROTOCOL_ERROR'),
  },
  {
    name: 'PRIORITY on itself, idle',
    send: [raw(FRAME.PRIORITY, 0, 1, '00000001 10')],
    want: goaway('PROTOCOL_ERROR'),
  },
  // RST_STREAM: §6.4
  { name: 'RST_STREAM', send: [request(1), raw(FRAME.RST_STREAM, 0, 1, '00000008')], want: 'fine' },
  {
    name: 'RST_STREAM twice',
    send: [request(1), raw(FRAME.RST_STREAM, 0, 1, '00000008'), raw(FRAME.RST_STREAM, 0, 1, '00000008')],
    want: 'fine',
  },
  {
    name: 'RST_STREAM without a stream',
    send: [raw(FRAME.RST_STREAM, 0, 0, '00000008')],
    want: goaway('PROTOCOL_ERROR'),
  },
  {
    name: 'RST_STREAM on an idle stream',
    send: [raw(FRAME.RST_STREAM, 0, 1, '00000008')],
    want: goaway('PROTOCOL_ERROR'),
  },
  {
    name: 'RST_STREAM of five bytes',
    send: [request(1), raw(FRAME.RST_STREAM, 0, 1, '0000000800')],
    want: goaway('FRAME_SIZE_ERROR'),
  },
  // SETTINGS: §6.5
  { name: 'SETTINGS on a stream', send: [raw(FRAME.SETTINGS, 0, 1)], want: goaway('PROTOCOL_ERROR') },
  {
    name: 'SETTINGS of seven bytes',
    send: [raw(FRAME.SETTINGS, 0, 0, '00040000000000')],
    want: goaway('FRAME_SIZE_ERROR'),
  },
  {
    name: 'an acknowledgement with a payload',
    send: [raw(FRAME.SETTINGS, FLAG.ACK, 0, '000400000000')],
    want: goaway('FRAME_SIZE_ERROR'),
  },
  { name: 'ENABLE_PUSH of 2', send: [raw(FRAME.SETTINGS, 0, 0, '0002 00000002')], want: goaway('PROTOCOL_ERROR') },
  { name: 'ENABLE_PUSH of 1', send: [raw(FRAME.SETTINGS, 0, 0, '0002 00000001')], want: 'fine' },
  {
    name: 'an initial window of 2^31',
    send: [raw(FRAME.SETTINGS, 0, 0, '0004 80000000')],
    want: goaway('FLOW_CONTROL_ERROR'),
  },
  { name: 'an initial window of 2^31-1', send: [request(1), raw(FRAME.SETTINGS, 0, 0, '0004 7fffffff')], want: 'fine' },
  {
    name: 'an initial window that overflows a stream',
    send: [request(1), raw(FRAME.WINDOW_UPDATE, 0, 1, '00010000'), raw(FRAME.SETTINGS, 0, 0, '0004 7fffffff')],
    want: goaway('FLOW_CONTROL_ERROR'),
  },
  {
    name: 'a frame size below 16,384',
    send: [raw(FRAME.SETTINGS, 0, 0, '0005 00003fff')],
    want: goaway('PROTOCOL_ERROR'),
  },
  { name: 'a frame size of 2^24', send: [raw(FRAME.SETTINGS, 0, 0, '0005 01000000')], want: goaway('PROTOCOL_ERROR') },
  { name: 'an unknown setting', send: [raw(FRAME.SETTINGS, 0, 0, '00aa 01000000')], want: 'fine' },
  // PUSH_PROMISE: §6.6, §8.4
  {
    name: 'PUSH_PROMISE from a client',
    send: [request(1), raw(FRAME.PUSH_PROMISE, WHOLE, 1, '00000002 82')],
    want: goaway('PROTOCOL_ERROR'),
  },
  // PING: §6.7
  { name: 'PING on a stream', send: [raw(FRAME.PING, 0, 1, '0102030405060708')], want: goaway('PROTOCOL_ERROR') },
  { name: 'PING of seven bytes', send: [raw(FRAME.PING, 0, 0, '01020304050607')], want: goaway('FRAME_SIZE_ERROR') },
  {
    name: 'an acknowledged PING that was not sent',
    send: [raw(FRAME.PING, FLAG.ACK, 0, '0102030405060708')],
    want: 'fine',
  },
  // GOAWAY: §6.8
  { name: 'GOAWAY on a stream', send: [raw(FRAME.GOAWAY, 0, 1, '0000000000000000')], want: goaway('PROTOCOL_ERROR') },
  {
    name: 'GOAWAY of seven bytes',
    send: [raw(FRAME.GOAWAY, 0, 0, '00000000000000')],
    want: goaway('FRAME_SIZE_ERROR'),
  },
  {
    name: 'a request after the client said GOAWAY',
    send: [raw(FRAME.GOAWAY, 0, 0, '0000000000000000'), request(1)],
    want: 'fine',
  },
  // WINDOW_UPDATE: §6.9
  {
    name: 'WINDOW_UPDATE of three bytes',
    send: [raw(FRAME.WINDOW_UPDATE, 0, 0, '000001')],
    want: goaway('FRAME_SIZE_ERROR'),
  },
  {
    name: 'WINDOW_UPDATE on an idle stream',
    send: [raw(FRAME.WINDOW_UPDATE, 0, 1, '00000001')],
    want: goaway('PROTOCOL_ERROR'),
  },
  {
    name: 'WINDOW_UPDATE on a closed stream',
    send: [request(1), raw(FRAME.RST_STREAM, 0, 1, '00000008'), raw(FRAME.WINDOW_UPDATE, 0, 1, '00000001')],
    want: 'fine',
  },
  {
    name: 'an increment of 0 for the connection',
    send: [raw(FRAME.WINDOW_UPDATE, 0, 0, '00000000')],
    want: goaway('PROTOCOL_ERROR'),
  },
  {
    name: 'an increment of 0 for a stream',
    send: [request(1), raw(FRAME.WINDOW_UPDATE, 0, 1, '80000000')],
    want: reset('PROTOCOL_ERROR'),
  },
  { name: 'a connection window of 2^31-1', send: [raw(FRAME.WINDOW_UPDATE, 0, 0, '7fff0000')], want: 'fine' },
  {
    name: 'a connection window above 2^31-1',
    send: [raw(FRAME.WINDOW_UPDATE, 0, 0, '7fff0001')],
    want: goaway('FLOW_CONTROL_ERROR'),
  },
  {
    name: 'a stream window above 2^31-1',
    send: [request(1), raw(FRAME.WINDOW_UPDATE, 0, 1, '7fff0001')],
    want: reset('FLOW_CONTROL_ERROR'),
  },
  {
    name: 'a stream window exceeded',
    send: [request(1), many(4, () => data(1, 16_384))],
    want: reset('FLOW_CONTROL_ERROR'),
    limits: { streamWindow: 65_535 },
  },
  {
    name: 'the connection window exceeded',
    send: [request(1), request(3), many(4, (i) => data(1 + 2 * (i % 2), 16_384))],
    want: goaway('FLOW_CONTROL_ERROR'),
    limits: { connectionWindow: 65_535 },
  },
  {
    name: 'data for nobody gives its window back',
    send: [request(1), data(1, 0, END), many(12, () => data(1, 16_384))],
    want: reset('STREAM_CLOSED'),
    limits: { connectionWindow: 65_535 },
  },
  // Requests: §8
  odd('a whole request', POST, 'fine'),
  odd(
    'CONNECT',
    [
      [':method', 'CONNECT'],
      [':authority', 'a:1'],
    ],
    'fine',
  ),
  odd('CONNECT with a path', [
    [':method', 'CONNECT'],
    [':authority', 'a:1'],
    [':path', '/'],
  ]),
  odd(
    'OPTIONS *',
    [
      [':method', 'OPTIONS'],
      [':scheme', 'https'],
      [':path', '*'],
    ],
    'fine',
  ),
  odd('GET *', [
    [':method', 'GET'],
    [':scheme', 'https'],
    [':path', '*'],
  ]),
  odd('no authority', POST.slice(0, 3), 'fine'),
  odd('te: trailers', [...POST, ['te', 'trailers']], 'fine'),
  odd('no fields', []),
  odd('no method', POST.slice(1)),
  odd(
    'no scheme',
    POST.filter(([name]) => name !== ':scheme'),
  ),
  odd(
    'no path',
    POST.filter(([name]) => name !== ':path'),
  ),
  odd('an empty path', [...POST.slice(0, 2), [':path', '']]),
  odd('a path without its slash', [...POST.slice(0, 2), [':path', 'machine/map']]),
  odd('a path with a space', [...POST.slice(0, 2), [':path', '/a b']]),
  odd('a method that is no token', [[':method', 'GE T'], ...POST.slice(1)]),
  odd('a method twice', [[':method', 'GET'], ...POST]),
  odd('a status in a request', [...POST, [':status', '200']]),
  odd('an unknown pseudo-header', [...POST, [':protocol', 'websocket']]),
  odd('a pseudo-header after a header', [...POST.slice(0, 3), ['x', '1'], [':authority', 'a']]),
  odd('an uppercase name', [...POST, ['X-Ray', '1']]),
  odd('an empty name', [...POST, ['', '1']]),
  odd('a name with a space', [...POST, ['x y', '1']]),
  odd('a name with a colon', [...POST, ['x:y', '1']]),
  odd('a name beyond ASCII', [...POST, ['x\xe9', '1']]),
  odd('a line break in a value', [...POST, ['x', 'a\r\nb: c']]),
  odd('a NUL in a value', [...POST, ['x', 'a\0']]),
  odd('a value with a leading space', [...POST, ['x', ' a']]),
  odd('a value with a trailing tab', [...POST, ['x', 'a\t']]),
  odd('connection', [...POST, ['connection', 'close']]),
  odd('keep-alive', [...POST, ['keep-alive', '1']]),
  odd('proxy-connection', [...POST, ['proxy-connection', 'x']]),
  odd('transfer-encoding', [...POST, ['transfer-encoding', 'chunked']]),
  odd('upgrade', [...POST, ['upgrade', 'h2c']]),
  odd('te other than trailers', [...POST, ['te', 'gzip']]),
  odd('a content-length that is no number', [...POST, ['content-length', '+1']]),
  odd('two content-lengths that differ', [...POST, ['content-length', '0'], ['content-length', '1']]),
  odd('a header list of 15 kB', [...POST, ['x', 'v'.repeat(15_000)]], 'fine'),
  odd('a header list of 17 kB', [...POST, ['x', 'v'.repeat(17_000)]], reset('ENHANCE_YOUR_CALM')),
  // Limits
  {
    name: 'one stream too many',
    send: [request(1), request(3), request(5)],
    want: reset('REFUSED_STREAM', 5),
    limits: { concurrentStreams: 2 },
  },
  {
    name: 'a closed stream makes room',
    send: [request(1), request(3), raw(FRAME.RST_STREAM, 0, 1, '00000008'), request(5)],
    want: 'fine',
    limits: { concurrentStreams: 2 },
  },
  {
    name: 'a CONTINUATION flood of bytes',
    send: [OPEN, many(5, () => raw(FRAME.CONTINUATION, 0, 1, new Uint8Array(16_384)))],
    want: goaway('ENHANCE_YOUR_CALM'),
  },
  {
    name: 'a CONTINUATION flood of empty frames',
    send: [OPEN, many(20, () => raw(FRAME.CONTINUATION, 0, 1))],
    want: goaway('ENHANCE_YOUR_CALM'),
  },
  {
    name: 'pings that nobody waits for',
    send: [many(257, () => raw(FRAME.PING, 0, 0, '0102030405060708'))],
    want: goaway('ENHANCE_YOUR_CALM'),
  },
  { name: 'settings that nobody waits for', send: [many(257, () => SETTINGS)], want: goaway('ENHANCE_YOUR_CALM') },
  {
    name: 'a flood of empty DATA',
    send: [request(1), many(1001, () => data(1, 0))],
    want: goaway('ENHANCE_YOUR_CALM'),
  },
  {
    name: 'a flood of padding',
    send: [request(1), many(1001, () => raw(FRAME.DATA, FLAG.PADDED, 1, '0100'))],
    want: goaway('ENHANCE_YOUR_CALM'),
  },
  {
    name: 'a flood of PRIORITY',
    send: [many(1001, () => raw(FRAME.PRIORITY, 0, 1, '0000000010'))],
    want: goaway('ENHANCE_YOUR_CALM'),
  },
  { name: 'a flood of unknown frames', send: [many(1001, () => raw(0xee, 0, 0))], want: goaway('ENHANCE_YOUR_CALM') },
  {
    name: 'a flood of small windows',
    send: [request(1), many(1001, () => raw(FRAME.WINDOW_UPDATE, 0, 1, '00000001'))],
    want: goaway('ENHANCE_YOUR_CALM'),
  },
  {
    name: 'large windows are the sign of a reader',
    send: [request(1), many(1100, () => raw(FRAME.WINDOW_UPDATE, 0, 1, '00001000'))],
    want: 'fine',
  },
  {
    name: 'a flood of GOAWAY',
    send: [many(1001, () => raw(FRAME.GOAWAY, 0, 0, '0000000000000000'))],
    want: goaway('ENHANCE_YOUR_CALM'),
  },
  {
    name: 'a rapid reset',
    send: [many(101, (i) => concat([request(1 + 2 * i), raw(FRAME.RST_STREAM, 0, 1 + 2 * i, '00000008')]))],
    want: goaway('ENHANCE_YOUR_CALM'),
  },
  {
    name: 'resets that the peer makes us do',
    send: [many(101, (i) => concat([request(1 + 2 * i), raw(FRAME.WINDOW_UPDATE, 0, 1 + 2 * i, '00000000')]))],
    want: goaway('ENHANCE_YOUR_CALM'),
  },
]

for (const row of serverRows)
  test(`server: ${row.name}`, () => {
    const server = new H2Server(row.limits === undefined ? {} : { limits: row.limits })
    server.receive(GREETING, NOW)
    server.take()
    const events = server.receive(concat(row.send), NOW)
    const said = verdict(server)
    assert.deepEqual(said, row.want)
    const failed = events.filter((event) => event.kind === 'failed')
    assert.deepEqual(
      failed.map((event) => ({ goaway: event.code })),
      typeof said === 'object' && 'goaway' in said ? [said] : [],
    )
    assert.equal(server.finished && failed.length > 0, failed.length > 0)
  })

const greetings = [
  { name: 'no preface', send: utf8('GET / HTTP/1.1\r\nHost: a\r\n\r\n') },
  { name: 'a preface that goes wrong at its end', send: utf8('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r') },
  { name: 'a ping before the settings', send: concat([PREFACE, raw(FRAME.PING, 0, 0, '0102030405060708')]) },
  { name: 'an acknowledgement before the settings', send: concat([PREFACE, raw(FRAME.SETTINGS, FLAG.ACK, 0)]) },
  { name: 'a request before the settings', send: concat([PREFACE, request(1)]) },
]
for (const g of greetings)
  test(`server: ${g.name}`, () => {
    const server = new H2Server()
    server.receive(g.send, NOW)
    assert.deepEqual(verdict(server), goaway('PROTOCOL_ERROR'))
  })

const OK = raw(FRAME.HEADERS, WHOLE, 1, block([[':status', '200']]))
const NO_CONTENT = raw(FRAME.HEADERS, WHOLE | END, 1, block([[':status', '204']]))

function answer(
  name: string,
  fields: readonly Field[],
  want: Verdict = reset('PROTOCOL_ERROR'),
  flags: number = WHOLE | END,
): Row {
  return { name, send: [raw(FRAME.HEADERS, flags, 1, block(fields))], want }
}

/** What a server may not do to a client that waits for the answer on stream 1. */
const clientRows: readonly Row[] = [
  { name: 'a whole answer', send: [OK, data(1, 3), data(1, 0, END)], want: 'fine' },
  { name: 'an answer with trailers', send: [OK, data(1, 3), TRAILERS], want: 'fine' },
  {
    name: 'an interim answer first',
    send: [raw(FRAME.HEADERS, WHOLE, 1, block([[':status', '103']])), NO_CONTENT],
    want: 'fine',
  },
  { name: 'DATA before the headers', send: [data(1, 3)], want: reset('PROTOCOL_ERROR') },
  {
    name: 'an answer to a request that was not made',
    send: [raw(FRAME.HEADERS, WHOLE, 3, block([[':status', '200']]))],
    want: goaway('PROTOCOL_ERROR'),
  },
  {
    name: 'a stream of the server',
    send: [raw(FRAME.HEADERS, WHOLE, 2, block([[':status', '200']]))],
    want: goaway('PROTOCOL_ERROR'),
  },
  { name: 'a second answer', send: [NO_CONTENT, OK], want: goaway('STREAM_CLOSED') },
  { name: 'DATA after the answer', send: [NO_CONTENT, data(1, 1)], want: reset('STREAM_CLOSED') },
  { name: 'a push', send: [raw(FRAME.PUSH_PROMISE, WHOLE, 1, '00000002 82')], want: goaway('PROTOCOL_ERROR') },
  {
    name: 'push enabled by the server',
    send: [raw(FRAME.SETTINGS, 0, 0, '0002 00000001')],
    want: goaway('PROTOCOL_ERROR'),
  },
  answer('no status', [['x', '1']]),
  answer('a status of two digits', [[':status', '20']]),
  answer('101', [[':status', '101']]),
  answer('an interim answer that ends', [[':status', '100']]),
  answer('a request for an answer', POST),
  answer('an uppercase name', [
    [':status', '200'],
    ['X', '1'],
  ]),
  answer('no body where content-length wants one', [
    [':status', '200'],
    ['content-length', '3'],
  ]),
  answer(
    '304 may tell a length',
    [
      [':status', '304'],
      ['content-length', '3'],
    ],
    'fine',
  ),
  answer(
    'a header list of 17 kB',
    [
      [':status', '200'],
      ['x', 'v'.repeat(17_000)],
    ],
    reset('ENHANCE_YOUR_CALM'),
  ),
]

for (const row of clientRows)
  test(`client: ${row.name}`, () => {
    const client = new H2Client()
    assert.equal(client.request({ method: 'GET', path: '/', authority: 'a' }, { end: true }), 1)
    client.receive(SETTINGS, NOW)
    client.take()
    client.receive(concat(row.send), NOW)
    assert.deepEqual(verdict(client), row.want)
  })
