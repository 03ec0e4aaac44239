/**
 * Whom we owe a call-me-maybe, and what it says: our endpoints, no older than 27 s. (disco.md §5.4)
 *
 * With older ones, a call waits until they have been found again.
 */

import type { Mono } from '../../base/clock.ts'
import type { Endpoint } from './endpoint.ts'
import { FRESH_ENDPOINTS_MS } from './timing.ts'

const NEVER_YET = -Infinity as Mono

export class Calls<Peer> {
  #own: readonly Endpoint[] = []
  #foundAt = NEVER_YET
  #asked = false
  readonly #waiting = new Set<Peer>()

  /** What to tell the peer now; `undefined` when the call has to wait. */
  endpointsFor(peer: Peer, now: Mono): readonly Endpoint[] | undefined {
    if (now - this.#foundAt < FRESH_ENDPOINTS_MS) return this.#own
    this.#waiting.add(peer)
    return undefined
  }

  /** Should endpoints be found again? True once for all calls that wait. */
  wantsRefresh(): boolean {
    if (this.#asked || this.#waiting.size === 0) return false
    this.#asked = true
    return true
  }

  /** Endpoints were found. Gives the peers that waited. */
  found(own: readonly Endpoint[], now: Mono): Peer[] {
    this.#own = own
    this.#foundAt = now
    this.#asked = false
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    return waiting
  }

  /** What we know of ourselves is no longer so. */
  expire(): void {
    this.#foundAt = NEVER_YET
    this.#asked = false
  }

  forget(peer: Peer): void {
    this.#waiting.delete(peer)
  }
}
