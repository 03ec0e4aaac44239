/**
 * How long we put up with frames that bring nothing: a bucket that such frames empty and time refills.
 *
 * An honest peer spends a few units a second (pings, settings, a cancelled poll); floods spend thousands.
 */

import type { Mono } from '../../base/clock.ts'

/** What each costs. A reset costs more than a ping: the layer above has already begun to work on the request. */
export const COST = { idleFrame: 1, smallData: 1, smallWindow: 1, refusedStream: 2, reset: 10 } as const

export class Patience {
  readonly #most: number
  readonly #perSecond: number
  #left: number
  #at: Mono | undefined

  constructor(most: number, perSecond: number) {
    this.#most = most
    this.#perSecond = perSecond
    this.#left = most
  }

  /** Lets time pass. */
  refill(now: Mono): void {
    if (this.#at !== undefined && now > this.#at)
      this.#left = Math.min(this.#most, this.#left + ((now - this.#at) / 1000) * this.#perSecond)
    this.#at = now
  }

  /** Pays for a frame; false when patience is at its end. */
  spend(cost: number): boolean {
    this.#left -= cost
    return this.#left >= 0
  }
}
