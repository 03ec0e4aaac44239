/** What a hostile client may do within the rules, and where it ends. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concat } from '../../base/bytes.ts'
import { data, goaway, judgeClient, many, OPEN, raw, request, reset, SETTINGS, wanted } from './by-hand.ts'
import type { Row } from './by-hand.ts'
import { FLAG, FRAME } from './codes.ts'

const rows: readonly Row[] = [
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
    send: [many(501, () => raw(FRAME.PING, 0, 0, '0102030405060708'))],
    want: goaway('ENHANCE_YOUR_CALM'),
  },
  { name: 'settings that nobody waits for', send: [many(501, () => SETTINGS)], want: goaway('ENHANCE_YOUR_CALM') },
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

for (const row of rows) test(`flood: ${row.name}`, () => assert.deepEqual(judgeClient(row), wanted(row.want)))
