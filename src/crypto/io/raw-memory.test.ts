/** The arena's checks: no place outside has an address, and nothing of the arena gets out but copies. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { Arena, nativeFunctions } from './raw-memory.ts'
import type { Address } from './raw-memory.ts'

const skip =
  !(process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch)) && 'raw memory is reached on Linux only'
const arena = skip === false ? new Arena(1000) : (undefined as unknown as Arena)

test('an arena begins as zeros, and keeps what is put in', { skip }, () => {
  assert.equal(arena.size, 65_536)
  assert.equal(arena.take(0, 8).toHex(), '00'.repeat(8))
  arena.put(2, new Uint8Array([1, 2, 3, 4]))
  assert.equal(arena.take(0, 8).toHex(), '0000010203040000')
  assert.equal(arena.int32(2), 0x04030201)
  const into = new Uint8Array(6).fill(9)
  arena.takeInto(2, 3, into.subarray(1), 1)
  assert.equal(into.toHex(), '090901020309')
  arena.wipe(3, 2)
  assert.equal(arena.take(0, 8).toHex(), '0000010000040000')
  arena.wipe(0, arena.size)
})

test('a text is written whole or not at all that counts', { skip }, () => {
  assert.equal(arena.putText(4, 8, 'aé€'), 6)
  assert.equal(arena.take(4, 7).toHex(), '61c3a9e282ac00')
  assert.equal(arena.putText(4, 5, 'aé€'), undefined)
  assert.equal(arena.putText(4, 0, ''), 0)
  assert.equal(arena.take(10, 1).toHex(), '00')
  arena.wipe(4, 8)
})

test('what is taken is a copy', { skip }, () => {
  const copy = arena.take(10, 2)
  copy.fill(7)
  assert.equal(arena.take(10, 2).toHex(), '0000')
  assert.equal(copy.buffer.byteLength, 2)
})

test('native functions see the bytes at the address', { skip }, () => {
  const { memchr } = nativeFunctions<{ memchr: (at: number, byte: number, length: number) => number }>({
    memchr: 'int64_t memchr(int64_t at, int byte, size_t length)',
  })
  arena.put(40, new Uint8Array([5]))
  assert.equal(memchr(arena.address(0, arena.size), 5, arena.size), arena.address(40, 1))
  arena.wipe(40, 1)
})

test('functions that do not exist are an error, not a call into nowhere', { skip }, () => {
  assert.throws(() => nativeFunctions<{ x: () => number }>({ x: 'int no_such_function_anywhere()' }))
})

const HOSTILE = [-1, -0.5, 0.5, 65_537, 2 ** 31, 2 ** 32, 2 ** 53, 2 ** 64, Infinity, -Infinity, NaN]
const WRONG_TYPES = ['1', null, undefined, {}, 1n] as unknown as number[]

test('hostile offsets and lengths are refused by every method', { skip }, () => {
  for (const bad of [...HOSTILE, ...WRONG_TYPES]) {
    const calls: Record<string, () => unknown> = {
      'address at': () => arena.address(bad, 1),
      'address length': () => arena.address(0, bad),
      'putText at': () => arena.putText(bad, 1, 'a'),
      'putText room': () => arena.putText(0, bad, 'a'),
      'put at': () => arena.put(bad, new Uint8Array(1)),
      'take at': () => arena.take(bad, 1),
      'take length': () => arena.take(0, bad),
      'takeInto at': () => arena.takeInto(bad, 1, new Uint8Array(1), 0),
      'takeInto length': () => arena.takeInto(0, bad, new Uint8Array(1), 0),
      'takeInto intoAt': () => arena.takeInto(0, 1, new Uint8Array(1), bad),
      'int32 at': () => arena.int32(bad),
      'wipe at': () => arena.wipe(bad, 1),
      'wipe length': () => arena.wipe(0, bad),
    }
    for (const [name, call] of Object.entries(calls)) assert.throws(call, RangeError, `${name} ${String(bad)}`)
  }
  for (const size of [0, ...HOSTILE.filter((n) => n !== 65_537 && n < 2 ** 31)])
    assert.throws(() => new Arena(size), RangeError)
})

test('an address is given exactly for stretches within', { skip }, () => {
  const number = fc.oneof(
    fc.integer({ min: -10, max: 65_550 }),
    fc.integer({ min: 65_530, max: 65_540 }),
    fc.maxSafeInteger(),
    fc.double(),
  )
  const base = arena.address(0, 0)
  fc.assert(
    fc.property(number, number, (at, length) => {
      const within =
        Number.isSafeInteger(at) && Number.isSafeInteger(length) && at >= 0 && length >= 0 && at <= 65_536 - length
      if (within) assert.equal(arena.address(at, length), base + at)
      else assert.throws(() => arena.address(at, length), RangeError)
    }),
  )
})

test('bytes that lie about their length reach no place outside', { skip }, () => {
  class Short extends Uint8Array {
    override get length(): number {
      return 1
    }
  }
  class Long extends Uint8Array {
    override get length(): number {
      return 1000
    }
  }
  assert.throws(() => arena.put(arena.size - 1, new Short(100)), RangeError)
  assert.throws(() => arena.takeInto(0, 1000, new Long(10), 0), RangeError)
  assert.ok(arena.take(0, arena.size).every((byte) => byte === 0))
})

test('a subclass is not shown the arena’s own bytes', { skip }, () => {
  const shown: unknown[] = []
  class Curious extends Uint8Array {
    override set(from: ArrayLike<number>): void {
      shown.push(from)
    }
  }
  const into = new Curious(4)
  arena.takeInto(0, 4, into, 0)
  assert.deepEqual(shown, [])
})

test(
  'an arena in bytes of WebAssembly’s is the same bytes to all: views, native functions, and itself',
  { skip },
  () => {
    // The standard's, which the compiler is not told of here.
    const { Memory } = (
      globalThis as unknown as { WebAssembly: { Memory: new (size: object) => { buffer: ArrayBuffer } } }
    ).WebAssembly
    const { buffer } = new Memory({ initial: 2, maximum: 2 })
    const made = new Arena(buffer)
    const bytes = new Uint8Array(buffer)
    assert.equal(made.size, 131_072)
    assert.equal(made.buffer, buffer)
    assert.ok(bytes.every((byte) => byte === 0))
    const { memset } = nativeFunctions<{ memset: (at: Address, byte: number, length: number) => number }>({
      memset: 'int64_t memset(int64_t at, int byte, size_t length)',
    })
    memset(made.address(131_000, 72), 5, 72)
    assert.ok(bytes.subarray(131_000).every((byte) => byte === 5))
    bytes[3] = 9
    assert.deepEqual([...made.take(0, 5)], [0, 0, 0, 9, 0])
    assert.throws(() => made.address(131_000, 73), RangeError)
  },
)

const WASM = 'new Arena(new WebAssembly.Memory({ initial: 1, maximum: 1 }).buffer)'
for (const [side, make, place] of [
  ['behind an arena', 'new Arena(1)', 'arena.address(0, 0) + arena.size'],
  ['before an arena', 'new Arena(1)', 'arena.address(0, 0) - 1'],
  ['behind one in WebAssembly', WASM, 'arena.address(0, 0) + arena.size'],
  ['before one in WebAssembly', WASM, 'arena.address(0, 0) - 1'],
] as const) {
  test(`whoever touches the byte ${side} ends at once`, { skip }, () => {
    const program = `
      import { Arena, nativeFunctions } from ${JSON.stringify(new URL('./raw-memory.ts', import.meta.url).href)}
      const arena = ${make}
      const { memchr } = nativeFunctions({ memchr: 'int64_t memchr(int64_t at, int byte, size_t length)' })
      memchr(arena.address(arena.size - 1, 1), 1, 1)
      console.log('within')
      memchr(${place}, 1, 1)
      console.log('outside')`
    const { stdout, signal } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
    assert.equal(stdout, 'within\n')
    assert.equal(signal, 'SIGSEGV')
  })
}
