/**
 * The addresses at which a peer may be reached, where we know them from, and when each was last pinged. (disco.md §5.2)
 *
 * A candidate stays while anybody still vouches for it: the network map, the peer's last call-me-maybe, or a ping or a
 * handshake from it within 45 s. Which one is used is peer-path.ts.
 */

import type { Mono } from '../../base/clock.ts'
import { addressOf, isPingable, readEndpoint } from './endpoint.ts'
import type { Endpoint } from './endpoint.ts'
import { SESSION_MS } from './timing.ts'

/** As many as are taken from one call-me-maybe, or one peer could have us ping the whole world. */
export const CALLED_MAX = 64
/** Beyond so many, the oldest that only pings and handshakes vouch for go. */
const MAX = 100
const NEVER_YET = -Infinity as Mono

export interface Candidate {
  readonly endpoint: Endpoint
  inMap: boolean
  called: boolean
  /** When the peer last pinged us from there, or shook hands, and with what ping. */
  heardAt: Mono
  heardTx: string
  pingedAt: Mono
}

export class Candidates {
  readonly #all = new Map<Endpoint, Candidate>()

  get size(): number {
    return this.#all.size
  }

  has(e: Endpoint): boolean {
    return this.#all.has(e)
  }

  /** What the network map says, as text; what can't be read or reached is left out. */
  setFromMap(texts: readonly string[], now: Mono): void {
    this.#vouch(texts.map(readEndpoint), 'inMap', now)
  }

  /** What the peer's call-me-maybe says. Every candidate may be pinged at once again. */
  setCalled(endpoints: readonly Endpoint[], now: Mono): void {
    this.#vouch(endpoints, 'called', now)
    this.resetPings()
  }

  /** A ping came from there. Gives the candidate; `undefined` when this very ping was seen before. */
  heard(e: Endpoint, tx: string, now: Mono): Candidate | undefined {
    const c = this.#entry(e)
    if (c.heardTx === tx) return undefined
    c.heardAt = now
    c.heardTx = tx
    this.#prune(now)
    return c
  }

  /** A handshake message came from there. */
  met(e: Endpoint, now: Mono): void {
    this.#entry(e).heardAt = now
    this.#prune(now)
  }

  /** Those that were not pinged within `spacingMs`; ones that nobody vouches for any more are dropped. */
  due(now: Mono, spacingMs: number): Candidate[] {
    this.#prune(now)
    return [...this.#all.values()].filter((c) => now - c.pingedAt >= spacingMs)
  }

  notePing(e: Endpoint, now: Mono): void {
    const c = this.#all.get(e)
    if (c !== undefined) c.pingedAt = now
  }

  /** Forgets when candidates were pinged: of one, or of all. */
  resetPings(only?: Endpoint): void {
    for (const c of this.#all.values()) if (only === undefined || c.endpoint === only) c.pingedAt = NEVER_YET
  }

  #vouch(endpoints: readonly (Endpoint | undefined)[], by: 'inMap' | 'called', now: Mono): void {
    for (const c of this.#all.values()) c[by] = false
    for (const e of endpoints) if (e !== undefined && isPingable(addressOf(e))) this.#entry(e)[by] = true
    this.#prune(now)
  }

  #entry(endpoint: Endpoint): Candidate {
    let c = this.#all.get(endpoint)
    if (c === undefined) {
      c = { endpoint, inMap: false, called: false, heardAt: NEVER_YET, heardTx: '', pingedAt: NEVER_YET }
      this.#all.set(endpoint, c)
    }
    return c
  }

  #prune(now: Mono): void {
    const learned: Candidate[] = []
    for (const c of this.#all.values()) {
      if (c.inMap || c.called) continue
      if (now - c.heardAt > SESSION_MS) this.#all.delete(c.endpoint)
      else learned.push(c)
    }
    const excess = this.#all.size - MAX
    if (excess <= 0) return
    learned.sort((a, b) => a.heardAt - b.heardAt)
    for (const c of learned.slice(0, excess)) this.#all.delete(c.endpoint)
  }
}
