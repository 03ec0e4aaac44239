/** A comparison that says what it compared, for a generator that must never go on over a wrong map. */

import { isDeepStrictEqual } from 'node:util'

export function assertEqual(actual: unknown, expected: unknown, what: string): void {
  if (isDeepStrictEqual(actual, expected)) return
  throw new Error(`${what}: got ${JSON.stringify(actual)}, want ${JSON.stringify(expected)}`)
}
