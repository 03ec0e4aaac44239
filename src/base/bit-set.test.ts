import { test } from 'node:test'
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { BitSet } from './bit-set.ts'

test('a bit set holds what a plain set holds', () => {
  const step = fc.record({ add: fc.boolean(), n: fc.nat(500) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const bits = new BitSet(1)
      const plain = new Set<number>()
      for (const { add, n } of steps) {
        if (add) bits.add(n)
        else bits.delete(n)
        if (add) plain.add(n)
        else plain.delete(n)
      }
      for (let n = 0; n <= 510; n++) assert.equal(bits.has(n), plain.has(n), `number ${n}`)
      assert.equal(bits.size, plain.size)
      bits.clear()
      assert.equal(bits.size, 0)
    }),
  )
})

test('what two bit sets make together is what two plain sets make', () => {
  const numbers = fc.array(fc.nat(300), { maxLength: 60 })
  fc.assert(
    fc.property(numbers, numbers, (a, b) => {
      const [x, y] = [new Set(a), new Set(b)]
      const made = (op: (own: BitSet, other: BitSet) => void): number[] => {
        const own = BitSet.of(a)
        op(own, BitSet.of(b))
        return [...own]
      }
      const sorted = (set: Set<number>): number[] => [...set].sort((m, n) => m - n)
      assert.deepEqual([...BitSet.of(a).clone()], sorted(x))
      assert.deepEqual(
        made((own, other) => own.addAll(other)),
        sorted(x.union(y)),
      )
      assert.deepEqual(
        made((own, other) => own.keepAll(other)),
        sorted(x.intersection(y)),
      )
      assert.deepEqual(
        made((own, other) => own.deleteAll(other)),
        sorted(x.difference(y)),
      )
      assert.deepEqual(
        made((own, other) => own.flipAll(other)),
        sorted(x.symmetricDifference(y)),
      )
      assert.equal(BitSet.of(a).intersects(BitSet.of(b)), !x.isDisjointFrom(y))
      assert.equal(BitSet.of(a).isSubsetOf(BitSet.of(b)), x.isSubsetOf(y))
      assert.equal(BitSet.of(a).isEmpty, x.size === 0)
      const same = x.size === y.size && x.isSubsetOf(y)
      assert.equal(BitSet.of(a).equals(BitSet.of(b)), same)
      assert.equal(BitSet.of(a).key === BitSet.of(b).key, same)
      // The room it has grown to is no part of what it holds.
      const roomy = BitSet.of([...a, 5000])
      roomy.delete(5000)
      assert.equal(roomy.key, BitSet.of(a).key)
      assert.ok(roomy.equals(BitSet.of(a)))
    }),
  )
})
