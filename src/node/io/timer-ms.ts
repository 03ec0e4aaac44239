/** How long a timer of Node's is to be set for, so that it rings when a machine has something to do, and not before. */

import type { Mono } from '../../base/clock.ts'

/** Node's timers take no longer; one that rings too early asks again. */
const MOST_MS = 2 ** 31 - 1

export function timerMs(at: Mono, now: Mono): number {
  return Math.min(MOST_MS, Math.max(1, Math.ceil(at - now)))
}
