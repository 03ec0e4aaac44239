/**
 * The life of the node's map: restored from disk, begun anew by each stream, changed by messages, kept while the
 * server is away, and gone when the node leaves. Whoever acts on it hears of each change once.
 */

import type { Bytes } from '../../base/bytes.ts'
import type { Wall } from '../../base/clock.ts'
import type { NodeKey } from '../../base/keys.ts'
import type { MapNode } from '../../wire/map-node.ts'
import type { MapResponse } from '../../wire/map-response.ts'
import type { ControlAction, SessionOptions } from './actions.ts'
import { Expiry } from './expiry.ts'
import { MapCache, restoreMap } from './map-cache.ts'
import { differences, NetworkMap } from './netmap.ts'
import type { NetmapChanges } from './netmap.ts'
import type { PeerDelta } from './peers.ts'

type KeeperOptions = Pick<SessionOptions, 'believed' | 'cached' | 'unzstd' | 'zstd'>

export class NetmapKeeper {
  readonly #options: KeeperOptions
  readonly #expiry = new Expiry()
  readonly #cache = new MapCache()
  #map: NetworkMap | undefined
  /** The map is of the stream under way; otherwise the next whole message begins another. */
  #live = false

  constructor(options: KeeperOptions) {
    this.#options = options
  }

  get map(): NetworkMap | undefined {
    return this.#map
  }

  restore(own: NodeKey, wall: Wall): ControlAction[] {
    const { cached, unzstd, believed } = this.#options
    const isWanted = this.#map === undefined && cached !== undefined
    const map = isWanted ? restoreMap(cached, own, unzstd, wall, believed) : undefined
    return map === undefined ? [] : this.#begin(map, wall)
  }

  /** The stream has ended: what comes next is the beginning of another. */
  streamEnded(): void {
    this.#live = false
  }

  /** Takes a message of a stream; the first of one has a node in it. */
  take(said: MapResponse, frame: Bytes, wall: Wall): ControlAction[] {
    const message = this.#options.believed?.(said) ?? said
    if (message.ControlTime !== undefined) this.#expiry.serverTime(message.ControlTime, wall)
    if (message.KeepAlive) return []
    if (!this.#live || this.#map === undefined) {
      this.#live = true
      const map = new NetworkMap(message as MapResponse & { readonly Node: MapNode }, wall)
      return [...this.#begin(map, wall), { kind: 'cache', ...this.#cache.begin(frame) }]
    }
    const map = this.#map
    const changes = map.apply(message, wall)
    const touched: MapNode[] = []
    for (const { now } of changes.peers) if (now !== undefined) touched.push(now)
    const actions = told(combined(changes, this.#marked(this.#expiry.mark(touched, wall))))
    const write = this.#cache.add(frame, map, this.#options.zstd)
    return [...actions, { kind: 'cache', ...write }]
  }

  isSelfExpired(wall: Wall): boolean {
    return this.#map !== undefined && this.#expiry.isOwnExpired(this.#map.fields.self, wall)
  }

  /** Milliseconds until a key is past its time; `Infinity` when none is known to be. */
  dueInMs(wall: Wall): number {
    const self = this.#map?.fields.self.KeyExpiry
    const own = self === undefined ? Infinity : self - this.#expiry.ownTime(wall)
    // One's own key that is past its time is nothing to wait for.
    return Math.min(own > 0 ? own : Infinity, this.#expiry.dueInMs(wall))
  }

  /** Looks at all keys anew. */
  scan(wall: Wall): ControlAction[] {
    if (this.#map === undefined) return []
    return told(this.#marked(this.#expiry.scan(this.#map.peers.values(), wall)))
  }

  forget(): ControlAction[] {
    this.#live = false
    if (this.#map === undefined) return [{ kind: 'cache-gone' }]
    this.#map = undefined
    this.#expiry.reset()
    return [{ kind: 'netmap-gone' }, { kind: 'cache-gone' }]
  }

  #begin(map: NetworkMap, wall: Wall): ControlAction[] {
    const before = this.#map
    this.#expiry.reset()
    map.replacePeers(this.#expiry.scan(map.peers.values(), wall))
    this.#map = map
    return told(differences(before, map))
  }

  #marked(peers: readonly MapNode[]): NetmapChanges {
    return (this.#map as NetworkMap).replacePeers(peers)
  }
}

function told(changes: NetmapChanges): ControlAction[] {
  return changes.parts.size === 0 && changes.peers.length === 0 ? [] : [{ kind: 'netmap-changed', changes }]
}

/** Two changes, one after the other, as one. */
function combined(first: NetmapChanges, second: NetmapChanges): NetmapChanges {
  if (second.peers.length === 0) return first
  const peers = new Map<number, PeerDelta>()
  for (const delta of first.peers) peers.set(delta.id, delta)
  for (const { id, was, now } of second.peers) {
    const before = peers.has(id) ? peers.get(id)?.was : was
    peers.set(id, { id, ...(before === undefined ? {} : { was: before }), ...(now === undefined ? {} : { now }) })
  }
  return { parts: first.parts, peers: [...peers.values()] }
}
