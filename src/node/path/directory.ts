/**
 * Who the peers are and which disco key speaks for whom; several nodes may share one. (disco.md §1, §7)
 *
 * A peer that was started again may say its new disco key itself, before the network map does: until the map says
 * something new, the peer's own word stands.
 */

import type { DiscoKey, NodeKey } from '../../base/keys.ts'
import type { Peer } from './peer.ts'

export interface Entered {
  readonly peer: Peer
  /** The map says that the peer was started again, which we did not know. */
  readonly restarted: boolean
  /** The disco key that nobody speaks with any more, if there is one. */
  readonly orphan: DiscoKey | undefined
}

export class Directory {
  readonly #peers = new Map<NodeKey, Peer>()
  readonly #byDisco = new Map<DiscoKey, readonly NodeKey[]>()
  /** What the map says where peers said otherwise since. */
  readonly #overruled = new Map<NodeKey, DiscoKey | undefined>()

  get size(): number {
    return this.#peers.size
  }

  get(key: NodeKey): Peer | undefined {
    return this.#peers.get(key)
  }

  /** The nodes that speak with this disco key. */
  withDisco(key: DiscoKey): readonly NodeKey[] {
    return this.#byDisco.get(key) ?? []
  }

  /** The map's word on a peer. */
  enter(said: Peer): Entered {
    const before = this.#peers.get(said.key)
    const isOldNews = this.#overruled.has(said.key) && this.#overruled.get(said.key) === said.disco
    const peer = isOldNews && before?.disco !== undefined ? { ...said, disco: before.disco } : said
    if (!isOldNews) this.#overruled.delete(said.key)
    const restarted = before?.disco !== undefined && peer.disco !== undefined && before.disco !== peer.disco
    return { peer, restarted, orphan: this.#put(peer, before) }
  }

  /** A peer's own word on its disco key; `undefined` when that is not new, or no peer's. */
  learn(key: NodeKey, disco: DiscoKey): Entered | undefined {
    const before = this.#peers.get(key)
    if (before === undefined || before.disco === disco) return undefined
    if (!this.#overruled.has(key)) this.#overruled.set(key, before.disco)
    const peer = { ...before, disco }
    return { peer, restarted: false, orphan: this.#put(peer, before) }
  }

  /** Gives the disco key that nobody speaks with any more, if there is one. */
  delete(key: NodeKey): DiscoKey | undefined {
    const peer = this.#peers.get(key)
    this.#overruled.delete(key)
    this.#peers.delete(key)
    return peer && this.#unlink(peer)
  }

  #put(peer: Peer, before: Peer | undefined): DiscoKey | undefined {
    this.#peers.set(peer.key, peer)
    if (before !== undefined && before.disco === peer.disco) return undefined
    const orphan = before && this.#unlink(before)
    if (peer.disco !== undefined) this.#byDisco.set(peer.disco, [...this.withDisco(peer.disco), peer.key])
    return orphan
  }

  #unlink({ key, disco }: Peer): DiscoKey | undefined {
    if (disco === undefined) return undefined
    const rest = this.withDisco(disco).filter((other) => other !== key)
    if (rest.length > 0) this.#byDisco.set(disco, rest)
    else this.#byDisco.delete(disco)
    return rest.length > 0 ? undefined : disco
  }
}
