/** Frames of map streams: golden ones by decoding, streams cut anywhere, damaged and hostile ones. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import * as fc from 'fast-check'
import { concat, utf8 } from '../base/bytes.ts'
import type { Bytes } from '../base/bytes.ts'
import { bytes, golden } from '../../test/support/golden.ts'
import type { GoldenCase } from '../../test/support/golden.ts'
import { mutated } from '../../test/support/mutate.ts'
import { encodeMapFrame, MapFrameReader } from './map-frame.ts'

const LIMIT = 4 << 20

interface FrameCase extends GoldenCase {
  readonly length: number
  readonly text?: string
  readonly text_piece?: string
  readonly text_pieces?: number
  readonly frame: string
}

for (const c of golden<FrameCase>('map-frame.json', 'frame')) {
  test(`golden: ${c.name}`, () => {
    const frame = bytes(c.frame)
    const reader = new MapFrameReader(LIMIT)
    const [compressed, ...more] = reader.push(frame)
    assert.ok(compressed !== undefined && more.length === 0 && !reader.broken && !reader.midFrame)
    assert.equal(compressed.length, c.length)
    const text = c.text ?? (c.text_piece as string).repeat(c.text_pieces as number)
    assert.equal(zstdDecompressSync(compressed).toString(), text)
    assert.deepEqual(concat(encodeMapFrame([compressed])), frame)
  })
}

interface UnzstdCase extends GoldenCase {
  readonly bytes: string
  readonly text?: string
}

/**
 * Where Node's decoder differs from the reference: it passes over bytes behind the last frame, and refuses nothing at
 * all, which the reader of frames never lets through.
 */
const inNode: { readonly [name: string]: 'accept' | 'reject' } = {
  'decompress: a byte after': 'accept',
  'decompress: empty': 'reject',
}

for (const c of golden<UnzstdCase>('map-frame.json', 'unzstd')) {
  test(`golden: ${c.name}`, () => {
    const decode = () => zstdDecompressSync(bytes(c.bytes), { maxOutputLength: LIMIT }).toString()
    if ((inNode[c.name] ?? c.expect) === 'reject') assert.throws(decode)
    else assert.equal(decode(), c.text ?? '{"KeepAlive":true}')
  })
}

test('pages compressed apart are one message together', () => {
  const pages = ['{"Peers":[', '{"ID":1},', '{"ID":2}]}'].map((page) => zstdCompressSync(utf8(page)))
  const frame = encodeMapFrame(pages)
  assert.equal(frame[1], pages[0])
  const [compressed] = new MapFrameReader(LIMIT).push(concat(frame))
  assert.equal(zstdDecompressSync(compressed as Bytes).toString(), '{"Peers":[{"ID":1},{"ID":2}]}')
})

test('frames come out as they went in, however the stream is cut', () => {
  const frames = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 6 })
  const cuts = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 5 })
  fc.assert(
    fc.property(frames, cuts, (messages, cuts) => {
      const stream = concat(messages.flatMap((message) => encodeMapFrame([message])))
      const reader = new MapFrameReader(40)
      const read: Bytes[] = []
      for (let at = 0, i = 0; at < stream.length; i++) {
        const step = cuts[i % cuts.length] as number
        read.push(...reader.push(stream.subarray(at, at + step)))
        at += step
      }
      assert.deepEqual(
        read.map((b) => b.toHex()),
        messages.map((b) => b.toHex()),
      )
      assert.equal(reader.broken || reader.midFrame, false)
    }),
  )
})

const broken = [
  { name: 'an empty frame', stream: '00000000' },
  { name: 'a frame longer than the limit', stream: '09000000ffffffffffffffffff' },
  { name: 'a frame of 4 GiB', stream: 'ffffffff' },
]
for (const b of broken) {
  test(`${b.name} ends the stream; what came before it is given`, () => {
    const reader = new MapFrameReader(8)
    const got = reader.push(concat([bytes('020000000102'), bytes(b.stream)]))
    assert.deepEqual(got, [bytes('0102')])
    assert.ok(reader.broken)
    assert.deepEqual(reader.push(bytes('020000000102')), [])
  })
}

test('an end within a frame is told from one between frames', () => {
  const reader = new MapFrameReader(8)
  const stream = bytes('020000000102')
  for (let i = 0; i < stream.length; i++) {
    assert.equal(reader.midFrame, i > 0)
    reader.push(stream.subarray(i, i + 1))
  }
  assert.equal(reader.midFrame, false)
})

test('a stranger’s bytes never throw, and never hold more than the limit', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 10 }), (chunks) => {
      const reader = new MapFrameReader(16)
      for (const chunk of chunks)
        for (const frame of reader.push(chunk)) assert.ok(frame.length > 0 && frame.length <= 16)
    }),
  )
})

test('mutated frames are refused or read; what is read decodes within its limit or not at all', () => {
  const corpus = golden<FrameCase>('map-frame.json', 'frame').map((c) => bytes(c.frame))
  fc.assert(
    fc.property(mutated(corpus), (stream) => {
      for (const frame of new MapFrameReader(LIMIT).push(stream)) {
        try {
          assert.ok(zstdDecompressSync(frame, { maxOutputLength: 400_000 }).length <= 400_000)
        } catch (e) {
          assert.ok(e instanceof Error && 'code' in e, String(e))
          assert.notEqual(e.code, 'ERR_ASSERTION')
        }
      }
    }),
    { numRuns: 200 },
  )
})
