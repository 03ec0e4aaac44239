/** The peers of which something is kept: by key, by the indices that stand for their sessions, by what is due first. */

import type { Mono } from '../../base/clock.ts'
import type { NodeKey } from '../../base/keys.ts'
import type { Primitives } from '../../crypto/primitives.ts'
import type { Keypair } from './keypairs.ts'
import type { Peer } from './peer.ts'
import { Schedule } from './schedule.ts'

export class Peers {
  readonly #p: Primitives
  readonly #byKey = new Map<NodeKey, Peer>()
  readonly #byIndex = new Map<number, Peer>()
  readonly #schedule = new Schedule<Peer>()

  constructor(p: Primitives) {
    this.#p = p
  }

  get size(): number {
    return this.#byKey.size
  }

  get(key: NodeKey): Peer | undefined {
    return this.#byKey.get(key)
  }

  all(): readonly Peer[] {
    return [...this.#byKey.values()]
  }

  add(peer: Peer): void {
    this.#byKey.set(peer.key, peer)
    this.#schedule.refresh(peer)
  }

  /** Forgets a peer and all its indices. */
  delete(peer: Peer): void {
    this.#byKey.delete(peer.key)
    this.#schedule.remove(peer)
    if (peer.pending !== undefined) this.#byIndex.delete(peer.pending.localIndex)
    this.release(peer.keypairs.all())
  }

  /** Whose session or initiation this is. */
  atIndex(index: number): Peer | undefined {
    return this.#byIndex.get(index)
  }

  /** A new index for a session of this peer's, by chance: a stranger who could guess it could disturb a handshake. */
  takeIndex(peer: Peer): number {
    for (;;) {
      const bytes = this.#p.random(4)
      const index = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
      if (this.#byIndex.has(index)) continue
      this.#byIndex.set(index, peer)
      return index
    }
  }

  releaseIndex(index: number): void {
    this.#byIndex.delete(index)
  }

  release(ended: readonly Keypair[]): void {
    for (const { localIndex } of ended) this.#byIndex.delete(localIndex)
  }

  /** To be called after anything about a peer changed. */
  refresh(peer: Peer): void {
    this.#schedule.refresh(peer)
  }

  /** One with something due; `refresh` it afterwards, or delete it. */
  takeDue(now: Mono): Peer | undefined {
    return this.#schedule.take(now)
  }

  deadline(): Mono {
    return this.#schedule.deadline()
  }
}
