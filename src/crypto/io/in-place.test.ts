/** The ciphers that work in place: each keeps its promises, they agree byte for byte, and a wrong one is not taken. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import type { InPlaceCipher } from '../in-place.ts'
import { TAG_LENGTH } from '../primitives.ts'
import { BARE_CIPHER_BYTES, BareInPlace } from './bare-in-place.ts'
import { chooseInPlace, CIPHER_BYTES, inPlaceCipher, TRIAL_BYTES } from './choose-in-place.ts'
import { EvpInPlace } from './evp-in-place.ts'
import { nodeChacha } from './node-chacha.ts'
import { NodeInPlace } from './node-in-place.ts'
import { Arena } from './raw-memory.ts'

const onLinux = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch)
const SIZE = 131_072
const [KEY, OTHER] = [new Uint8Array(32).fill(7), new Uint8Array(32).fill(9)]

type Kind = 'plain' | 'evp' | 'bare'
const KINDS: readonly Kind[] = onLinux ? ['plain', 'evp', 'bare'] : ['plain']

function bench(kind: Kind): { readonly cipher: InPlaceCipher; readonly bytes: Uint8Array } {
  if (kind === 'plain') {
    const bytes = new Uint8Array(SIZE)
    return { bytes, cipher: new NodeInPlace(bytes) }
  }
  const arena = new Arena(SIZE)
  const at = arena.size - CIPHER_BYTES
  const cipher = kind === 'evp' ? new EvpInPlace(arena, at) : new BareInPlace(arena, at)
  return { bytes: new Uint8Array(arena.buffer), cipher }
}

for (const kind of KINDS) {
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
        for (const [at, length] of [0, 1, 15, 16, 17, 1280, 65_535].flatMap((n) =>
          [37, 40, 64, 128].map((at) => [at, n] as const),
        )) {
          bytes.fill(0xee, 0, 65_700)
          const clear = Uint8Array.from({ length }, (_, i) => (i * 31 + counter) & 255)
          bytes.set(clear, at)
          cipher.sealAt(KEY, counter, at, length)
          const want = new Uint8Array(length + TAG_LENGTH)
          nodeChacha.seal(KEY, Uint8Array.fromHex(nonce), new Uint8Array(0), clear, want, 0)
          assert.deepEqual(bytes.slice(at, at + length + TAG_LENGTH), want)
          assert.ok(bytes.subarray(0, at).every((b) => b === 0xee))
          assert.ok(bytes.subarray(at + want.length, 65_700).every((b) => b === 0xee))
          const [high, low] = [Math.floor(counter / 2 ** 32), counter >>> 0]
          assert.ok(cipher.openAt(KEY, high, low, at, length + TAG_LENGTH))
          assert.deepEqual(bytes.slice(at, at + length), clear)
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
        [64, -16],
        [66, -1],
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

test('all agree byte for byte, whatever keys take turns', { skip: !onLinux && 'only one of them here' }, () => {
  const all = KINDS.map(bench)
  const plain = all[0] as (typeof all)[number]
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
        for (const { bytes, cipher } of all) {
          bytes.set(clear, at)
          cipher.sealAt(key, counter, at, clear.length)
        }
        const end = at + clear.length + TAG_LENGTH
        const sealed = plain.bytes.slice(at, end)
        for (const { bytes } of all) assert.deepEqual(bytes.slice(at, end), sealed)
        for (const { bytes, cipher } of all) {
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

test('what does not do as it should is not taken', { skip: !onLinux && 'there is only one cipher here' }, () => {
  const arena = new Arena(CIPHER_BYTES + TRIAL_BYTES)
  assert.ok(inPlaceCipher(arena, 0, CIPHER_BYTES) instanceof BareInPlace)
  const good = new EvpInPlace(arena, 0)
  const bytes = new Uint8Array(arena.buffer)
  const take = (make: () => InPlaceCipher): boolean => chooseInPlace(make, arena, CIPHER_BYTES) !== undefined
  assert.ok(take(() => good))
  const seals = (sealAt: InPlaceCipher['sealAt']): InPlaceCipher => ({ sealAt, openAt: good.openAt.bind(good) })
  const opens = (openAt: InPlaceCipher['openAt']): InPlaceCipher => ({ sealAt: good.sealAt.bind(good), openAt })
  const rows: readonly (readonly [string, () => InPlaceCipher])[] = [
    ['none at all', () => assert.fail('cannot be made')],
    ['another nonce', () => seals((key, counter, at, length) => good.sealAt(key, counter + 1, at, length))],
    ['a byte behind', () => seals((k, c, at, n) => (good.sealAt(k, c, at, n), void (bytes[at + n + TAG_LENGTH] = 1)))],
    ['a word before', () => seals((k, c, at, n) => (good.sealAt(k, c, at, n), void (bytes[at - 1] = 1)))],
    ['opens anything', () => opens((...args) => (good.openAt(...args), true))],
    ['opens nothing', () => opens(() => false)],
    ['does not decipher', () => opens((...args) => good.openAt(...args) && ((bytes[args[3]] = 0), true))],
  ]
  for (const [name, make] of rows) assert.equal(take(make), false, name)
  assert.equal(CIPHER_BYTES, BARE_CIPHER_BYTES)
})
