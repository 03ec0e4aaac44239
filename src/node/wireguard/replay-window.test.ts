/** The replay window: recordings, and any order of counters against a plain set. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { golden } from '../../../test/support/golden.ts'
import type { GoldenCase } from '../../../test/support/golden.ts'
import { REPLAY_WORDS, ReplayWindow, WINDOW } from './replay-window.ts'

interface ReplayCase extends GoldenCase {
  readonly op: 'replay'
  readonly limit: string
  readonly counters: readonly { readonly counter: string; readonly accept: boolean }[]
}

const LIMIT = 2n ** 64n - 2n ** 13n - 1n
const halves = (counter: bigint): [number, number] => [Number(counter >> 32n), Number(counter & 0xffff_ffffn)]

test('golden: counters one after another', () => {
  for (const c of golden<ReplayCase>('wireguard.json', 'replay')) {
    assert.equal(BigInt(c.limit), LIMIT)
    const window = new ReplayWindow()
    for (const { counter, accept } of c.counters) {
      const [high, low] = halves(BigInt(counter))
      assert.equal(window.isFresh(high, low), accept, `${c.name}: is ${counter} fresh?`)
      assert.equal(window.accept(high, low), accept, `${c.name}: ${counter}`)
    }
  }
})

/** The same promise, in as few words as it can be said. */
class PlainWindow {
  readonly #seen = new Set<bigint>()
  #greatest = 0n

  accept(counter: bigint): boolean {
    if (counter >= LIMIT || this.#seen.has(counter) || counter + BigInt(WINDOW) < this.#greatest) return false
    this.#seen.add(counter)
    if (counter > this.#greatest) this.#greatest = counter
    return true
  }
}

test('any counters in any order are taken as by a set of those seen', () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.bigInt({ min: -3n, max: 3n }) },
    { weight: 3, arbitrary: fc.bigInt({ min: -40n, max: 70n }) },
    { weight: 2, arbitrary: fc.bigInt({ min: -8200n, max: 8200n }) },
    { weight: 1, arbitrary: fc.bigInt({ min: -(2n ** 33n), max: 2n ** 33n }) },
  )
  const start = fc.constantFrom(0n, 1n, 8127n, 2n ** 32n - 20n, 2n ** 53n - 20n, 2n ** 63n, LIMIT - 20n)
  let taken = 0
  let refused = 0
  fc.assert(
    fc.property(start, fc.array(step, { minLength: 20, maxLength: 300 }), (start, steps) => {
      const window = new ReplayWindow()
      const plain = new PlainWindow()
      let counter = start
      for (const by of steps) {
        counter = BigInt.asUintN(64, counter + by)
        const [high, low] = halves(counter)
        const want = plain.accept(counter)
        assert.equal(window.isFresh(high, low), want)
        assert.equal(window.accept(high, low), want)
        assert.equal(window.isFresh(high, low), false)
        if (want) taken++
        else refused++
      }
    }),
  )
  assert.ok(taken > 1000 && refused > 1000, `${taken} taken, ${refused} refused`)
})

test('the words hold all there is: another window over them goes on where this one was', () => {
  const words = new Uint32Array(new SharedArrayBuffer(REPLAY_WORDS * 4))
  assert.ok(new ReplayWindow(words).accept(0, 5))
  assert.equal(new ReplayWindow(words).accept(0, 5), false)
  assert.ok(new ReplayWindow(words).accept(0, 4))
  assert.throws(() => new ReplayWindow(new Uint32Array(REPLAY_WORDS - 1)), RangeError)
})
