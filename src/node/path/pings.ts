/** The pings that wait for their pong, by transaction, and when each is given up. (disco.md §5.6) */

import { later, NEVER } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'
import type { Endpoint } from './endpoint.ts'
import { PING_TIMEOUT_MS } from './timing.ts'

/** By UDP to an endpoint, or by relay to a region where the peer is. */
export type PingTarget = { readonly endpoint: Endpoint } | { readonly region: number }

export interface SentPing<Peer> {
  readonly peer: Peer
  readonly to: PingTarget
  readonly at: Mono
  /** Packet size that the ping was padded to; 0 for none. */
  readonly wireMtu: number
  /** The person's question that this ping is part of. */
  readonly asked?: string
}

export class PingBook<Peer> {
  /** In the order they were sent, which is the order they are given up in. */
  readonly #sent = new Map<string, SentPing<Peer>>()

  add(tx: string, ping: SentPing<Peer>): void {
    this.#sent.set(tx, ping)
  }

  /** The ping, if it still waits and `answerer` is who was asked. It waits no longer. */
  take(tx: string, isAnswerer: (peer: Peer) => boolean): SentPing<Peer> | undefined {
    const ping = this.#sent.get(tx)
    if (ping === undefined || !isAnswerer(ping.peer)) return undefined
    this.#sent.delete(tx)
    return ping
  }

  /** Takes out the pings that have waited too long. */
  expired(now: Mono): SentPing<Peer>[] {
    const lost: SentPing<Peer>[] = []
    for (const [tx, ping] of this.#sent) {
      if (now < ping.at + PING_TIMEOUT_MS) break
      this.#sent.delete(tx)
      lost.push(ping)
    }
    return lost
  }

  /** For a new disco key: nobody can answer what was asked under the old one. */
  clear(): void {
    this.#sent.clear()
  }

  deadline(): Mono {
    for (const ping of this.#sent.values()) return later(ping.at, PING_TIMEOUT_MS)
    return NEVER
  }
}
