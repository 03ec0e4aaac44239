/**
 * Notices that the address in use has died, while packets go there.
 *
 * A path that carries traffic is pinged every LIVE_MS. A ping that stays unanswered is repeated quickly; three that stay
 * unanswered, or nothing for LIMIT_MS, and the path is lost: at the latest some 0.75 s after its last good moment, when round
 * trips are shorter than 0.1 s. One lost ping on a lossy line changes nothing.
 *
 * A congested line delays pongs. While packets of the peer still come in by this path only LIMIT_MS counts; that alone is
 * no proof, since a firewall may close one direction. What follows from a loss is peer-path.ts.
 */

import { NEVER } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'

export const LIVE_MS = 300
const RETRY_MS = 50
const LIMIT_MS = 450
/** Part of what a pong may take beyond round trips seen so far: threads that share a core keep each other waiting. */
const SLACK_MS = 150
const HEARD_MS = 200
const ENOUGH = 3
const ROUND_TRIPS = 8

export class Liveness {
  /** When the pings were sent that wait for an answer, oldest first. */
  #waiting: Mono[] = []
  #roundTrips: number[] = []

  pinged(at: Mono): void {
    this.#waiting.push(at)
  }

  /** An answer to a ping makes those before it moot. */
  answered(sentAt: Mono, roundTripMs: number): void {
    this.#waiting = this.#waiting.filter((at) => at > sentAt)
    this.#roundTrips = [...this.#roundTrips.slice(1 - ROUND_TRIPS), roundTripMs]
  }

  /** For another path, or one that begins anew. */
  reset(): void {
    this.#waiting = []
    this.#roundTrips = []
  }

  /** @param heardAt when a packet of the peer last came in by this path */
  check(now: Mono, heardAt: Mono): 'fine' | 'retry' | 'lost' {
    const last = this.#waiting.at(-1)
    if (last === undefined || now < this.nextAt(heardAt)) return 'fine'
    if (now >= this.#lostAt(heardAt) && now >= last + RETRY_MS && this.#waiting.length > 1) return 'lost'
    // A program that slept past all limits asks once more before it believes them.
    return this.#waiting.length < ENOUGH ? 'retry' : 'fine'
  }

  /** When check() next has something to say. */
  nextAt(heardAt: Mono): Mono {
    const [first, second] = this.#waiting
    if (first === undefined) return NEVER
    if (second === undefined) return (first + this.#graceMs()) as Mono
    const lost = Math.max(this.#lostAt(heardAt), (this.#waiting.at(-1) as Mono) + RETRY_MS)
    if (this.#waiting.length < ENOUGH) return Math.min(second + RETRY_MS, lost) as Mono
    return lost as Mono
  }

  #lostAt(heardAt: Mono): Mono {
    const grace = this.#graceMs()
    // The repeated ping gets the time to be answered, however long the way.
    const limit = (this.#waiting[0] as Mono) + Math.max(LIMIT_MS, grace + this.#longestMs() + RETRY_MS)
    const third = this.#waiting[ENOUGH - 1]
    if (third === undefined) return limit as Mono
    return Math.min(limit, Math.max(third + grace, heardAt + HEARD_MS)) as Mono
  }

  /** How long a pong may take before it is missed. */
  #graceMs(): number {
    return SLACK_MS + 1.2 * this.#longestMs()
  }

  #longestMs(): number {
    return Math.max(0, ...this.#roundTrips)
  }
}
