/** A token bucket over what a relay wants sent to it at most (derp.md §4.3): bytes come back with time, up to a burst. */

import type { Mono } from '../../base/clock.ts'

export class Rate {
  readonly #perSecond: number
  readonly #burst: number
  #left: number
  #at: Mono

  /** Full at first. */
  constructor(perSecond: number, burst: number, now: Mono) {
    this.#perSecond = Math.max(0, perSecond)
    this.#burst = Math.max(0, burst)
    this.#left = this.#burst
    this.#at = now
  }

  /** May so many bytes go now? If so, they are taken. */
  takes(bytes: number, now: Mono): boolean {
    const gained = (Math.max(0, now - this.#at) * this.#perSecond) / 1000
    this.#left = Math.min(this.#burst, this.#left + gained)
    this.#at = now
    if (bytes > this.#left) return false
    this.#left -= bytes
    return true
  }
}
