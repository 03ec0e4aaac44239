/**
 * Captures that are faulty themselves, and what in them is: those that policy.md §19 names, and no others.
 * Everything else that such a capture shows counts as in any other.
 */

export interface Exception {
  readonly id: string
  /** Empty: the answer. Absent: the answer, and every node. */
  readonly node?: string
  /** Which statements (compare.ts); absent: all. */
  readonly what?: RegExp
  readonly why: string
}

export const EXCEPTIONS: readonly Exception[] = [
  {
    id: 'ssh-e1',
    node: '',
    what: /^message$/,
    why: 'the recorder put another mail domain into the policy, but not into the message, which quotes it in capitals',
  },
]
