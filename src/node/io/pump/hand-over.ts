/**
 * What a pump hands to the engine, as much as may wait there: under a flood of strangers the engine gets what it can
 * work off, and memory stays flat.
 */

import type { DropCounts } from '../../data-path.ts'
import type { FromPump } from './messages.ts'
import { Words } from './messages.ts'

/** Messages of one pump that wait at most. */
export const WAITING_MOST = 512

export class HandOver {
  readonly #words: Int32Array
  readonly #post: (message: FromPump) => void
  readonly #drops: DropCounts

  constructor(words: SharedArrayBuffer, post: (message: FromPump) => void, drops: DropCounts) {
    this.#words = new Int32Array(words)
    this.#post = post
    this.#drops = drops
  }

  /** Is there place for one more? */
  get hasRoom(): boolean {
    return Atomics.load(this.#words, Words.waiting) < WAITING_MOST
  }

  /** Hands a message over, or drops it and counts that. It is made only when there is place. */
  give(make: () => FromPump, packets = 1): void {
    if (!this.hasRoom) return this.#drops.add('engine-busy', packets)
    Atomics.add(this.#words, Words.waiting, 1)
    this.#post(make())
  }
}

/** The engine has taken one. */
export function taken(words: Int32Array): void {
  Atomics.sub(words, Words.waiting, 1)
}
