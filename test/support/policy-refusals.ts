/** Tables of policies that are refused: what is written, the message, and where it points. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkPolicy, PolicyRefusal } from '../../src/policy/document/index.ts'

/** Has everything that the rows refer to; each row is spliced in before it. */
const GROUND = `
  "groups": {"group:a": ["odin@example.com"], "group:none": []},
  "tagOwners": {"tag:a": ["odin@example.com"], "tag:b": ["tag:a", "group:a"]},
  "hosts": {"srv": "100.64.0.1", "net": "10.0.0.0/8"},
  "ipsets": {"ipset:a": ["10.0.0.0/8"]},
  "postures": {"posture:a": ["node:os == 'linux'"]},
}`
const context = { domains: new Set(['example.com']), logins: new Set(['odin@example.com']) }

function refusal(text: string): PolicyRefusal {
  try {
    checkPolicy(text, context)
  } catch (error) {
    assert.ok(error instanceof PolicyRefusal, String(error))
    return error
  }
  throw new assert.AssertionError({ message: `taken: ${text}` })
}

export type Row = readonly [written: string, message: string, at?: string]

/** The place is that of the first character of `at`, of the last text like it before the ground. */
function check(rows: readonly Row[], wrap: (written: string) => string): void {
  for (const [written, message, at] of rows) {
    const whole = wrap(written)
    const refused = refusal(whole)
    assert.equal(refused.message, message, written)
    assert.equal(refused.status, message === 'internal server error' ? 500 : 400, written)
    assert.ok(refused.at !== undefined, `no place: ${written}`)
    if (at === undefined) continue
    const offset = whole.indexOf(written) + written.lastIndexOf(at)
    const line = whole.slice(0, offset).split('\n').length
    const column = offset - whole.lastIndexOf('\n', offset - 1)
    assert.deepEqual(refused.at, { line, column }, written)
  }
}

export function table(
  name: string,
  rows: readonly Row[],
  wrap = (written: string) => `{\n  ${written},${GROUND}`,
): void {
  test(name, () => check(rows, wrap))
}

/** The same for what stands by itself. */
export function bare(name: string, rows: readonly Row[]): void {
  table(name, rows, (written) => written)
}
