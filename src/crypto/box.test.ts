/** NaCl boxes against the golden vectors, unusable keys and strangers' bytes. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { PrivateKey } from '../base/keys.ts'
import { bytes, golden } from '../../test/support/golden.ts'
import type { GoldenCase } from '../../test/support/golden.ts'
import { mutated } from '../../test/support/mutate.ts'
import { BOX_OVERHEAD, boxKey, openBox, openWith, sealBox, sealWith } from './box.ts'
import { nodePrimitives as p } from './io/node-primitives.ts'
import { generateKey } from './primitives.ts'

interface BoxCase extends GoldenCase {
  readonly to_private: string
  readonly from_public: string
  readonly sealed: string
  readonly from_private: string
  readonly to_public: string
  readonly nonce: string
  readonly clear: string
}

for (const c of golden<BoxCase>('keys.json', 'box')) {
  test(`golden: ${c.name}`, () => {
    const opened = openBox(p, new PrivateKey(bytes(c.to_private)), bytes(c.from_public), bytes(c.sealed))
    if (c.expect === 'reject') return assert.equal(opened, undefined)
    assert.equal(opened?.toHex(), c.clear)
    const from = new PrivateKey(bytes(c.from_private))
    assert.equal(sealBox(p, from, bytes(c.to_public), bytes(c.nonce), bytes(c.clear)).toHex(), c.sealed)
  })
}

test('a box key kept by either side opens what the other sealed', () => {
  const [a, b] = [generateKey(p.random), generateKey(p.random)]
  const [here, there] = [boxKey(p, a, p.x25519Public(b)), boxKey(p, b, p.x25519Public(a))]
  assert.ok(here !== undefined && there !== undefined)
  const clear = p.random(100)
  assert.deepEqual(openWith(there, sealWith(here, p.random(24), clear)), clear)
})

/** Points of low order (RFC 7748 §6.1) and things that are no key at all. */
const unusable = [
  { name: 'zero', key: '00'.repeat(32) },
  { name: 'one', key: `01${'00'.repeat(31)}` },
  { name: 'p', key: `ed${'ff'.repeat(30)}7f` },
  { name: 'p+1', key: `ee${'ff'.repeat(30)}7f` },
  { name: 'order 8', key: 'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800' },
  { name: 'too short', key: '09'.repeat(31) },
  { name: 'too long', key: '09'.repeat(33) },
  { name: 'empty', key: '' },
]
for (const { name, key } of unusable) {
  test(`nothing is sealed to or opened from an unusable key: ${name}`, () => {
    const own = generateKey(p.random)
    assert.equal(p.x25519(own, bytes(key)), undefined)
    assert.equal(openBox(p, own, bytes(key), p.random(BOX_OVERHEAD + 10)), undefined)
    assert.throws(() => sealBox(p, own, bytes(key), p.random(24), p.random(5)), { code: 'key/malformed' })
  })
}

test('a stranger’s bytes never open, and never throw', () => {
  const [own, from] = [generateKey(p.random), p.x25519Public(generateKey(p.random))]
  const key = boxKey(p, own, from)
  assert.ok(key !== undefined)
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => openWith(key, noise) === undefined))
})

test('a mutated box does not open', () => {
  const [own, from] = [generateKey(p.random), generateKey(p.random)]
  const key = boxKey(p, own, p.x25519Public(from))
  assert.ok(key !== undefined)
  const box = sealWith(key, p.random(24), p.random(60))
  fc.assert(
    fc.property(mutated([box]), (bent) => bent.toHex() === box.toHex() || openWith(key, bent) === undefined),
    { numRuns: 300 },
  )
})
