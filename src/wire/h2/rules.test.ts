/** Every rule about frames whose breach costs a client its stream or its connection, a row each. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concat, utf8 } from '../../base/bytes.ts'
import {
  block,
  data,
  END,
  goaway,
  judgeClient,
  many,
  NOW,
  OPEN,
  POST,
  raw,
  request,
  reset,
  TRAILERS,
  verdict,
  wanted,
  WHOLE,
} from './by-hand.ts'
import type { Row } from './by-hand.ts'
import { FLAG, FRAME } from './codes.ts'
import { PREFACE } from './frames.ts'
import { H2Server } from './index.ts'

const rows: readonly Row[] = [
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
  {
    name: 'trailers that depend on themselves',
    send: [request(1), raw(FRAME.HEADERS, WHOLE | END | FLAG.PRIORITY, 1, '00000001 09 000161 0162')],
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
]

for (const row of rows) test(`frames: ${row.name}`, () => assert.deepEqual(judgeClient(row), wanted(row.want)))

const greetings = [
  { name: 'no preface', send: utf8('GET / HTTP/1.1\r\nHost: a\r\n\r\n') },
  { name: 'a preface that goes wrong at its end', send: utf8('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r') },
  { name: 'a ping before the settings', send: concat([PREFACE, raw(FRAME.PING, 0, 0, '0102030405060708')]) },
  { name: 'an acknowledgement before the settings', send: concat([PREFACE, raw(FRAME.SETTINGS, FLAG.ACK, 0)]) },
  { name: 'a request before the settings', send: concat([PREFACE, request(1)]) },
]
for (const g of greetings)
  test(`greeting: ${g.name}`, () => {
    const server = new H2Server()
    server.receive(g.send, NOW)
    assert.deepEqual(verdict(server), goaway('PROTOCOL_ERROR'))
  })
