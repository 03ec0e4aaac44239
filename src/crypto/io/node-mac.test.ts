/** Keyed BLAKE2s agrees with another implementation, for every length of key and in any number of parts. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { blake2s } from '@noble/hashes/blake2.js'
import * as fc from 'fast-check'
import { nodePrimitives as p } from './node-primitives.ts'

test('keyed BLAKE2s is what another implementation says', () => {
  const key = fc.uint8Array({ minLength: 1, maxLength: 32 })
  const parts = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 3 })
  fc.assert(
    fc.property(key, parts, (key, parts) => {
      const whole = Uint8Array.from(parts.flatMap((part) => [...part]))
      assert.deepEqual(new Uint8Array(p.blake2sMac(key, ...parts)), blake2s(whole, { key, dkLen: 16 }))
    }),
  )
})

test('the key matters', () => {
  const message = new Uint8Array(100)
  const [one, other] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]
  assert.notDeepEqual(p.blake2sMac(one, message), p.blake2sMac(other, message))
})
