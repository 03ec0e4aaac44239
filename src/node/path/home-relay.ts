/**
 * Chooses the region whose relay is our home from how long each took to answer. (disco.md §9.5)
 *
 * Moving is costly, since all peers have to learn of it, so a home stays while it is about as good. Measuring is the
 * shell's matter; what to do without any home, and when a change must wait, is derp.md §8.2 and the caller's.
 */

import { MINUTE_MS, SECOND_MS } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'

const HISTORY_MS = 5 * MINUTE_MS + 5 * SECOND_MS
const ACTIVE_MS = 8 * SECOND_MS
const LAST_RESORT_MS = 2 * MINUTE_MS
/** A gain below this is not worth moving. */
const GAIN_MS = 10

export interface RelayReport {
  /** When measuring began. */
  readonly beganAt: Mono
  /** Milliseconds, by region; those that did not answer are left out. */
  readonly latencies: ReadonlyMap<number, number>
  /** When a frame last came from the region's relay. */
  readonly heardAt: ReadonlyMap<number, Mono>
  /** Factors of the DERP map on latencies, by region. */
  readonly scores?: ReadonlyMap<number, number>
  /** The region that somebody wants to be home, if it can be reached. */
  readonly forced?: number
}

export class HomeRelay {
  #home = 0
  #history: { readonly at: Mono; readonly latencies: ReadonlyMap<number, number> }[] = []

  /** The region; 0 for none. */
  get home(): number {
    return this.#home
  }

  /** Takes a report into account and gives the home region, 0 for none. */
  choose(report: RelayReport, now: Mono): number {
    const { latencies } = report
    this.#history = this.#history.filter(({ at }) => now - at <= HISTORY_MS)
    this.#history.push({ at: now, latencies })
    this.#home = this.#chosen(report, now)
    return this.#home
  }

  #chosen(report: RelayReport, now: Mono): number {
    const { latencies, forced = 0 } = report
    const isActive = (region: number): boolean => {
      const heardAt = report.heardAt.get(region)
      return heardAt !== undefined && (heardAt > report.beganAt || now - heardAt < ACTIVE_MS)
    }
    const isAccessible = (region: number): boolean => region !== 0 && (latencies.has(region) || isActive(region))
    if (isAccessible(forced)) return forced

    const score = (region: number): number => {
      const factor = report.scores?.get(region) ?? 1
      return factor > 0 ? factor : 1
    }
    let winner = 0
    let winnersMs = Infinity
    for (const region of [...latencies.keys()].sort((a, b) => a - b)) {
      const ms = this.#bestMs(region) * score(region)
      if (ms < winnersMs) [winner, winnersMs] = [region, ms]
    }
    if (winner === 0) {
      const heardAt = report.heardAt.get(this.#home)
      return heardAt !== undefined && now - heardAt < LAST_RESORT_MS ? this.#home : 0
    }
    if (winner === this.#home || !isAccessible(this.#home)) return winner
    const homeMs = (latencies.get(this.#home) ?? 0) * score(this.#home)
    const stays = homeMs - winnersMs < GAIN_MS || winnersMs > (homeMs / 3) * 2
    return stays ? this.#home : winner
  }

  #bestMs(region: number): number {
    return Math.min(...this.#history.map(({ latencies }) => latencies.get(region) ?? Infinity))
  }
}
