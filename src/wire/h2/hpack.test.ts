/** The examples of RFC 7541 Appendix C, what a decoder must refuse, and that what is encoded comes back. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { concat, fromHex, hex, utf8 } from '../../base/bytes.ts'
import { fieldSize, STATIC } from './hpack-tables.ts'
import { HeaderDecoder, HeaderEncoder, TABLE_BYTES } from './hpack.ts'
import type { Field } from './hpack.ts'
import { huffmanLength, huffmanRead, huffmanWrite, latin1 } from './huffman.ts'

const LIST_BYTES = 16_384

function bytesOf(text: string): Uint8Array {
  const bytes = fromHex(text.replaceAll(' ', ''))
  assert.ok(bytes !== undefined, text)
  return bytes
}

const example: Field = [':authority', 'www.example.com']
const get: readonly Field[] = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
]
const requests: readonly (readonly Field[])[] = [
  [...get, example],
  [...get, example, ['cache-control', 'no-cache']],
  [[':method', 'GET'], [':scheme', 'https'], [':path', '/index.html'], example, ['custom-key', 'custom-value']],
]
const MONDAY = 'Mon, 21 Oct 2013 20:13:21 GMT'
const COOKIE = 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'
const place: Field = ['location', 'https://www.example.com']
const responses: readonly (readonly Field[])[] = [
  [[':status', '302'], ['cache-control', 'private'], ['date', MONDAY], place],
  [[':status', '307'], ['cache-control', 'private'], ['date', MONDAY], place],
  [
    [':status', '200'],
    ['cache-control', 'private'],
    ['date', 'Mon, 21 Oct 2013 20:13:22 GMT'],
    place,
    ['content-encoding', 'gzip'],
    ['set-cookie', COOKIE],
  ],
]

/** `table`: counted bytes of the dynamic table after each block. */
const series = [
  {
    name: 'C.2.1 literal with indexing',
    blocks: ['400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572'],
    lists: [[['custom-key', 'custom-header']]],
    table: [55],
  },
  {
    name: 'C.2.2 literal without indexing',
    blocks: ['040c 2f73 616d 706c 652f 7061 7468'],
    lists: [[[':path', '/sample/path']]],
    table: [0],
  },
  {
    name: 'C.2.3 literal never indexed',
    blocks: ['1008 7061 7373 776f 7264 0673 6563 7265 74'],
    lists: [[['password', 'secret']]],
    table: [0],
  },
  { name: 'C.2.4 indexed', blocks: ['82'], lists: [[[':method', 'GET']]], table: [0] },
  {
    name: 'C.3 requests',
    blocks: [
      '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
      '8286 84be 5808 6e6f 2d63 6163 6865',
      '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
    ],
    lists: requests,
    table: [57, 110, 164],
  },
  {
    name: 'C.4 requests, Huffman',
    blocks: [
      '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
      '8286 84be 5886 a8eb 1064 9cbf',
      '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
    ],
    lists: requests,
    table: [57, 110, 164],
  },
  {
    // The table of C.5 and C.6 holds 256 bytes: the update in front says so.
    name: 'C.5 responses, with evictions',
    blocks: [
      '3fe101 4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
      '4803 3330 37c1 c0bf',
      '88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31',
    ],
    lists: responses,
    table: [222, 222, 215],
  },
  {
    name: 'C.6 responses, Huffman, with evictions',
    blocks: [
      '3fe101 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3',
      '4883 640e ffc1 c0bf',
      '88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07',
    ],
    lists: responses,
    table: [222, 222, 215],
  },
] as const

for (const s of series)
  test(`RFC 7541 ${s.name}`, () => {
    const decoder = new HeaderDecoder(LIST_BYTES)
    for (const [i, block] of s.blocks.entries()) {
      assert.deepEqual(decoder.decode(bytesOf(block)), { fields: s.lists[i], tooLong: false })
      assert.equal(decoder.tableBytes, s.table[i])
    }
  })

