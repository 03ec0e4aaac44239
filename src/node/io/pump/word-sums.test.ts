/** Sums by WebAssembly are those that are added word by word, wherever and however long the stretch. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { add, fold } from '../../packet/checksum.ts'
import { memoryOf } from '../../packet/memory.ts'
import { makeWasmMemory, makeWordSum } from './word-sums.ts'

const wasm = makeWasmMemory(70_000)
const fast = memoryOf(wasm.buffer, makeWordSum(wasm))
const plain = memoryOf(wasm.buffer)

test('both ways to add give one checksum', () => {
  assert.equal(wasm.buffer.byteLength, 131_072)
  fc.assert(
    fc.property(fc.nat(66_000), fc.nat(2000), fc.nat(0xffff), fc.uint8Array(), (at, length, before, bytes) => {
      fast.bytes.set(bytes, at)
      assert.equal(fold(add(fast, at, length, before)), fold(add(plain, at, length, before)))
    }),
  )
})

test('the longest packet with the largest words does not turn over, at aligned places and others', () => {
  fast.bytes.fill(0xff)
  for (const at of [0, 4, 5]) {
    assert.equal(add(fast, at, 65_520), 0xffff_ffff * (65_520 / 4))
    assert.equal(add(plain, at, 65_520), 0xffff_ffff * (65_520 / 4))
  }
  fast.bytes.fill(0)
  fast.bytes[70_000] = 1
  assert.deepEqual([add(fast, 69_936, 64), add(fast, 69_936, 80), add(fast, 69_940, 64)], [0, 1, 1])
})
