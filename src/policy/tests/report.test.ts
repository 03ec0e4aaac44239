/** What people and programs are told of tests that fail. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeTests, failureBody } from './report.ts'

const failure = {
  user: 'a@example.com',
  errors: ['address "tag:db:5432": want: Accept, got: Drop'],
  at: { line: 12, column: 5 },
}

test('the body of the refusal is the one of api-v2.md §5', () => {
  assert.deepEqual(failureBody([failure]), {
    message: 'test(s) failed',
    data: [{ user: 'a@example.com', errors: ['address "tag:db:5432": want: Accept, got: Drop'] }],
  })
})

test('people read where the test stands, what is wrong with it, and how many there are', () => {
  const rows = [
    [0, [], ['The policy has no tests.']],
    [1, [], ['1 test passed.']],
    [3, [], ['3 tests passed.']],
    [
      3,
      [failure],
      [
        'line 12, column 5: test from "a@example.com" failed',
        '  address "tag:db:5432": want: Accept, got: Drop',
        '1 of 3 tests failed.',
      ],
    ],
  ] as const
  for (const [total, failures, lines] of rows) assert.deepEqual(describeTests(total, failures), lines)
})
