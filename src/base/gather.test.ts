/** Gathered pieces: the same bytes as strung together, in no more than twice their room. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { concat } from './bytes.ts'
import { Gathered } from './gather.ts'

test('what comes out is what went in, wherever the pieces lay', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 20 })), (pieces) => {
      const all = concat(pieces)
      const gathered = new Gathered()
      for (const piece of pieces) {
        gathered.add(piece)
        piece.fill(0xa5)
      }
      assert.deepEqual(gathered.bytes(), all)
      assert.equal(gathered.length, all.length)
      assert.ok(gathered.bytes().buffer.byteLength <= 2 * all.length)
    }),
  )
})
