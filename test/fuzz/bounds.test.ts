/**
 * What strangers' input may take of memory, at its worst: messages of the greatest length, which are announced but do
 * not come, or come byte by byte; and JSON that is as costly as a body can be.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { concat, utf8 } from '../../src/base/bytes.ts'
import { MeshError } from '../../src/base/errors.ts'
import { MAX_BODY } from '../../src/coord/io/control/connection.ts'
import { GREETING, raw, request } from '../../src/wire/h2/by-hand.ts'
import { FLAG, FRAME } from '../../src/wire/h2/codes.ts'
import { readMapRequest } from '../../src/wire/map-request.ts'
import { readRegisterRequest, REQUEST_MAX } from '../../src/wire/register.ts'
import { cost } from './decoder.ts'
import { BODIES_LEFT, Inside } from './inside.ts'
import { STREAM_READERS } from './streams.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function inUse(): number {
  collect()
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics()
  return heap + external
}

/** Bytes in use beyond `before`. Some are let go only a few collections later. */
function heldSince(before: number, most: number): number {
  let held = Infinity
  for (let i = 0; i < 5 && held > most; i++) held = Math.min(held, inUse() - before)
  return held
}

/** For objects of the reader and what the runtime keeps of having run. */
const SLACK = 128 * 1024

for (const { name, open, longest } of STREAM_READERS) {
  const { head, body } = longest

  test(`${name}: a length alone takes no memory`, () => {
    // The least of several: what runs beside this test takes memory too.
    const taken = [1, 2, 3, 4, 5].map(() => {
      const read = open()
      const before = getHeapStatistics().external_memory
      assert.deepEqual(read(head), [], 'the longest message is under way')
      return getHeapStatistics().external_memory - before
    })
    // Buffers of what fits a page or two are made at once.
    assert.ok(Math.min(...taken) <= 20 * 1024, String(taken))
  })

  test(`${name}: a message that comes byte by byte is held in its own length`, () => {
    const read = open()
    read(head)
    const byte = new Uint8Array(1)
    for (let i = 0; i < 100; i++) read(byte)
    const before = inUse()
    for (let i = 100; i < body - 1; i++) read(byte)
    const held = heldSince(before, 2 * body + SLACK)
    assert.ok(held <= 2 * body + SLACK, `${held} bytes are held for a message of ${body}`)
    assert.notDeepEqual(read(byte), [], 'its last byte completes it')
  })
}

const drips: readonly { readonly name: string; readonly size: number; readonly padding: number }[] = [
  { name: 'in frames of the usual size', size: 16_000, padding: 0 },
  { name: 'in frames just above what patience pays for', size: 64, padding: 0 },
  { name: 'in such frames, and mostly padding', size: 64, padding: 255 },
]
for (const { name, size, padding } of drips)
  test(`a body that comes inside a control connection ${name} is held in its own length`, () => {
    const inside = new Inside(() => assert.fail('it is not whole'))
    inside.say(concat([GREETING, request(1)]))
    const payload =
      padding === 0 ? new Uint8Array(size) : concat([Uint8Array.of(padding), new Uint8Array(size + padding)])
    const frame = raw(FRAME.DATA, padding === 0 ? 0 : FLAG.PADDED, 1, payload)
    inside.say(frame)
    const before = inUse()
    for (let sent = size; sent + size <= MAX_BODY; sent += size) inside.say(frame)
    const came = BODIES_LEFT - inside.bodies.left
    const held = heldSince(before, 2 * came + SLACK)
    assert.ok(came > 500_000, `only ${came} bytes were taken`)
    assert.ok(held <= 2 * came + SLACK, `${held} bytes are held for a body of ${came}`)
    inside.connection.destroy()
    assert.equal(inside.bodies.left, BODIES_LEFT)
  })

/** As long as a body may be, and as much in it as fits. */
function full(start: string, piece: string, end: string): string {
  const times = Math.floor((REQUEST_MAX - start.length - end.length) / piece.length)
  return start + piece.repeat(times) + end
}

const bombs: readonly { readonly name: string; readonly json: string }[] = [
  { name: 'empty arrays', json: full('{"A":[', '[],', '0]}') },
  { name: 'empty objects', json: full('{"A":[', '{},', '0]}') },
  { name: 'objects of one member', json: full('{"Endpoints":[', '{"a":1},', '0]}') },
  { name: 'members of many names', json: `{${Array.from({ length: 70_000 }, (_, i) => `"k${i}":${i}`).join()}}` },
  { name: 'members of one name', json: full('{', '"a":[],', '"b":0}') },
  {
    name: 'latencies',
    json: `{"Hostinfo":{"NetInfo":{"DERPLatency":{${Array.from({ length: 60_000 }, (_, i) => `"${i}-v4":1`).join()}}}}}`,
  },
  { name: 'fractions', json: full('{"A":[', '.5e-5,'.replace('.', '0.'), '0]}') },
  { name: 'endpoints', json: full('{"Endpoints":[', '"1.2.3.4:5",', '""]}') },
  { name: 'texts', json: full('{"Hostinfo":{"RoutableIPs":[', '"",', '""]}}') },
  { name: 'levels', json: full('{"A":', '[', '') },
  { name: 'escapes', json: full('{"A":"', '\\u0000', '"}') },
  { name: 'digits', json: full('{"Version":', '9', '}') },
]

/** Some tens of bytes for each that came: far from what would hurt, and the bodies of all clients share a budget. */
const MOST = 64 * REQUEST_MAX

for (const { name, json } of bombs)
  test(`a body full of ${name} costs no more than a server can bear`, () => {
    const body = utf8(json)
    assert.ok(body.length <= REQUEST_MAX)
    for (const read of [readMapRequest, readRegisterRequest]) {
      const taken = cost(() => {
        try {
          read(body)
        } catch (error) {
          assert.ok(error instanceof MeshError && error.code === 'json/malformed', String(error))
        }
      })
      assert.ok(taken <= MOST, `${Math.round(taken / REQUEST_MAX)} bytes for each`)
    }
  })
