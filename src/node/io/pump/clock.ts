/** The engine's clock in another thread, where `performance.now()` begins elsewhere: both are held against the system's. */

import type { Mono } from '../../../base/clock.ts'

const TRIES = 5

/** By how much this thread's `clock` is ahead of the system's, in milliseconds. */
export function offsetOf(clock: () => Mono): number {
  let ahead = -Infinity
  // Whatever comes between the two readings makes the difference smaller, so the largest is the best.
  for (let i = 0; i < TRIES; i++) ahead = Math.max(ahead, clock() - systemMs())
  return ahead
}

/** A clock of this thread that says what one with this offset says in another. */
export function clockAt(offset: number): () => Mono {
  const ahead = offset - offsetOf(() => performance.now() as Mono)
  return () => (performance.now() + ahead) as Mono
}

function systemMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
