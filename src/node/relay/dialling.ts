/**
 * One attempt to reach a region: its nodes in turn, 1.5 s each for TCP, 10 s for all until the relay is greeted. The
 * first that takes a TCP connection is the attempt's; if it then turns out to be of no use, the next attempt begins
 * with the node behind it. (derp.md §8.3)
 */

import { later, NEVER, SECOND_MS } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'
import type { RelayTarget } from './targets.ts'

const NODE_MS = 1500
export const ATTEMPT_MS = 10 * SECOND_MS

export class Dialling {
  readonly #targets: readonly RelayTarget[]
  readonly #until: Mono
  #index: number
  #tried = 0
  #nodeUntil: Mono = NEVER

  /** @param targets at least one; the attempt begins with the one at `first` */
  constructor(targets: readonly RelayTarget[], first: number, now: Mono) {
    this.#targets = targets
    this.#index = first % targets.length
    this.#until = later(now, ATTEMPT_MS)
  }

  get target(): RelayTarget {
    return this.#targets[this.#index] as RelayTarget
  }

  /** Where the next attempt begins when this one's node was reached, and no good. */
  get behind(): number {
    return (this.#index + 1) % this.#targets.length
  }

  /** A connection to `target` is being opened. */
  begin(now: Mono): void {
    this.#tried++
    this.#nodeUntil = later(now, NODE_MS)
  }

  /** TCP stands. */
  opened(): void {
    this.#nodeUntil = NEVER
  }

  /** TCP did not come about: turns to the next node; false when there is none, or no time for it. */
  next(now: Mono): boolean {
    if (this.#nodeUntil === NEVER || this.#tried >= this.#targets.length || now >= this.#until) return false
    this.#index = this.behind
    return true
  }

  deadline(): Mono {
    return Math.min(this.#nodeUntil, this.#until) as Mono
  }
}
