/**
 * When a certificate is asked for: at once when there is none, when two thirds of its life are over, and after a
 * failure later and later. Pure: it is asked with both clocks, and says what is due; asking is done by others.
 *
 * The life of a certificate is a matter of the calendar, waiting after a failure one of the clock that never jumps.
 */

import type { Dice } from '../../base/bytes.ts'
import { DAY_MS, HOUR_MS, later, MINUTE_MS, SECOND_MS } from '../../base/clock.ts'
import type { Mono, Wall } from '../../base/clock.ts'

/** From when to when a certificate is good. */
export interface Validity {
  readonly from: Wall
  readonly until: Wall
}

/**
 * Waits after the first, second, … failure in a row; the last one stands for all later ones. Let's Encrypt bears five
 * failed proofs of one name an hour, and these are four. The second comes soon, since it tries the other way to prove
 * the name.
 */
const PAUSES_MS = [15 * SECOND_MS, 4 * MINUTE_MS, 16 * MINUTE_MS, HOUR_MS, 4 * HOUR_MS, 6 * HOUR_MS] as const
/** Servers that failed together should not come back together. */
const JITTER = 0.25
/** An authority may ask for a longer wait; whatever it says, it is asked again after a day. */
const LONGEST_MS = DAY_MS

/** When a certificate is to be renewed: a third of its life is left for failures. */
export function renewalOf({ from, until }: Validity): Wall {
  return later(from, ((until - from) * 2) / 3)
}

export class Schedule {
  readonly #dice: Dice
  #renewAt: Wall
  #pausedUntil = -Infinity as Mono
  #failures = 0
  #isAsking = false

  /** @param held What there is already; `undefined`: nothing, or nothing that should be kept */
  constructor(dice: Dice, held: Validity | undefined) {
    this.#dice = dice
    this.#renewAt = held === undefined ? (-Infinity as Wall) : renewalOf(held)
  }

  /** Failures since the last success. */
  get failures(): number {
    return this.#failures
  }

  /** Is it time to ask? Then it counts as being asked until `succeeded` or `failed`. */
  begins(now: Mono, wall: Wall): boolean {
    if (this.#isAsking || now < this.#pausedUntil || wall < this.#renewAt) return false
    this.#isAsking = true
    return true
  }

  /** Milliseconds until `begins` may say yes; `Infinity` while somebody asks. */
  waitMs(now: Mono, wall: Wall): number {
    if (this.#isAsking) return Infinity
    return Math.max(0, this.#pausedUntil - now, this.#renewAt - wall)
  }

  succeeded(fresh: Validity, now: Mono): void {
    this.#isAsking = false
    this.#failures = 0
    this.#renewAt = renewalOf(fresh)
    // Where our own calendar is wrong, a new certificate looks old: it is not asked for again at once.
    this.#pausedUntil = later(now, (fresh.until - fresh.from) / 10)
  }

  /** @param retryAfterMs What the authority asks for, if it does. Gives the wait. */
  failed(now: Mono, retryAfterMs: number | undefined): number {
    this.#isAsking = false
    const pause = PAUSES_MS[Math.min(this.#failures, PAUSES_MS.length - 1)] as number
    this.#failures++
    const waits = Math.max(this.#vary(pause), Math.min(retryAfterMs ?? 0, LONGEST_MS))
    this.#pausedUntil = later(now, waits)
    return waits
  }

  /** A quarter more or less. */
  #vary(ms: number): number {
    const [high = 0, low = 0] = this.#dice(2)
    return ms * (1 - JITTER + ((high * 256 + low) / 65_535) * 2 * JITTER)
  }
}
