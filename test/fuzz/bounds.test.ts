/**
 * What strangers' input may take of memory, at its worst: messages of the greatest length, which are announced but do
 * not come, or come byte by byte; and JSON that is as costly as a body can be.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { utf8 } from '../../src/base/bytes.ts'
import { MeshError } from '../../src/base/errors.ts'
import { readMapRequest } from '../../src/wire/map-request.ts'
import { readRegisterRequest, REQUEST_MAX } from '../../src/wire/register.ts'
import { cost } from './decoder.ts'
import { STREAM_READERS } from './streams.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Bytes in use when nothing is left that could be let go. */
function inUse(): number {
  collect()
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics()
  return heap + external
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
    const held = inUse() - before
    assert.ok(held <= 2 * body + SLACK, `${held} bytes are held for a message of ${body}`)
    assert.notDeepEqual(read(byte), [], 'its last byte completes it')
  })
}

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
