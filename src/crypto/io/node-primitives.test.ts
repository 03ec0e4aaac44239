/** Node's primitives against golden keys, published vectors and another library. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { blake2s } from '@noble/hashes/blake2.js'
import { hmac } from '@noble/hashes/hmac.js'
import * as fc from 'fast-check'
import { concat, EMPTY } from '../../base/bytes.ts'
import { PrivateKey } from '../../base/keys.ts'
import { bytes, golden } from '../../../test/support/golden.ts'
import type { GoldenCase } from '../../../test/support/golden.ts'
import { challengeKeyFor, discoKeyFor, generateKey, machineKeyFor, nodeKeyFor, TAG_LENGTH } from '../primitives.ts'
import { nodePrimitives as p } from './node-primitives.ts'

interface PublicCase extends GoldenCase {
  readonly private: string
  readonly clamped: string
  readonly public: string
  readonly node: string
  readonly machine: string
  readonly disco: string
  readonly challenge: string
}

for (const c of golden<PublicCase>('keys.json', 'public')) {
  test(`golden: ${c.name}`, () => {
    const key = new PrivateKey(bytes(c.private))
    assert.equal(PrivateKey.clamped(bytes(c.private)).reveal().toHex(), c.clamped)
    assert.deepEqual(
      [
        p.x25519Public(key).toHex(),
        nodeKeyFor(p, key),
        machineKeyFor(p, key),
        discoKeyFor(p, key),
        challengeKeyFor(p, key),
      ],
      [c.public, c.node, c.machine, c.disco, c.challenge],
    )
  })
}

test('a generated key is clamped dice', () => {
  assert.equal(generateKey((n) => new Uint8Array(n).fill(0xff)).revealText(), `privkey:f8${'ff'.repeat(30)}7f`)
})

test('hashes of published vectors (RFC 7693, FIPS 180-4), in parts', () => {
  const [a, b, c] = [bytes('61'), bytes('62'), bytes('63')]
  assert.equal(p.blake2s(a, EMPTY, b, c).toHex(), '508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982')
  assert.equal(p.sha256(a, b, c).toHex(), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
})

const anyBytes = fc.uint8Array({ maxLength: 300 })
const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

test('HMAC-BLAKE2s agrees with another library, keys longer than a block included', () => {
  fc.assert(
    fc.property(anyBytes, anyBytes, anyBytes, (key, a, b) => {
      assert.equal(p.hmacBlake2s(key, a, b).toHex(), hmac(blake2s, key, concat([a, b])).toHex())
    }),
  )
})

test('ChaCha20-Poly1305 agrees with another library', () => {
  fc.assert(
    fc.property(bytesOf(32), bytesOf(12), anyBytes, anyBytes, (key, nonce, ad, clear) => {
      const sealed = p.chachaSeal(key, nonce, ad, clear)
      assert.equal(sealed.toHex(), chacha20poly1305(key, nonce, ad).encrypt(clear).toHex())
      assert.equal(p.chachaOpen(key, nonce, ad, sealed)?.toHex(), clear.toHex())
      if (ad.length > 0) assert.equal(p.chachaOpen(key, nonce, EMPTY, sealed), undefined)
    }),
  )
})

test('a record cipher writes in place what the plain call returns, and touches nothing around it', () => {
  fc.assert(
    fc.property(bytesOf(32), bytesOf(12), anyBytes, fc.nat(9), (key, nonce, clear, at) => {
      const cipher = p.recordCipher(key)
      const into = new Uint8Array(at + clear.length + TAG_LENGTH + 3).fill(0xaa)
      cipher.sealInto(nonce, clear, into, at)
      const sealed = p.chachaSeal(key, nonce, EMPTY, clear)
      assert.equal(into.toHex(), `${'aa'.repeat(at)}${sealed.toHex()}aaaaaa`)
      assert.equal(cipher.open(nonce, sealed)?.toHex(), clear.toHex())
    }),
  )
})

test('whatever is changed or cut, a record does not open', () => {
  const [key, nonce] = [p.random(32), p.random(12)]
  const cipher = p.recordCipher(key)
  const sealed = p.chachaSeal(key, nonce, EMPTY, p.random(40))
  for (let i = 0; i < sealed.length; i++) {
    assert.equal(cipher.open(nonce, sealed.subarray(0, i)), undefined)
    const bent = sealed.slice()
    bent[i] = (bent[i] as number) ^ 1
    assert.equal(cipher.open(nonce, bent), undefined)
  }
})
