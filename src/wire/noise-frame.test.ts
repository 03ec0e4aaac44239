/** Noise frames: golden writes and reads, streams cut anywhere, damaged and hostile ones. */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { concat } from '../base/bytes.ts'
import { nodePrimitives as p } from '../crypto/io/node-primitives.ts'
import { NoiseReceiver, NoiseSender } from '../crypto/noise-transport.ts'
import { bytes, golden } from '../../test/support/golden.ts'
import type { GoldenCase } from '../../test/support/golden.ts'
import { mutated } from '../../test/support/mutate.ts'
import { decodeAnswer, decodeInitiation, encodeError, encodeInitiation, encodeResponse } from './noise-frame.ts'
import { MAX_RECORD_LENGTH, MAX_RECORD_PLAINTEXT, RecordReader, sealRecords } from './noise-frame.ts'

interface KeyCase extends GoldenCase {
  readonly key_client_to_server: string
}
const key = bytes((golden<KeyCase>('noise.json', 'handshake')[0] as KeyCase).key_client_to_server)
const newSender = () => new NoiseSender(p.recordCipher(key))
const newReader = () => new RecordReader(new NoiseReceiver(p.recordCipher(key)))

interface WriteCase extends GoldenCase {
  readonly length: number
  readonly record_lengths: readonly number[] | null
  readonly record_headers: readonly string[] | null
  readonly sha256: string
  readonly clear?: string
  readonly records?: string
}

/** Lengths and headers of the records in a stream. */
function outline(records: Uint8Array): { lengths: number[]; headers: string[] } {
  const [lengths, headers]: [number[], string[]] = [[], []]
  for (let at = 0; at < records.length; at += lengths.at(-1) as number) {
    headers.push(records.subarray(at, at + 3).toHex())
    lengths.push(3 + (((records[at + 1] as number) << 8) | (records[at + 2] as number)))
  }
  return { lengths, headers }
}

for (const c of golden<WriteCase>('noise.json', 'write')) {
  test(`golden: ${c.name}`, () => {
    if (c.clear === undefined) {
      // The file gives long writes by their outline only.
      const { lengths, headers } = outline(sealRecords(newSender(), [new Uint8Array(c.length)]))
      assert.deepEqual([lengths, headers], [c.record_lengths, c.record_headers])
      return
    }
    const records = sealRecords(newSender(), [bytes(c.clear)])
    assert.deepEqual(outline(records), { lengths: c.record_lengths ?? [], headers: c.record_headers ?? [] })
    assert.equal(records.toHex(), c.records)
    assert.equal(createHash('sha256').update(records).digest('hex'), c.sha256)
  })
}

interface ReadCase extends GoldenCase {
  readonly stream: string
  readonly clear: string
  readonly end: 'end of stream' | 'reject'
}

for (const c of golden<ReadCase>('noise.json', 'read')) {
  for (const step of [1, 2, 7, 4096, 100_000]) {
    test(`golden: ${c.name}, ${step} bytes at a time`, () => {
      const reader = newReader()
      const stream = bytes(c.stream)
      const clear: Uint8Array[] = []
      for (let at = 0; at < stream.length; at += step) clear.push(...reader.push(stream.subarray(at, at + step)))
      assert.equal(concat(clear).toHex(), c.clear)
      assert.equal(reader.broken, c.end === 'reject')
      if (reader.broken) assert.deepEqual(reader.push(sealRecords(newSender(), [new Uint8Array(9)])), [])
    })
  }
}

const pieces = fc.array(fc.oneof(fc.uint8Array({ maxLength: 50 }), fc.uint8Array({ size: 'max', maxLength: 9000 })), {
  maxLength: 8,
})

test('pieces of any length come out as the same bytes, from records as full as they can be', () => {
  fc.assert(
    fc.property(pieces, fc.array(fc.integer({ min: 1, max: 6000 }), { minLength: 1, maxLength: 5 }), (parts, cuts) => {
      const all = concat(parts)
      const records = sealRecords(newSender(), parts)
      assert.equal(records.toHex(), sealRecords(newSender(), [all]).toHex())
      const { lengths } = outline(records)
      assert.equal(lengths.length, Math.ceil(all.length / MAX_RECORD_PLAINTEXT))
      assert.ok(lengths.slice(0, -1).every((length) => length === MAX_RECORD_LENGTH))

      const reader = newReader()
      const clear: Uint8Array[] = []
      for (let at = 0, i = 0; at < records.length; i++) {
        const step = cuts[i % cuts.length] as number
        clear.push(...reader.push(records.subarray(at, at + step)))
        at += step
      }
      assert.equal(concat(clear).toHex(), all.toHex())
      assert.equal(reader.broken || reader.midRecord, false)
    }),
  )
})

