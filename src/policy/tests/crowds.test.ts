/** Crowds against their members, pair by pair. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { finish, Pace } from '../steps.ts'
import { gatherReceivers, gatherSenders, meeting, remembered } from './crowds.ts'

interface Drawn {
  /** Rules that admit a sender, or ways that lead to a receiver, by number. */
  readonly rules: readonly number[]
  readonly own: readonly number[]
  readonly owner: number | undefined
}
const RULES = [0, 1, 2, 3]
const member: fc.Arbitrary<Drawn> = fc
  .record({
    rules: fc.subarray(RULES, { maxLength: 2 }),
    own: fc.subarray(RULES, { maxLength: 2 }),
    owner: fc.constantFrom(undefined, 1, 2),
  })
  // What is nobody's can't be somebody's own.
  .map((drawn) => (drawn.owner === undefined ? { ...drawn, own: [] } : drawn))
const members = fc.array(member, { maxLength: 5 })

test('some meet, and all meet, as their pairs do', () => {
  const seen = new Set<string>()
  fc.assert(
    fc.property(members, members, fc.subarray(RULES, { minLength: 1 }), (from, to, counting) => {
      const senders = new Map<string, { rules: ReadonlySet<string>; own: ReadonlySet<string> }>()
      const receivers = new Map<string, { ways: readonly number[]; own: readonly number[] }>()
      const names = (numbers: readonly number[]): Set<string> => new Set(numbers.map((n) => `rule ${n}`))
      const pace = new Pace(3)
      const got = finish(
        meeting(
          finish(
            gatherSenders(
              from.map(({ rules, own, owner }) => ({
                alike: remembered(senders, JSON.stringify([rules, own]), () => ({
                  rules: names(rules),
                  own: names(own),
                })),
                owner,
              })),
              pace,
            ),
          ),
          finish(
            gatherReceivers(
              to.map(({ rules, own, owner }) => ({
                alike: remembered(receivers, JSON.stringify([rules, own]), () => ({ ways: rules, own })),
                owner,
              })),
              pace,
            ),
          ),
          (way) => counting.includes(way),
          (way) => `rule ${way}`,
          pace,
        ),
      )
      const common = (a: readonly number[], b: readonly number[]): boolean =>
        a.some((n) => b.includes(n) && counting.includes(n))
      const pairs = from.flatMap((a) =>
        to.map((b) => common(a.rules, b.rules) || (a.owner === b.owner && common(a.own, b.own))),
      )
      const want = { some: pairs.some(Boolean), every: pairs.length > 0 && pairs.every(Boolean) }
      assert.deepEqual(got, want)
      seen.add(`${want.some} ${want.every}`)
    }),
    { numRuns: 500 },
  )
  assert.deepEqual([...seen].sort(), ['false false', 'true false', 'true true'])
})
