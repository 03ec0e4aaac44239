/** What makes a header list no request, and an answer no answer, a row each. (RFC 9113 §8) */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  block,
  data,
  END,
  goaway,
  judgeClient,
  judgeServer,
  POST,
  raw,
  reset,
  TRAILERS,
  wanted,
  WHOLE,
} from './by-hand.ts'
import type { Row, Verdict } from './by-hand.ts'
import { FRAME } from './codes.ts'
import type { Field } from './hpack.ts'

/** A request of these fields and no body. */
function odd(name: string, fields: readonly Field[], want: Verdict = reset('PROTOCOL_ERROR')): Row {
  return { name, send: [raw(FRAME.HEADERS, WHOLE | END, 1, block(fields))], want }
}

const requests: readonly Row[] = [
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
  odd('two content-lengths that differ', [...POST, ['content-length', '1'], ['content-length', '0']]),
  odd('a header list of 15 kB', [...POST, ['x', 'v'.repeat(15_000)]], 'fine'),
  odd('a header list of 17 kB', [...POST, ['x', 'v'.repeat(17_000)]], reset('ENHANCE_YOUR_CALM')),
]

for (const row of requests) test(`request: ${row.name}`, () => assert.deepEqual(judgeClient(row), wanted(row.want)))

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
const answers: readonly Row[] = [
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

for (const row of answers) test(`answer: ${row.name}`, () => assert.deepEqual(judgeServer(row), wanted(row.want)))
