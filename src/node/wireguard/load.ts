/**
 * When a responder counts as busy, and how many handshakes one address may then ask for (WireGuard paper §5.3).
 *
 * A handshake costs the responder about four exchanges of keys, some tenths of a millisecond; a stranger who knows our
 * public key can ask for them without end. Below the limit everybody is answered at once.
 */

import { later, SECOND_MS } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'

/** Handshake messages a second that are answered without asking for a cookie: about a tenth of one core. */
export const BUSY_FROM = 250
/** How long "busy" lasts after the last second that was. */
const BUSY_FOR_MS = SECOND_MS

/** Counts handshake messages by the second. */
export class LoadMeter {
  readonly #busyFrom: number
  #since = -Infinity as Mono
  #count = 0
  #busyUntil = -Infinity as Mono

  constructor(busyFrom: number = BUSY_FROM) {
    this.#busyFrom = busyFrom
  }

  /** Counts a message, and says whether there are too many. */
  isBusy(now: Mono): boolean {
    if (now >= later(this.#since, SECOND_MS)) {
      this.#since = now
      this.#count = 0
    }
    this.#count++
    if (this.#count > this.#busyFrom) this.#busyUntil = later(now, BUSY_FOR_MS)
    return now < this.#busyUntil
  }
}

/** What one host may ask for under load: so many handshakes at once, and so many a second. */
const BURST = 5
const MS_PER_HANDSHAKE = 50
/** Hosts remembered at a time. Each has proved its address, so an attacker needs as many addresses to fill this. */
const HOSTS_MOST = 4096

/** A token bucket for every host that asked lately. */
export class HostLimiter {
  /** When the host's bucket will be full again. */
  readonly #fullAt = new Map<string, Mono>()
  #sweptAt = -Infinity as Mono

  /** Takes a token; `false` when the host has none left, or too many hosts are asking. */
  allows(host: string, now: Mono): boolean {
    const fullAt = Math.max(this.#fullAt.get(host) ?? now, now)
    if (fullAt - now > (BURST - 1) * MS_PER_HANDSHAKE) return false
    if (!this.#fullAt.has(host) && this.#fullAt.size >= HOSTS_MOST && !this.#forgetFull(now)) return false
    this.#fullAt.set(host, (fullAt + MS_PER_HANDSHAKE) as Mono)
    return true
  }

  /** Looks through all, so not more often than a bucket gets a token. */
  #forgetFull(now: Mono): boolean {
    if (now < later(this.#sweptAt, MS_PER_HANDSHAKE)) return false
    this.#sweptAt = now
    for (const [host, fullAt] of this.#fullAt) if (fullAt <= now) this.#fullAt.delete(host)
    return this.#fullAt.size < HOSTS_MOST
  }
}
