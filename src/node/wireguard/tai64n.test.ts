/** Timestamps: recorded ones, and that they grow whatever the clock does. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { golden } from '../../../test/support/golden.ts'
import type { GoldenCase } from '../../../test/support/golden.ts'
import type { Mono, Wall } from '../../base/clock.ts'
import { encodeTimestamp, isLater, StampClock, stepAfter } from './tai64n.ts'

test('golden: times of recorded handshakes', () => {
  type Case = GoldenCase & { readonly time_unix_ns: string; readonly timestamp: string }
  for (const { name, time_unix_ns, timestamp } of golden<Case>('wireguard.json', 'handshake'))
    assert.equal(encodeTimestamp((Number(time_unix_ns) / 1e6) as Wall).toHex(), timestamp, name)
})

test('a later time has a later or the same timestamp, and one step on is later', () => {
  const time = fc.integer({ min: 0, max: 4e12 })
  fc.assert(
    fc.property(time, fc.integer({ min: 0, max: 100_000 }), (ms, more) => {
      const [a, b] = [encodeTimestamp(ms as Wall), encodeTimestamp((ms + more) as Wall)]
      assert.ok(!isLater(a, b))
      assert.equal(isLater(b, a), b.toHex() !== a.toHex())
      if (more > 17) assert.ok(isLater(b, a))
      assert.ok(isLater(stepAfter(a), a))
      assert.ok(!isLater(stepAfter(a), encodeTimestamp((ms + 18) as Wall)))
    }),
  )
})

test('timestamps to one peer grow, however the clock is set', () => {
  const step = fc.record({ passes: fc.integer({ min: 0, max: 50 }), set: fc.integer({ min: -1e9, max: 1e9 }) })
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      let now = 5000 as Mono
      let wall = 1.7e12
      const clock = new StampClock(wall as Wall, now)
      let last = clock.next(now, undefined)
      for (const { passes, set } of steps) {
        now = (now + passes) as Mono
        wall += passes + set
        clock.set(wall as Wall, now)
        const stamp = clock.next(now, last)
        assert.ok(isLater(stamp, last))
        last = stamp
      }
    }),
  )
})

test('a clock that is set forward shows in timestamps at once', () => {
  const clock = new StampClock(1.7e12 as Wall, 0 as Mono)
  clock.set(1.8e12 as Wall, 0 as Mono)
  assert.deepEqual(clock.next(0 as Mono, undefined), encodeTimestamp(1.8e12 as Wall))
})
