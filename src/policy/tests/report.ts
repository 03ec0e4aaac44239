/** Says which tests failed: as the API answers a save, and as the command line shows it. (policy.md §8; api-v2.md §5) */

import type { TestFailure } from './run.ts'

export const TESTS_FAILED = 'test(s) failed'

/** The body of the refusal; its status is 400. */
export function failureBody(failures: readonly TestFailure[]): {
  readonly message: string
  readonly data: readonly { readonly user: string; readonly errors: readonly string[] }[]
} {
  return { message: TESTS_FAILED, data: failures.map(({ user, errors }) => ({ user, errors })) }
}

/** Lines for people: each failing test with its place in the text, what is wrong with it, and how many there were. */
export function describeTests(total: number, failures: readonly TestFailure[]): string[] {
  const lines = failures.flatMap(({ user, errors, at }) => [
    `line ${at.line}, column ${at.column}: test from ${JSON.stringify(user)} failed`,
    ...errors.map((error) => `  ${error}`),
  ])
  return [...lines, summary(total, failures.length)]
}

function summary(total: number, failed: number): string {
  if (total === 0) return 'The policy has no tests.'
  const tests = total === 1 ? '1 test' : `${total} tests`
  return failed === 0 ? `${tests} passed.` : `${failed} of ${tests} failed.`
}
