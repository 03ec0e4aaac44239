/**
 * Which peers have sent something over a connection: where their home's relay is out of reach, an answer goes back the
 * same way (derp.md §8.3). Bounded, since whoever runs a relay can make senders up.
 */

import type { Bytes } from '../../base/bytes.ts'
import { nodeKeyOf } from '../../base/keys.ts'
import type { NodeKey } from '../../base/keys.ts'

const MOST = 16_384

export class Heard {
  readonly #peers = new Set<NodeKey>()
  #lastRaw: Bytes | undefined
  #last: NodeKey | undefined

  /** A packet came from this raw key; gives the key. */
  add(raw: Bytes): NodeKey {
    // Packets come in runs of one sender's: only the first of a run has its key spelt out.
    if (this.#last !== undefined && isSame(this.#lastRaw as Bytes, raw)) return this.#last
    const key = nodeKeyOf(raw)
    this.#lastRaw = raw.slice()
    this.#last = key
    this.#peers.delete(key)
    this.#peers.add(key)
    if (this.#peers.size > MOST)
      for (const oldest of this.#peers) {
        this.#peers.delete(oldest)
        break
      }
    return key
  }

  has(peer: NodeKey): boolean {
    return this.#peers.has(peer)
  }

  delete(peer: NodeKey): void {
    this.#peers.delete(peer)
    this.#last = undefined
  }

  clear(): void {
    this.#peers.clear()
    this.#last = undefined
  }
}

function isSame(a: Bytes, b: Bytes): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