const broken = [
  { name: 'index 0', block: '80' },
  { name: 'an index beyond both tables', block: 'be' },
  { name: 'a literal whose name is beyond both tables', block: '7f00 01 61' },
  { name: 'a table above what was announced', block: '3fe21f' },
  { name: 'a table size after a field', block: '82 20' },
  { name: 'an integer without an end', block: 'ff' },
  { name: 'an integer that goes on for ever', block: 'ff ff ff ff ff ff ff ff ff ff ff ff 01' },
  { name: 'a name without a value', block: '00 01 61' },
  { name: 'a string longer than the block', block: '00 01 61 05 62' },
  { name: 'a string of a length that no block has', block: '00 01 61 7f ff ff ff ff 01' },
  { name: 'Huffman padding of a whole byte', block: '00 01 61 82 1f ff' },
  { name: 'Huffman padding with zeros', block: '00 01 61 81 18' },
  { name: 'Huffman with EOS in it', block: '00 01 61 84 ff ff ff ff' },
]
for (const b of broken)
  test(`the decoder refuses ${b.name}`, () =>
    assert.equal(new HeaderDecoder(LIST_BYTES).decode(bytesOf(b.block)), undefined))

test('the largest table that was announced is taken, and 0 empties it', () => {
  const decoder = new HeaderDecoder(LIST_BYTES)
  assert.ok(decoder.decode(bytesOf('3fe11f 400161 0162')))
  assert.equal(decoder.tableBytes, 34)
  assert.deepEqual(decoder.decode(bytesOf('20 3fe11f')), { fields: [], tooLong: false })
  assert.equal(decoder.tableBytes, 0)
})

test('an entry larger than the table empties it and is still a field', () => {
  const decoder = new HeaderDecoder(LIST_BYTES)
  decoder.decode(bytesOf('400161 0162'))
  const value = 'v'.repeat(TABLE_BYTES)
  const block = concat([bytesOf('400161 7f81 1f'), utf8(value)])
  assert.deepEqual(decoder.decode(block), { fields: [['a', value]], tooLong: false })
  assert.equal(decoder.tableBytes, 0)
})

test('a list that indexing blows up is cut at the limit, and the table stays in step', () => {
  const decoder = new HeaderDecoder(LIST_BYTES)
  // One entry of 3 kB, then 60,000 references to it, one byte each: 180 MB of headers.
  const bomb = concat([bytesOf('400161 7fb9 16'), utf8('v'.repeat(3000)), new Uint8Array(60_000).fill(0xbe)])
  const list = decoder.decode(bomb)
  assert.ok(list?.tooLong)
  assert.equal(list.fields.length, 5)
  assert.deepEqual(decoder.decode(bytesOf('be'))?.fields[0]?.[0], 'a')
})

test('every octet has its Huffman code', () => {
  const all = latin1(Uint8Array.from({ length: 256 }, (_, i) => i))
  const packed = new Uint8Array(huffmanLength(all))
  assert.equal(huffmanWrite(all, packed, 0), packed.length)
  assert.equal(huffmanRead(packed), all)
  assert.equal(hex(packed.subarray(0, 4)), 'ffc7fffd')
})

test('the static table has its 61 entries', () => {
  assert.equal(STATIC.length, 61)
  assert.deepEqual(STATIC[60], ['www-authenticate', ''])
  assert.deepEqual(STATIC[15], ['accept-encoding', 'gzip, deflate'])
})

test('the encoder says first that it keeps no table, then uses the static one', () => {
  const encoder = new HeaderEncoder()
  assert.equal(hex(encoder.encode([[':status', '200']])), '2088')
  assert.equal(hex(encoder.encode([[':status', '200']])), '88')
  // Secrets are marked so that nobody on the way indexes them.
  assert.equal(hex(encoder.encode([['authorization', 'ab']])), '1f08 02 6162'.replaceAll(' ', ''))
})

const octets = fc.uint8Array({ maxLength: 300 }).map(latin1)
const field = fc.tuple(
  fc.oneof(octets, fc.constantFrom(...STATIC.map(([name]) => name))),
  fc.oneof(octets, fc.constantFrom('', 'GET', '/', 'gzip, deflate')),
)

test('what is encoded is decoded', () => {
  fc.assert(
    fc.property(fc.array(fc.array(field, { maxLength: 12 }), { maxLength: 4 }), (lists) => {
      const [encoder, decoder] = [new HeaderEncoder(), new HeaderDecoder(1e9)]
      for (const list of lists) assert.deepEqual(decoder.decode(encoder.encode(list)), { fields: list, tooLong: false })
    }),
    { numRuns: 200 },
  )
})

test('whatever a decoder reads, its table and list stay within their limits', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 }), (blocks) => {
      const decoder = new HeaderDecoder(500)
      for (const block of blocks) {
        const list = decoder.decode(block)
        assert.ok(decoder.tableBytes <= TABLE_BYTES)
        if (list === undefined) return
        let size = 0
        for (const [name, value] of list.fields) size += fieldSize(name, value)
        assert.ok(size <= 500)
      }
    }),
    { numRuns: 1000 },
  )
})
