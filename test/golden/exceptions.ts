/**
 * Captures that are faulty themselves, and what in them is: those that policy.md §19 names, and no others.
 * Everything else that such a capture shows counts as in any other.
 */

export interface Exception {
  readonly id: string
  /** Absent: every node, and the answer. */
  readonly node?: string
  /** Which statements (compare.ts); absent: all. */
  readonly what?: RegExp
  readonly why: string
}

export const EXCEPTIONS: readonly Exception[] = []
