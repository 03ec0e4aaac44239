/** The heap of deadlines against a plain list, and liveness at its limits. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { NEVER } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'
import { Deadlines } from './deadlines.ts'
import { Liveness } from './liveness.ts'

test('deadlines come up as in a plain list, whatever is set, put forward or taken out', () => {
  const act = fc.record({
    item: fc.nat(9),
    at: fc.nat(100),
    what: fc.constantFrom('set', 'set', 'set', 'delete', 'due'),
  })
  fc.assert(
    fc.property(fc.array(act, { maxLength: 80 }), (acts) => {
      const heap = new Deadlines<number>()
      const plain = new Map<number, number>()
      for (const { item, at, what } of acts) {
        if (what === 'set') {
          heap.set(item, at as Mono)
          plain.set(item, Math.min(at, plain.get(item) ?? Infinity))
        } else if (what === 'delete') {
          heap.delete(item)
          plain.delete(item)
        } else {
          const want = [...plain].filter(([, due]) => due <= at).map(([key]) => key)
          assert.deepEqual(new Set(heap.due(at as Mono)), new Set(want))
          for (const key of want) plain.delete(key)
        }
        assert.equal(heap.next(), Math.min(Infinity, ...plain.values()))
      }
    }),
  )
  const heap = new Deadlines<string>()
  heap.set('never', NEVER)
  assert.equal(heap.next(), NEVER)
})

/** When a path whose pings stay unanswered is lost, in milliseconds after the first of them. */
function lostAfter(roundTripMs: number, heardUntilMs: number): number {
  const liveness = new Liveness()
  liveness.pinged(0 as Mono)
  liveness.answered(0 as Mono, roundTripMs)
  liveness.pinged(10_000 as Mono)
  for (let now = 10_000; ; now++) {
    const heardAt = Math.min(now, 10_000 + heardUntilMs) as Mono
    const verdict = liveness.check(now as Mono, heardAt)
    if (verdict === 'lost') return now - 10_000
    if (verdict === 'retry') liveness.pinged(now as Mono)
    assert.ok(liveness.nextAt(heardAt) > now)
  }
}

test('how soon a path is lost, by its round trips and by what is still heard', () => {
  const rows = [
    { roundTripMs: 1, heardUntilMs: 0, within: [300, 360] },
    { roundTripMs: 1, heardUntilMs: Infinity, within: [450, 450] },
    { roundTripMs: 1, heardUntilMs: 200, within: [400, 400] },
    { roundTripMs: 100, heardUntilMs: 0, within: [400, 460] },
    { roundTripMs: 300, heardUntilMs: Infinity, within: [800, 900] },
  ] as const
  for (const { roundTripMs, heardUntilMs, within } of rows) {
    const ms = lostAfter(roundTripMs, heardUntilMs)
    assert.ok(ms >= within[0] && ms <= within[1], `${roundTripMs} ms, heard ${heardUntilMs}: ${ms}`)
  }
})

test('an answer to a later ping makes earlier ones moot, and one that slept asks again before it gives up', () => {
  const liveness = new Liveness()
  liveness.pinged(0 as Mono)
  liveness.pinged(100 as Mono)
  liveness.answered(100 as Mono, 5)
  assert.equal(liveness.nextAt(0 as Mono), NEVER)
  assert.equal(liveness.check(9000 as Mono, 0 as Mono), 'fine')
  liveness.pinged(9000 as Mono)
  assert.equal(liveness.check(60_000 as Mono, 0 as Mono), 'retry')
  liveness.pinged(60_000 as Mono)
  assert.equal(liveness.check(60_000 as Mono, 0 as Mono), 'fine')
  assert.equal(liveness.check(60_050 as Mono, 0 as Mono), 'lost')
  liveness.reset()
  assert.equal(liveness.nextAt(0 as Mono), NEVER)
})
