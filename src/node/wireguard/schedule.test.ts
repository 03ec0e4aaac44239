/** The schedule against a list that is looked through. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { NEVER } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'
import { newSlot, Schedule } from './schedule.ts'

class Item {
  readonly slot = newSlot()
  at: Mono = NEVER
  deadline(): Mono {
    return this.at
  }
}

test('whatever is moved, added and removed, all that is due comes out, in order of time', () => {
  const step = fc.oneof(
    fc.record({ item: fc.nat(11), at: fc.oneof(fc.nat(100), fc.constant(Infinity)) }),
    fc.record({ remove: fc.nat(11) }),
    fc.record({ now: fc.nat(100) }),
  )
  let taken = 0
  fc.assert(
    fc.property(fc.array(step, { minLength: 10, maxLength: 100 }), (steps) => {
      const items = Array.from({ length: 12 }, () => new Item())
      const schedule = new Schedule<Item>()
      const earliest = () => Math.min(...items.map((i) => i.at))
      for (const s of steps) {
        if ('item' in s) {
          const item = items[s.item] as Item
          item.at = s.at as Mono
          schedule.refresh(item)
        } else if ('remove' in s) {
          const item = items[s.remove] as Item
          item.at = NEVER
          schedule.remove(item)
        } else {
          const due = items.filter((i) => i.at <= s.now)
          const got: Item[] = []
          for (let i = schedule.take(s.now as Mono); i !== undefined; i = schedule.take(s.now as Mono)) {
            got.push(i)
            i.at = NEVER
            schedule.refresh(i)
          }
          assert.deepEqual(new Set(got), new Set(due))
          taken += got.length
        }
        assert.ok(schedule.deadline() <= earliest())
      }
    }),
  )
  assert.ok(taken > 100)
})

test('a deadline that moves later does not touch the heap until its old time has come', () => {
  const schedule = new Schedule<Item>()
  const item = new Item()
  item.at = 10 as Mono
  schedule.refresh(item)
  item.at = 50 as Mono
  schedule.refresh(item)
  assert.equal(schedule.deadline(), 10)
  assert.equal(schedule.take(10 as Mono), undefined)
  assert.equal(schedule.deadline(), 50)
  assert.equal(schedule.take(50 as Mono), item)
  assert.equal(schedule.deadline(), NEVER)
})
