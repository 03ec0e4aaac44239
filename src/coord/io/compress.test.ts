import { test } from 'node:test'
import assert from 'node:assert/strict'
import { zstdDecompressSync } from 'node:zlib'
import { compress } from './compress.ts'

const peer = (n: number) => `{"ID":${n},"Key":"nodekey:${(n * 7919).toString(16).padStart(64, 'a')}","Name":"é${n}."}`
const texts = [
  { name: 'a comma', text: ',' },
  { name: 'a patch', text: '{"PeersChangedPatch":[{"NodeID":2,"Online":true}]}' },
  { name: 'just short', text: 'x'.repeat(1023) },
  { name: 'no longer short', text: 'x'.repeat(1024) },
  { name: 'a page', text: Array.from({ length: 64 }, (_, n) => peer(n)).join(',') },
]

for (const { name, text } of texts)
  test(`${name} is one zstd frame that says its size and has no checksum`, () => {
    const frame = compress(text)
    assert.equal(zstdDecompressSync(frame).toString('utf8'), text)
    assert.deepEqual([...frame.subarray(0, 4)], [0x28, 0xb5, 0x2f, 0xfd])
    // RFC 8878 §3.1.1.1.1: single segment, which comes with a content size; no checksum, no dictionary.
    assert.equal((frame[4] as number) & 0b0010_0111, 0b0010_0000)
  })

test('the same text gives the same bytes, which keepalives rely on', () => {
  for (const { text } of texts) assert.deepEqual(compress(text), compress(text))
})
