/** The two ciphers that work in place: each keeps its promises, and they agree byte for byte. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import type { InPlaceCipher } from '../in-place.ts'
import { TAG_LENGTH } from '../primitives.ts'
import { CIPHER_BYTES, EvpInPlace } from './evp-in-place.ts'
import { nodeChacha } from './node-chacha.ts'
import { NodeInPlace } from './node-in-place.ts'
import { Arena } from './raw-memory.ts'

const onLinux = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch)
const SIZE = 131_072
const [KEY, OTHER] = [new Uint8Array(32).fill(7), new Uint8Array(32).fill(9)]

function bench(kind: 'plain' | 'fast'): { readonly cipher: InPlaceCipher; readonly bytes: Uint8Array } {
  if (kind === 'plain') {
    const bytes = new Uint8Array(SIZE)
    return { bytes, cipher: new NodeInPlace(bytes) }
  }
  const arena = new Arena(SIZE)
  return { bytes: new Uint8Array(arena.buffer), cipher: new EvpInPlace(arena, arena.size - CIPHER_BYTES) }
}

for (const kind of onLinux ? (['plain', 'fast'] as const) : (['plain'] as const)) {
  describe(`in place, ${kind}`, () => {
    const { cipher, bytes } = bench(kind)

    test('seals as RFC 8439 has it, with the counter behind four zero bytes, and touches nothing around', () => {
      for (const [counter, nonce] of [
        [0, '000000000000000000000000'],
        [1, '000000000100000000000000'],
        [0xffff_ffff, '00000000ffffffff00000000'],
        [0x1_0000_0001, '000000000100000001000000'],
        [Number.MAX_SAFE_INTEGER, '00000000ffffffffffff1f00'],
      ] as const)
        for (const length of [0, 1, 15, 16, 17, 1280, 65_535]) {
          bytes.fill(0xee, 0, 65_700)
          const clear = Uint8Array.from({ length }, (_, i) => (i * 31 + counter) & 255)
          bytes.set(clear, 37)
          cipher.sealAt(KEY, counter, 37, length)
          const want = new Uint8Array(length + TAG_LENGTH)
          nodeChacha.seal(KEY, Uint8Array.fromHex(nonce), new Uint8Array(0), clear, want, 0)
          assert.deepEqual(bytes.slice(37, 37 + length + TAG_LENGTH), want)
          assert.ok(bytes.subarray(0, 37).every((b) => b === 0xee))
          assert.ok(bytes.subarray(37 + want.length, 65_700).every((b) => b === 0xee))
          const [high, low] = [Math.floor(counter / 2 ** 32), counter >>> 0]
          assert.ok(cipher.openAt(KEY, high, low, 37, length + TAG_LENGTH))
          assert.deepEqual(bytes.slice(37, 37 + length), clear)
        }
    })

    test('opens nothing that was changed, is short, or has another key or counter; and goes on afterwards', () => {
      const seal = () => {
        bytes.fill(3, 0, 100)
        cipher.sealAt(KEY, 5, 0, 100)
      }
      const rows: readonly (readonly [string, () => boolean])[] = [
        ['a bit of the text', () => ((bytes[50] = (bytes[50] as number) ^ 4), cipher.openAt(KEY, 0, 5, 0, 116))],
        ['a bit of the tag', () => ((bytes[115] = (bytes[115] as number) ^ 4), cipher.openAt(KEY, 0, 5, 0, 116))],
        ['another key', () => cipher.openAt(OTHER, 0, 5, 0, 116)],
        ['another counter', () => cipher.openAt(KEY, 0, 6, 0, 116)],
        ['another upper half', () => cipher.openAt(KEY, 0xffff_ffff, 5, 0, 116)],
        ['one byte less', () => cipher.openAt(KEY, 0, 5, 0, 115)],
        ['one byte more', () => cipher.openAt(KEY, 0, 5, 0, 117)],
        ...Array.from({ length: 17 }, (_, n) => [`${n} bytes`, () => cipher.openAt(KEY, 0, 5, 0, n)] as const),
        ['less than nothing', () => cipher.openAt(KEY, 0, 5, 0, -1)],
      ]
      for (const [name, open] of rows) {
        seal()
        assert.equal(open(), false, name)
        seal()
        assert.ok(cipher.openAt(KEY, 0, 5, 0, 116), `after ${name}`)
      }
    })

    test('places outside and keys of another length reach no cipher', () => {
      const before = bytes.slice()
      for (const [at, length] of [
        [-1, 10],
        [NaN, 10],
        [0.5, 10],
        [0, NaN],
        [0, -17],
        [0, Infinity],
        [bytes.length - 25, 10],
        [bytes.length, 0],
        [2 ** 53, 10],
        [0, bytes.length],
      ] as const) {
        assert.throws(() => cipher.sealAt(KEY, 0, at, length), RangeError)
        if (length + TAG_LENGTH >= TAG_LENGTH)
          assert.throws(() => cipher.openAt(KEY, 0, 0, at, length + TAG_LENGTH), RangeError)
      }
      for (const length of [0, 16, 31, 33]) {
        assert.throws(() => cipher.sealAt(new Uint8Array(length), 0, 0, 10), RangeError)
        assert.throws(() => cipher.openAt(new Uint8Array(length), 0, 0, 0, 26), RangeError)
      }
      assert.deepEqual(bytes.subarray(0, bytes.length - CIPHER_BYTES), before.subarray(0, bytes.length - CIPHER_BYTES))
    })
  })
}

test('the two agree byte for byte, whatever keys take turns', { skip: !onLinux && 'only one of them here' }, () => {
  const [plain, fast] = [bench('plain'), bench('fast')]
  const keys = [KEY, OTHER, Uint8Array.from({ length: 32 }, (_, i) => i)]
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 2000 }),
      fc.nat(60_000),
      fc.maxSafeNat(),
      fc.nat(2),
      fc.nat(2),
      (clear, at, counter, which, other) => {
        const key = keys[which] as Uint8Array
        for (const { bytes, cipher } of [plain, fast]) {
          bytes.set(clear, at)
          cipher.sealAt(key, counter, at, clear.length)
        }
        const end = at + clear.length + TAG_LENGTH
        const sealed = fast.bytes.slice(at, end)
        assert.deepEqual(sealed, plain.bytes.slice(at, end))
        for (const { bytes, cipher } of [plain, fast]) {
          const [high, low] = [Math.floor(counter / 2 ** 32), counter >>> 0]
          assert.equal(cipher.openAt(keys[other] as Uint8Array, high, low, at, sealed.length), which === other)
          bytes.set(sealed, at)
          assert.ok(cipher.openAt(key, high, low, at, sealed.length))
          assert.deepEqual(bytes.slice(at, at + clear.length), clear)
        }
      },
    ),
  )
})
