/** The engine's clock in another thread, where `performance.now()` begins elsewhere: both are held against the system's. */

import type { Mono } from '../../../base/clock.ts'

/** By how much this thread's `clock` is ahead of the system's, in milliseconds. */
export function offsetOf(clock: () => Mono): number {
  return clock() - systemMs()
}

/** A clock of this thread that says what one with this offset says in another. */
export function clockAt(offset: number): () => Mono {
  const ahead = offset - offsetOf(() => performance.now() as Mono)
  return () => (performance.now() + ahead) as Mono
}

function systemMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
