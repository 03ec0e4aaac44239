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
