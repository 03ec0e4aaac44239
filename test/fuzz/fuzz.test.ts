/**
 * Fuzzing of every decoder, for a time that is shared among them: seconds in the ordinary tests, more where somebody
 * has set `SETT_FUZZ_SECONDS`. Another seed every time, printed; `SETT_FUZZ_SEED` plays one again.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fuzzers } from '../../src/wire/h2/h2.fuzz.ts'
import { DECODERS } from './decoders.ts'

const TOTAL_MS = Number(process.env['SETT_FUZZ_SECONDS'] ?? 12) * 1000
const SEED = Number(process.env['SETT_FUZZ_SEED'] ?? Date.now()) | 0
const SHARE_MS = TOTAL_MS / (DECODERS.length + fuzzers.length)

for (const { name, run, close } of DECODERS)
  test(`fuzzing: ${name}`, async (t) => {
    if (close !== undefined) t.after(close)
    const { inputs, fault } = await run(SEED, SHARE_MS)
    t.diagnostic(`seed ${SEED}, ${inputs} inputs`)
    if (fault !== undefined) throw new Error(`SETT_FUZZ_SEED=${SEED}: ${fault.message}`, { cause: fault.cause })
    assert.ok(inputs > 0, 'no time for a single input')
  })

for (const { name, run } of fuzzers)
  test(`fuzzing: HTTP/2, ${name}`, (t) => {
    const until = performance.now() + SHARE_MS
    let cases = 0
    assert.ok(run(SEED >>> 0, () => cases++ === 0 || performance.now() < until) > 0)
    t.diagnostic(`seed ${SEED}, ${cases} cases`)
  })
