/** Random bytes from the pool: whole, once, and not kept. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { nodeDice, pooledDice } from './dice.ts'

/** Fills with 1, 2, 3, …, never 0, through all calls; remembers what it filled. */
function counting() {
  let next = 0
  const filled: Uint8Array[] = []
  return {
    filled,
    fill: (bytes: Uint8Array<ArrayBuffer>): void => {
      filled.push(bytes)
      for (let i = 0; i < bytes.length; i++) bytes[i] = 1 + (next++ % 255)
    },
  }
}

test('every byte is handed out once, and is then gone from the pool', () => {
  const { filled, fill } = counting()
  const dice = pooledDice(fill)
  const first = Array.from({ length: 100 }, () => dice(32))
  assert.deepEqual(
    first.flatMap((bytes) => [...bytes]),
    Array.from({ length: 3200 }, (_, i) => 1 + (i % 255)),
  )
  assert.equal(filled.length, 1)
  const [pool] = filled as [Uint8Array]
  assert.ok(pool.subarray(0, 3200).every((byte) => byte === 0))
  assert.ok(pool.subarray(3200).every((byte) => byte !== 0))
})

test('requests of any lengths get all that they asked for, and none shares memory with another', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(80), { minLength: 1, maxLength: 300 }), (lengths) => {
      const dice = pooledDice(counting().fill)
      for (const length of lengths) {
        const bytes = dice(length)
        assert.equal(bytes.length, length)
        assert.equal(bytes.buffer.byteLength, length)
        assert.ok(bytes.every((byte) => byte !== 0))
      }
    }),
  )
})

test('long requests are filled by themselves', () => {
  const { filled, fill } = counting()
  const bytes = pooledDice(fill)(65)
  assert.deepEqual(filled, [bytes])
})

for (const length of [-1, 0.5, NaN, Infinity, 2 ** 40])
  test(`a request for ${length} bytes is refused, and takes nothing`, () => {
    const dice = pooledDice(counting().fill)
    dice(1)
    assert.throws(() => dice(length), RangeError)
    assert.equal(dice(1)[0], 2)
  })

test('no two keys are the same, across many fills', () => {
  const seen = new Set(Array.from({ length: 2000 }, () => nodeDice(32).toHex()))
  assert.equal(seen.size, 2000)
})
