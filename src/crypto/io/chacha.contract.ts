/** What every ChaCha20-Poly1305 here promises. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import * as fc from 'fast-check'
import { EMPTY } from '../../base/bytes.ts'
import { bytes } from '../../../test/support/golden.ts'
import { TAG_LENGTH } from '../primitives.ts'
import type { Chacha } from './chacha.ts'
import { nodeChacha } from './node-chacha.ts'

/** RFC 8439 §2.8.2, and the message of appendix A.5. */
const PUBLISHED = [
  {
    name: '§2.8.2',
    key: '808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f',
    nonce: '070000004041424344454647',
    ad: '50515253c0c1c2c3c4c5c6c7',
    clear:
      '4c616469657320616e642047656e746c656d656e206f662074686520636c617373206f66202739393a204966204920636f756c64206f66' +
      '66657220796f75206f6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73637265656e20776f756c64206265' +
      '2069742e',
    sealed:
      'd31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b' +
      '2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586ce' +
      'c64b61161ae10b594f09e26a7e902ecbd0600691',
  },
  {
    name: 'A.5',
    key: '1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0',
    nonce: '000000000102030405060708',
    ad: 'f33388860000000000004e91',
    clear:
      '496e7465726e65742d4472616674732061726520647261667420646f63756d656e74732076616c696420666f722061206d6178696d756d' +
      '206f6620736978206d6f6e74687320616e64206d617920626520757064617465642c207265706c616365642c206f72206f62736f6c6574' +
      '6564206279206f7468657220646f63756d656e747320617420616e792074696d652e20497420697320696e617070726f70726961746520' +
      '746f2075736520496e7465726e65742d447261667473206173207265666572656e6365206d6174657269616c206f7220746f2063697465' +
      '207468656d206f74686572207468616e206173202fe2809c776f726b20696e2070726f67726573732e2fe2809d',
    sealed:
      '64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb24c6cfc18755d43eea09ee94e382d26b0bdb7b73c321b01' +
      '00d4f03b7f355894cf332f830e710b97ce98c8a84abd0b948114ad176e008d33bd60f982b1ff37c8559797a06ef4f0ef61c186324e2b35' +
      '06383606907b6a7c02b0f9f6157b53c867e4b9166c767b804d46a59b5216cde7a4e99040c5a40433225ee282a1b0a06c523eaf4534d7f8' +
      '3fa1155b0047718cbc546a0d072b04b3564eea1b422273f548271a0bb2316053fa76991955ebd63159434ecebb4e466dae5a1073a67276' +
      '27097a1049e617d91d361094fa68f0ff77987130305beaba2eda04df997b714d6c6f2c29a6ad5cb4022b02709beead9d67890cbb223923' +
      '36fea1851f38',
  },
]

const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const key = bytesOf(32)
const nonce = bytesOf(12)
const ad = fc.uint8Array({ maxLength: 100 })
const clear = fc.uint8Array({ maxLength: 300 })

