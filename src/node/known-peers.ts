/**
 * The peers of the map, by all that they are known by: the map's ID, their key, and the number that the data plane has
 * for them. Numbers are never given to two.
 */

import type { NodeKey } from '../base/keys.ts'
import type { MapNode } from '../wire/map-node.ts'

export interface Known {
  readonly number: number
  readonly key: NodeKey
  readonly node: MapNode
}

export class KnownPeers {
  readonly #byId = new Map<number, Known>()
  readonly #byKey = new Map<NodeKey, Known>()
  readonly #byNumber = new Map<number, Known>()
  #numbers = 0

  get all(): Iterable<Known> {
    return this.#byId.values()
  }

  withId(id: number): Known | undefined {
    return this.#byId.get(id)
  }

  withKey(key: NodeKey): Known | undefined {
    return this.#byKey.get(key)
  }

  withNumber(number: number): Known | undefined {
    return this.#byNumber.get(number)
  }

  /** The peer that is at this address, as it says itself. */
  at(endpoint: string): Known | undefined {
    for (const known of this.#byId.values()) if (known.node.Endpoints?.includes(endpoint)) return known
    return undefined
  }

  /** A peer, new or changed; one with another key was removed before. */
  put(id: number, node: MapNode): Known {
    const known = { number: this.#byId.get(id)?.number ?? ++this.#numbers, key: node.Key, node }
    this.#byId.set(id, known)
    this.#byKey.set(known.key, known)
    this.#byNumber.set(known.number, known)
    return known
  }

  remove(id: number): void {
    const known = this.#byId.get(id)
    if (known === undefined) return
    this.#byId.delete(id)
    this.#byKey.delete(known.key)
    this.#byNumber.delete(known.number)
  }
}
