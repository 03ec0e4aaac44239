/** When a certificate is asked for. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../base/clock.ts'
import type { Mono, Wall } from '../../base/clock.ts'
import { renewalOf, Schedule } from './schedule.ts'

const wall = (ms: number) => ms as Wall
const mono = (ms: number) => ms as Mono
/** In the middle: neither earlier nor later. */
const even = (length: number) => new Uint8Array(length).fill(0x80)
const NINETY = { from: wall(0), until: wall(90 * DAY_MS) }

test('with nothing it is asked for at once, and by one alone', () => {
  const schedule = new Schedule(even, undefined)
  assert.equal(schedule.waitMs(mono(0), wall(0)), 0)
  assert.ok(schedule.begins(mono(0), wall(0)))
  assert.ok(!schedule.begins(mono(1), wall(1)))
  assert.equal(schedule.waitMs(mono(1), wall(1)), Infinity)
})

test('one that is there is renewed when two thirds of its life are over, also where the calendar jumps', () => {
  assert.equal(renewalOf(NINETY), 60 * DAY_MS)
  const schedule = new Schedule(even, NINETY)
  assert.ok(!schedule.begins(mono(0), wall(60 * DAY_MS - 1)))
  assert.equal(schedule.waitMs(mono(0), wall(59 * DAY_MS)), DAY_MS)
  assert.ok(schedule.begins(mono(1), wall(60 * DAY_MS)))
  schedule.succeeded({ from: wall(60 * DAY_MS), until: wall(150 * DAY_MS) }, mono(1))
  assert.equal(schedule.waitMs(mono(1), wall(60 * DAY_MS)), 60 * DAY_MS)
})

test('after failures it is asked for later and later, four times in the first hour, and never given up', () => {
  const schedule = new Schedule(even, undefined)
  let now = 0
  const asked: number[] = []
  while (now < 3 * DAY_MS) {
    assert.ok(schedule.begins(mono(now), wall(0)))
    asked.push(now)
    const waits = schedule.failed(mono(now), undefined)
    assert.ok(!schedule.begins(mono(now + waits - 1), wall(0)))
    now += waits
  }
  assert.equal(asked.filter((at) => at < HOUR_MS).length, 4)
  assert.equal(schedule.failures, asked.length)
  const last = (asked.at(-1) as number) - (asked.at(-2) as number)
  assert.ok(Math.abs(last - 6 * HOUR_MS) < MINUTE_MS, `${last}`)
})

test('a wait varies by a quarter, and what the authority asks for counts up to a day', () => {
  const waits = [0, 0x80, 0xff].map((byte) => {
    const schedule = new Schedule((length) => new Uint8Array(length).fill(byte), undefined)
    schedule.begins(mono(0), wall(0))
    return schedule.failed(mono(0), undefined)
  })
  assert.deepEqual(waits.map(Math.round), [11_250, 15_015, 18_750])
  for (const [asked, want] of [
    [HOUR_MS, HOUR_MS],
    [400 * DAY_MS, DAY_MS],
  ] as const) {
    const schedule = new Schedule(even, undefined)
    schedule.begins(mono(0), wall(0))
    assert.equal(schedule.failed(mono(0), asked), want)
  }
})

test('success forgets the failures; a clock that runs ahead does not ask at once again', () => {
  const schedule = new Schedule(even, undefined)
  for (let i = 0; i < 5; i++) {
    assert.ok(schedule.begins(mono(i * DAY_MS), wall(0)))
    schedule.failed(mono(i * DAY_MS), undefined)
  }
  const now = mono(6 * DAY_MS)
  assert.ok(schedule.begins(now, wall(0)))
  schedule.succeeded(NINETY, now)
  assert.equal(schedule.failures, 0)
  const ahead = wall(1000 * DAY_MS)
  assert.ok(!schedule.begins(now, ahead))
  assert.equal(schedule.waitMs(now, ahead), 9 * DAY_MS)
})
