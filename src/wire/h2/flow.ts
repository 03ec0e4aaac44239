/** Flow-control arithmetic. Sending windows are plain numbers; receiving ones know what they owe. (RFC 9113 §5.2, §6.9) */

import { MAX_31 } from './codes.ts'

/** A sending window after an increment or a change of the initial size; `undefined` when it outgrows 2^31-1. */
export function widen(window: number, by: number): number | undefined {
  return window + by > MAX_31 ? undefined : window + by
}

/** What a peer may still send, and what it may have back once the data is used. */
export class ReceiveWindow {
  readonly #size: number
  #left: number
  #owed = 0

  constructor(size: number) {
    this.#size = size
    this.#left = size
  }

  /** Takes arrived bytes; false when the peer sent more than it may. */
  take(bytes: number): boolean {
    if (bytes > this.#left) return false
    this.#left -= bytes
    return true
  }

  /** Gives used bytes back; the increment to announce now, or 0 while it is not yet worth a frame. */
  give(bytes: number): number {
    this.#owed += bytes
    if (this.#owed * 2 < this.#size) return 0
    const increment = this.#owed
    this.#left += increment
    this.#owed = 0
    return increment
  }
}
