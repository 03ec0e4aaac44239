import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { NEVER } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'
import { mono } from './clocks.ts'
import { Ticker } from './ticker.ts'

test('many wishes in one turn are one tick, at its end', async () => {
  let ticks = 0
  const ticker = new Ticker(mono, () => ({ tick: () => void ticks++, deadline: () => NEVER }))
  for (let i = 0; i < 100; i++) ticker.wake()
  assert.equal(ticks, 0)
  await turn()
  await turn()
  assert.equal(ticks, 1)
  ticker.wake()
  await turn()
  await turn()
  assert.equal(ticks, 2)
  ticker.stop()
})

test('a tick comes when the deadline does, and none after the end', async () => {
  let due = NEVER
  let now = 0 as Mono
  const seen: number[] = []
  const done = Promise.withResolvers<void>()
  const ticker = new Ticker(
    () => now,
    () => ({
      tick(at) {
        seen.push(at)
        if (seen.length === 1) due = 5 as Mono
        else {
          due = NEVER
          done.resolve()
        }
        now = (now + 5) as Mono
      },
      deadline: () => due,
    }),
  )
  ticker.wake()
  await done.promise
  assert.deepEqual(seen, [0, 5])
  ticker.wake()
  ticker.stop()
  ticker.wake()
  await turn()
  await turn()
  assert.equal(seen.length, 2)
})