test('the pieces are left as they were', () => {
  const [a, b] = [new Uint8Array(5000).fill(1), new Uint8Array(10).fill(2)]
  sealRecords(newSender(), [a, b])
  assert.ok(a.every((x) => x === 1) && b.every((x) => x === 2))
})

test('an end within a record is told from one between records', () => {
  const reader = newReader()
  const record = sealRecords(newSender(), [bytes('01')])
  for (let i = 0; i < record.length; i++) {
    assert.equal(reader.midRecord, i > 0)
    reader.push(record.subarray(i, i + 1))
  }
  assert.equal(reader.midRecord, false)
})

test('what came before a broken record is still given, what comes after it is not', () => {
  const records = sealRecords(newSender(), [new Uint8Array(MAX_RECORD_PLAINTEXT * 3)])
  records[MAX_RECORD_LENGTH] = 5
  const reader = newReader()
  assert.deepEqual(
    reader.push(records).map((r) => r.length),
    [MAX_RECORD_PLAINTEXT],
  )
  assert.ok(reader.broken)
  assert.deepEqual(reader.push(records), [])
})

const answers = [
  { name: 'nothing', received: '', want: 'incomplete' },
  { name: 'a header in part', received: '0200', want: 'incomplete' },
  { name: 'a record', received: '040010', want: 'malformed' },
  { name: 'a type alone', received: '05', want: 'malformed' },
  { name: 'a response with a wrong length, before it is whole', received: '020031', want: 'malformed' },
  { name: 'an error of which the text is missing', received: '030002', want: 'incomplete' },
  { name: 'an error without text', received: '030000', want: 'error' },
] as const
for (const a of answers) test(`an answer: ${a.name}`, () => assert.equal(decodeAnswer(bytes(a.received)).kind, a.want))

test('what follows the response is kept', () => {
  const answer = decodeAnswer(concat([encodeResponse(new Uint8Array(48)), bytes('040011')]))
  assert.ok(answer.kind === 'response')
  assert.equal(answer.rest.toHex(), '040011')
})

test('an error comes back as it was sent; a text too long is cut; bytes that are no text do not matter', () => {
  assert.deepEqual(decodeAnswer(encodeError('no, thanks – über alt')), { kind: 'error', text: 'no, thanks – über alt' })
  const long = decodeAnswer(encodeError('x'.repeat(70_000)))
  assert.ok(long.kind === 'error' && long.text.length === 65_535)
  assert.deepEqual(decodeAnswer(bytes('030001ff')), { kind: 'error', text: '\ufffd' })
})

test('a stranger’s bytes never throw', () => {
  const anything = fc.uint8Array({ size: 'max', maxLength: 300 })
  fc.assert(
    fc.property(anything, fc.constantFrom('', '0071010060', '020030', '0300', '0400', '04001102'), (noise, start) => {
      const stream = concat([bytes(start), noise])
      decodeInitiation(stream)
      decodeAnswer(stream)
      assert.deepEqual(newReader().push(stream), [])
    }),
  )
})

test('an initiation is read as it was written', () => {
  fc.assert(
    fc.property(fc.nat(0xffff), fc.uint8Array({ minLength: 96, maxLength: 96 }), (version, message) => {
      const read = decodeInitiation(encodeInitiation(version, message))
      assert.ok(read.kind === 'initiation')
      assert.deepEqual([read.version, read.message.toHex()], [version, message.toHex()])
    }),
  )
})

test('mutated streams give what was sent up to the damage, and nothing after it', () => {
  const clear = new Uint8Array(300).map((_, i) => i)
  const sender = newSender()
  const records = concat([0, 100, 200].map((at) => sealRecords(sender, [clear.subarray(at, at + 100)])))
  fc.assert(
    fc.property(mutated([records]), fc.integer({ min: 1, max: 400 }), (stream, step) => {
      const reader = newReader()
      const got: Uint8Array[] = []
      for (let at = 0; at < stream.length; at += step) got.push(...reader.push(stream.subarray(at, at + step)))
      const all = concat(got)
      assert.ok(all.length <= clear.length && all.toHex() === clear.subarray(0, all.length).toHex())
    }),
    { numRuns: 300 },
  )
})

test('mutated answers and initiations never throw', () => {
  const corpus = [encodeInitiation(113, new Uint8Array(96)), encodeResponse(new Uint8Array(48)), encodeError('no')]
  fc.assert(
    fc.property(mutated(corpus), (frame) => {
      const read = decodeInitiation(frame)
      if (read.kind === 'initiation') assert.equal(read.message.length, 96)
      const answer = decodeAnswer(frame)
      if (answer.kind === 'response') assert.equal(answer.message.length, 48)
    }),
    { numRuns: 300 },
  )
})
