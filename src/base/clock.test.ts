/** RFC 3339 as Go reads it, and as we write it. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { formatTime, later, NEVER, parseTime, ZERO_TIME } from './clock.ts'
import type { Mono, Wall } from './clock.ts'

const times = [
  { text: '2026-01-02T03:04:05Z', want: Date.UTC(2026, 0, 2, 3, 4, 5) },
  { text: '2026-01-02t03:04:05z', want: Date.UTC(2026, 0, 2, 3, 4, 5) },
  { text: '2026-01-02T03:04:05.5Z', want: Date.UTC(2026, 0, 2, 3, 4, 5, 500) },
  { text: '2026-01-02T03:04:05.123456789Z', want: Date.UTC(2026, 0, 2, 3, 4, 5, 123) },
  { text: '1970-01-01T02:02:03+02:00', want: 123_000 },
  { text: '1969-12-31T19:02:03-05:00', want: 123_000 },
  { text: '2024-02-29T00:00:00Z', want: Date.UTC(2024, 1, 29) },
  { text: ZERO_TIME, want: undefined },
  { text: '0001-01-01T00:00:00+01:00', want: undefined },
  { text: '2026-02-29T00:00:00Z', want: null },
  { text: '2026-02-30T00:00:00Z', want: null },
  { text: '2026-04-31T00:00:00Z', want: null },
  { text: '2026-13-01T00:00:00Z', want: null },
  { text: '2026-01-01T24:00:00Z', want: null },
  { text: '2026-01-01T23:59:60Z', want: null },
  { text: '2026-01-01T00:00:00+24:00', want: null },
  { text: '2026-01-01T00:00:00', want: null },
  { text: '2026-01-01 00:00:00Z', want: null },
  { text: '2026-01-01T00:00:00.Z', want: null },
  { text: '2026-1-1T00:00:00Z', want: null },
  { text: '12026-01-01T00:00:00Z', want: null },
  { text: '0001-99-99T99:99:99Z', want: null },
  // In UTC these lie in the year 10000, which has no text.
  { text: '9999-12-31T23:59:59-00:01', want: null },
  { text: '9999-12-31T24:00:00Z', want: null },
  { text: '', want: null },
]
for (const t of times) test(`the time ${JSON.stringify(t.text)}`, () => assert.equal(parseTime(t.text), t.want))

test('a time is read as it was written', () => {
  const dates = fc.date({
    min: new Date('0002-01-01T00:00:00Z'),
    max: new Date('9999-12-31T23:59:59Z'),
    noInvalidDate: true,
  })
  fc.assert(fc.property(dates, (date) => assert.equal(parseTime(formatTime(date.getTime() as Wall)), date.getTime())))
})

test('whole seconds are written without a fraction', () => {
  assert.equal(formatTime(123_000 as Wall), '1970-01-01T00:02:03Z')
  assert.equal(formatTime(123_400 as Wall), '1970-01-01T00:02:03.400Z')
})

test('never stays never', () => {
  assert.equal(later(5 as Mono, 7), 12)
  assert.equal(later(NEVER, 1000), NEVER)
})
