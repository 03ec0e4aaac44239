/**
 * Calls the core when something is due: at the end of the turn in which it asked, and when its deadline comes. There
 * is one timer, and none while there is nothing to wait for.
 */

import type { Mono } from '../../base/clock.ts'

export interface Ticking {
  tick(now: Mono): void
  deadline(now: Mono): Mono
}

/** Timers in Node hold 31 bits of milliseconds; whoever waits longer is looked at once an hour. */
const LONGEST_MS = 3_600_000

export class Ticker {
  readonly #mono: () => Mono
  readonly #core: () => Ticking | undefined
  #immediate: NodeJS.Immediate | undefined
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  /** @param core may come into being later than whoever wakes it */
  constructor(mono: () => Mono, core: () => Ticking | undefined) {
    this.#mono = mono
    this.#core = core
  }

  /**
   * Asks for a tick behind everything that has arrived by now. What one poll of the network brought is thus
   * taken in whole, and told to the others once.
   */
  readonly wake = (): void => {
    if (this.#immediate === undefined && !this.#stopped) this.#immediate = setImmediate(() => this.#tick())
  }

  #tick(): void {
    this.#immediate = undefined
    clearTimeout(this.#timer)
    this.#timer = undefined
    const core = this.#core()
    if (core === undefined || this.#stopped) return
    core.tick(this.#mono())
    const now = this.#mono()
    const due = core.deadline(now)
    if (due !== Infinity) this.#timer = setTimeout(this.wake, Math.min(LONGEST_MS, Math.max(1, due - now)))
  }

  stop(): void {
    this.#stopped = true
    clearImmediate(this.#immediate)
    clearTimeout(this.#timer)
  }
}
