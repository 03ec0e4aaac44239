/** The direct way to zstd against `node:zlib`: the same bytes for every text. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { constants, zstdDecompressSync } from 'node:zlib'
import * as fc from 'fast-check'
import { anyText } from '../../../test/support/any-text.ts'
import { chooseZstd, makeDirectZstd, nodeZstd } from './zstd.ts'

const onLinux = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch)
const skip = !onLinux && 'raw memory is reached on Linux only'

const EFFORTS = [
  { [constants.ZSTD_c_compressionLevel]: 1 },
  { [constants.ZSTD_c_strategy]: constants.ZSTD_btultra, [constants.ZSTD_c_targetLength]: 16 },
]
const never = (): never => assert.fail('compressed by the twin')

test('both ways give the same bytes, by turns and whatever the text', { skip }, () => {
  const direct = makeDirectZstd()
  const pairs = EFFORTS.map((effort) => ({ own: direct(effort, never), twin: nodeZstd(effort) }))
  const word = fc.constantFrom('"nodekey:', 'a', '"}],', 'é', '🦡', '\ud800', '0'.repeat(50))
  const text = fc.oneof(
    fc.string(),
    anyText(),
    fc.array(word, { maxLength: 3000 }).map((w) => w.join('')),
  )
  fc.assert(
    fc.property(text, (text) => {
      for (const { own, twin } of pairs) {
        const frame = own(text)
        assert.ok(twin(text).length === frame.length && Buffer.from(frame).equals(twin(text)))
        assert.equal(zstdDecompressSync(frame).toString('utf8'), Buffer.from(text).toString('utf8'))
      }
    }),
    { numRuns: 60 },
  )
})

test('a text up to a quarter of a megabyte is compressed directly, a longer one by the twin', { skip }, () => {
  const [effort] = EFFORTS
  const rows = [
    { name: 'just fits', text: 'x'.repeat(256 * 1024), direct: true },
    { name: 'one more', text: 'x'.repeat(256 * 1024 + 1), direct: false },
    { name: 'fits in characters, not in bytes', text: 'é'.repeat(200 * 1024), direct: false },
  ]
  for (const { name, text, direct } of rows) {
    const frame = makeDirectZstd()(effort ?? {}, direct ? never : () => new Uint8Array([1]))(text)
    if (direct) assert.equal(zstdDecompressSync(frame).length, 256 * 1024, name)
    else assert.deepEqual([...frame], [1], name)
  }
})

test('text without repetition grows by less than there is room for', { skip }, () => {
  let seed = 1
  const noise = Array.from({ length: 256 * 1024 }, () =>
    String.fromCharCode((seed = (seed * 48_271) % 0x7fffffff) & 0x7f),
  )
  for (const effort of EFFORTS) {
    const frame = makeDirectZstd()(effort, never)(noise.join(''))
    assert.equal(zstdDecompressSync(frame).toString('latin1'), noise.join(''))
  }
})

test('a twin that gives other bytes is believed, and so are parameters that zstd does not know', () => {
  const twin = () => new Uint8Array([7])
  assert.equal(chooseZstd(EFFORTS[0] ?? {}, twin), twin)
  const plain = nodeZstd(EFFORTS[0] ?? {})
  assert.equal(chooseZstd({ 424_242: 1 }, plain), plain)
})
