/** A taste of each fuzzer: another seed every time, printed when it finds something. The long run is elsewhere. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sized } from '../../../test/support/size.ts'
import { fuzzers } from './h2.fuzz.ts'

const TASTE_MS = sized(200, 500)

for (const { name, run } of fuzzers)
  test(`fuzzing: ${name}`, () => {
    const until = performance.now() + TASTE_MS
    let cases = 0
    assert.ok(run(Date.now() >>> 0, () => cases++ === 0 || performance.now() < until) > 0)
  })