export function chachaContract(name: string, c: Chacha): void {
  const seal = (key: Uint8Array, nonce: Uint8Array, ad: Uint8Array, plain: Uint8Array) => {
    const sealed = new Uint8Array(plain.length + TAG_LENGTH)
    c.seal(key, nonce, ad, plain, sealed, 0)
    return sealed
  }

  for (const row of PUBLISHED) {
    test(`${name}: RFC 8439 ${row.name}`, () => {
      const [key, nonce, ad] = [bytes(row.key), bytes(row.nonce), bytes(row.ad)]
      assert.equal(seal(key, nonce, ad, bytes(row.clear)).toHex(), row.sealed)
      assert.equal(c.open(key, nonce, ad, bytes(row.sealed))?.toHex(), row.clear)
    })
  }

  test(`${name}: agrees with another library`, () => {
    fc.assert(
      fc.property(key, nonce, ad, clear, (key, nonce, ad, clear) => {
        const theirs = chacha20poly1305(key, nonce, ad).encrypt(clear)
        assert.equal(seal(key, nonce, ad, clear).toHex(), theirs.toHex())
        assert.equal(c.open(key, nonce, ad, theirs)?.toHex(), clear.toHex())
      }),
    )
  })

  test(`${name}: what it seals Node opens, and the other way, for every length of a record`, () => {
    const key = new Uint8Array(32).map((_, i) => i * 7)
    const nonce = new Uint8Array(12)
    const text = new Uint8Array(4096).map((_, i) => i * 31)
    const [own, node] = [c.recordCipher(key), nodeChacha.recordCipher(key)]
    const into = new Uint8Array(4096 + TAG_LENGTH)
    for (let length = 0; length <= 4096; length++) {
      nonce[10] = length >> 8
      nonce[11] = length & 0xff
      const clear = text.subarray(0, length)
      const sealed = into.subarray(0, length + TAG_LENGTH)
      own.sealInto(nonce, clear, into, 0)
      assert.ok(Buffer.from(clear).equals(node.open(nonce, sealed) ?? into), `sealed ${length} bytes`)
      node.sealInto(nonce, clear, into, 0)
      assert.ok(Buffer.from(clear).equals(own.open(nonce, sealed) ?? into), `opened ${length} bytes`)
    }
  })

  for (const [what, adLength, length] of [
    ['associated data of several pages', 20_000, 100],
    ['a text of a megabyte', 0, 1 << 20],
    ['both', 9000, 70_000],
  ] as const) {
    test(`${name}: ${what}`, () => {
      const [key, nonce] = [new Uint8Array(32).fill(1), new Uint8Array(12).fill(2)]
      const [ad, clear] = [new Uint8Array(adLength).fill(3), new Uint8Array(length).fill(4)]
      const sealed = seal(key, nonce, ad, clear)
      assert.ok(Buffer.from(sealed).equals(chacha20poly1305(key, nonce, ad).encrypt(clear)))
      assert.ok(Buffer.from(clear).equals(c.open(key, nonce, ad, sealed) ?? EMPTY))
      sealed[length - 1] = 0
      assert.equal(c.open(key, nonce, ad, sealed), undefined)
    })
  }

  test(`${name}: a record cipher writes where it is told, the place of the clear text included`, () => {
    fc.assert(
      fc.property(key, nonce, clear, fc.nat(9), (key, nonce, clear, at) => {
        const cipher = c.recordCipher(key)
        const into = new Uint8Array(at + clear.length + TAG_LENGTH + 3).fill(0xaa)
        const want = `${'aa'.repeat(at)}${seal(key, nonce, EMPTY, clear).toHex()}aaaaaa`
        cipher.sealInto(nonce, clear, into, at)
        assert.equal(into.toHex(), want)
        into.set(clear, at)
        cipher.sealInto(nonce, into.subarray(at, at + clear.length), into, at)
        assert.equal(into.toHex(), want)
      }),
    )
  })

  test(`${name}: many keys by turns, sealing and opening by turns`, () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(key, nonce, ad, clear), { maxLength: 8 }), (messages) => {
        const sealed = messages.map(([key, nonce, ad, clear]) => {
          const one = seal(key, nonce, ad, clear)
          assert.equal(c.open(key, nonce, ad, one)?.toHex(), clear.toHex())
          return one
        })
        messages.forEach(([key, nonce, ad, clear], i) =>
          assert.equal(c.open(key, nonce, ad, sealed[i] as Uint8Array)?.toHex(), clear.toHex()),
        )
      }),
    )
  })

  test(`${name}: whatever is changed or cut, nothing opens; and the next good one does`, () => {
    const [key, nonce, ad, clear] = [
      bytes('01'.repeat(32)),
      bytes('02'.repeat(12)),
      bytes('0304'),
      bytes('05'.repeat(40)),
    ]
    const sealed = seal(key, nonce, ad, clear)
    const bent = (whole: Uint8Array, i: number) => whole.map((byte, j) => (i === j ? byte ^ 0x80 : byte))
    for (let i = 0; i < sealed.length; i++) {
      assert.equal(c.open(key, nonce, ad, sealed.subarray(0, i)), undefined, `cut to ${i}`)
      assert.equal(c.open(key, nonce, ad, bent(sealed, i)), undefined, `byte ${i}`)
    }
    for (let i = 0; i < 32; i++) assert.equal(c.open(bent(key, i), nonce, ad, sealed), undefined, `key byte ${i}`)
    for (let i = 0; i < 12; i++) assert.equal(c.open(key, bent(nonce, i), ad, sealed), undefined, `nonce byte ${i}`)
    for (const other of [EMPTY, bent(ad, 1), ad.subarray(1), bytes('030400')])
      assert.equal(c.open(key, nonce, other, sealed), undefined, `ad ${other.toHex()}`)
    assert.equal(c.open(key, nonce, ad, sealed)?.toHex(), clear.toHex())
  })

  test(`${name}: other lengths of key and nonce are refused`, () => {
    const [key, nonce, into] = [new Uint8Array(32), new Uint8Array(12), new Uint8Array(32)]
    for (const length of [0, 1, 16, 31, 33, 64, 5000]) {
      const other = new Uint8Array(length)
      assert.throws(() => c.seal(other, nonce, EMPTY, EMPTY, into, 0), RangeError)
      assert.throws(() => c.open(other, nonce, EMPTY, into), RangeError)
      assert.throws(() => c.recordCipher(other), RangeError)
      assert.throws(() => c.seal(key, other, EMPTY, EMPTY, into, 0), RangeError)
      assert.throws(() => c.open(key, other, EMPTY, into), RangeError)
      assert.throws(() => c.recordCipher(key).sealInto(other, EMPTY, into, 0), RangeError)
      assert.throws(() => c.recordCipher(key).open(other, into), RangeError)
    }
  })

  test(`${name}: places without room are refused, and nothing is written there`, () => {
    const cipher = c.recordCipher(new Uint8Array(32))
    const whole = new Uint8Array(200)
    const into = whole.subarray(50, 100)
    const plain = new Uint8Array(20)
    for (const at of [15, 34, 50, 51, 2 ** 31, 2 ** 32, 2 ** 53, Infinity, -1, -50, 0.5, NaN])
      assert.throws(() => cipher.sealInto(new Uint8Array(12), plain, into, at), RangeError, String(at))
    assert.ok(whole.every((byte) => byte === 0))
  })
}
