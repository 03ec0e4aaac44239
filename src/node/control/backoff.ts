/** How long to wait before trying again: n² × 10 ms × [0.5, 1.5), 30 s at most (control.md §5.3). */

import type { Dice } from '../../base/bytes.ts'
import { later } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'

const UNIT_MS = 10
export const BACKOFF_MAX_MS = 30_000

/** A number in [0, 1) from dice. */
export function fraction(dice: Dice): number {
  return new DataView(dice(4).buffer).getUint32(0) / 2 ** 32
}

export class Backoff {
  readonly #dice: Dice
  #failures = 0
  #until = 0 as Mono

  constructor(dice: Dice) {
    this.#dice = dice
  }

  get until(): Mono {
    return this.#until
  }

  get failures(): number {
    return this.#failures
  }

  isOver(now: Mono): boolean {
    return now >= this.#until
  }

  fail(now: Mono): void {
    this.#failures++
    const ms = this.#failures ** 2 * UNIT_MS * (0.5 + fraction(this.#dice))
    this.waitUntil(later(now, Math.min(ms, BACKOFF_MAX_MS)))
  }

  /** Somebody else says how long. */
  waitUntil(until: Mono): void {
    this.#until = until
  }

  /** It worked, or things are not as they were: the next try is the first. */
  reset(): void {
    this.#failures = 0
    this.#until = 0 as Mono
  }
}
