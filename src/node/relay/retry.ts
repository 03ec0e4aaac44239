/**
 * When a relay is dialled again: after n² × 10 ms, at most 5 s, × [0.5, 1.5) (derp.md §2), or as the relay said before
 * it restarted. A connection that opens and breaks at once counts as a failure like any other, whatever came over it:
 * a relay must not be able to have itself dialled without end.
 */

import type { Dice } from '../../base/bytes.ts'
import { later, MINUTE_MS, SECOND_MS } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'

const UNIT_MS = 10
const MOST_MS = 5 * SECOND_MS
/** Only after so long is a connection good. */
const STEADY_MS = 5 * SECOND_MS
/** What a relay says of its restart is believed up to here. */
const RESTART_WAIT_MAX_MS = 30 * SECOND_MS
const RESTART_TRY_MAX_MS = MINUTE_MS
/** While it restarts, it is dialled about this often. */
const RESTART_STEP_MS = 200

export class Retry {
  readonly #dice: Dice
  #failures = 0
  #upAt: Mono | undefined
  #restart: { readonly at: Mono; readonly until: Mono } | undefined

  constructor(dice: Dice) {
    this.#dice = dice
  }

  /** The relay has said that it would restart, and has not come back yet. */
  get isRestarting(): boolean {
    return this.#restart !== undefined
  }

  /** The connection stands. */
  up(now: Mono): void {
    this.#upAt = now
    this.#restart = undefined
  }

  /** The relay asks to be dialled again `inMs` from now, and for `forMs` without growing pauses. */
  restarting(inMs: number, forMs: number, now: Mono): void {
    // Twice as long at most: whoever restarts has all its clients come back.
    const at = later(now, Math.min(inMs, RESTART_WAIT_MAX_MS) * (0.5 + this.#jitter()))
    this.#restart = { at, until: later(at, Math.min(forMs, RESTART_TRY_MAX_MS)) }
  }

  /** It failed, or broke off; gives when to try again. */
  failed(now: Mono): Mono {
    if (this.#upAt !== undefined && now - this.#upAt >= STEADY_MS) this.#failures = 0
    else if (this.#upAt !== undefined) this.#restart = undefined
    this.#upAt = undefined
    this.#failures++
    if (this.#restart !== undefined && now < this.#restart.until)
      return Math.max(this.#restart.at, later(now, RESTART_STEP_MS * this.#jitter())) as Mono
    this.#restart = undefined
    return later(now, Math.min(this.#failures ** 2 * UNIT_MS, MOST_MS) * this.#jitter())
  }

  /** Things are not as they were: the next try is the first. */
  reset(): void {
    this.#failures = 0
    this.#upAt = this.#restart = undefined
  }

  #jitter(): number {
    return 0.5 + new DataView(this.#dice(4).buffer).getUint32(0) / 2 ** 32
  }
}
