/**
 * The peers of a map, and what a message does to them (control.md §5.5, §5.6). A peer is an object that never
 * changes: who is told of a change gets the one before and the one after.
 */

import type { Wall } from '../../base/clock.ts'
import type { MapNode, PeerChange } from '../../wire/map-node.ts'
import type { MapResponse } from '../../wire/map-response.ts'
import { isSame } from './same.ts'

/** One peer before and after a message; absent before: it is new, absent after: it is gone. */
export interface PeerDelta {
  readonly id: number
  readonly was?: MapNode
  readonly now?: MapNode
}

export class Peers {
  #all = new Map<number, MapNode>()
  /** What each peer that the message under way has touched was before. */
  #touched = new Map<number, MapNode | undefined>()

  get all(): ReadonlyMap<number, MapNode> {
    return this.#all
  }

  /** Takes what a message says of peers; gives those that differ now. `wall` stamps peers that were seen. */
  apply(message: MapResponse, wall: Wall): PeerDelta[] {
    this.#touched = new Map()
    if (message.Peers !== undefined && message.Peers.length > 0) this.#replace(message.Peers)
    else this.#amend(message, wall)
    return this.#deltas()
  }

  /** Puts other objects in the place of peers, for whoever derives members. */
  set(peers: readonly MapNode[]): PeerDelta[] {
    this.#touched = new Map()
    for (const peer of peers) this.#put(peer.ID, peer)
    return this.#deltas()
  }

  #replace(peers: readonly MapNode[]): void {
    const before = this.#all
    this.#all = new Map()
    for (const id of before.keys()) this.#touched.set(id, before.get(id))
    for (const peer of peers) {
      this.#touched.set(peer.ID, before.get(peer.ID))
      this.#all.set(peer.ID, peer)
    }
  }

  #amend(message: MapResponse, wall: Wall): void {
    for (const id of message.PeersRemoved ?? []) this.#put(id, undefined)
    for (const peer of message.PeersChanged ?? []) this.#put(peer.ID, upserted(this.#all.get(peer.ID), peer))
    for (const [id, seen] of message.PeerSeenChange ?? []) {
      const peer = this.#all.get(id)
      if (peer === undefined) continue
      const { LastSeen: _, ...rest } = peer
      this.#put(id, seen ? { ...peer, LastSeen: wall } : rest)
    }
    for (const [id, online] of message.OnlineChange ?? []) {
      const peer = this.#all.get(id)
      if (peer !== undefined) this.#put(id, { ...peer, Online: online })
    }
    for (const change of message.PeersChangedPatch ?? []) {
      const peer = this.#all.get(change.NodeID)
      if (peer !== undefined) this.#put(change.NodeID, patched(peer, change))
    }
  }

  #put(id: number, peer: MapNode | undefined): void {
    if (!this.#touched.has(id)) this.#touched.set(id, this.#all.get(id))
    if (peer === undefined) this.#all.delete(id)
    else this.#all.set(id, peer)
  }

  #deltas(): PeerDelta[] {
    const deltas: PeerDelta[] = []
    for (const [id, was] of this.#touched) {
      const now = this.#all.get(id)
      if (isSame(was, now)) {
        // The old object stays, so that whoever holds it need not learn of the new one.
        if (was !== undefined) this.#all.set(id, was)
      } else deltas.push({ id, ...(was === undefined ? {} : { was }), ...(now === undefined ? {} : { now }) })
    }
    this.#touched = new Map()
    return deltas
  }
}

/** A peer after a change of single members. */
function patched(peer: MapNode, change: PeerChange): MapNode {
  // It reports a disco key from before the peer went away, which may be older than one that the peer has told us.
  const isStale =
    change.DiscoKey !== undefined &&
    change.Online === false &&
    change.LastSeen !== undefined &&
    peer.LastSeen !== undefined &&
    change.LastSeen <= peer.LastSeen
  if (isStale) return peer
  const next: { -readonly [K in keyof MapNode]: MapNode[K] } = { ...peer }
  if (change.DERPRegion !== undefined) next.HomeDERP = change.DERPRegion
  if (change.Cap !== undefined) next.Cap = change.Cap
  if (change.CapMap !== undefined) next.CapMap = change.CapMap
  if (change.Endpoints !== undefined) next.Endpoints = change.Endpoints
  if (change.Key !== undefined) next.Key = change.Key
  if (change.KeySignature !== undefined) next.KeySignature = change.KeySignature
  if (change.DiscoKey !== undefined) next.DiscoKey = change.DiscoKey
  if (change.Online !== undefined) next.Online = change.Online
  if (change.LastSeen !== undefined) next.LastSeen = change.LastSeen
  if (change.KeyExpiry === null) delete next.KeyExpiry
  else if (change.KeyExpiry !== undefined) next.KeyExpiry = change.KeyExpiry
  return next
}

/** Members that a patch can say. */
const PATCHABLE = {
  HomeDERP: true,
  Cap: true,
  CapMap: true,
  Endpoints: true,
  Key: true,
  KeySignature: true,
  DiscoKey: true,
  Online: true,
  LastSeen: true,
  KeyExpiry: true,
} as const

/**
 * A peer after the server has told the whole of it. As in official clients a whole peer that differs in nothing but
 * what a patch can say counts as that patch: what a patch can't say stays as it was, such as `Online` or `LastSeen`
 * where one of the two has none. (control.md §5.6)
 */
function upserted(was: MapNode | undefined, now: MapNode): MapNode {
  if (was === undefined || !isSame(unpatchable(was), unpatchable(now))) return now
  const sayOnline = was.Online !== undefined && now.Online !== undefined
  const sayLastSeen = was.LastSeen !== undefined && now.LastSeen !== undefined && was.LastSeen !== now.LastSeen
  return patched(was, {
    NodeID: now.ID,
    ...(now.HomeDERP === undefined ? {} : { DERPRegion: now.HomeDERP }),
    ...(now.Cap === undefined ? {} : { Cap: now.Cap }),
    ...(isSame(was.CapMap ?? NO_CAPABILITIES, now.CapMap ?? NO_CAPABILITIES)
      ? {}
      : { CapMap: now.CapMap ?? NO_CAPABILITIES }),
    ...(now.Endpoints === undefined ? {} : { Endpoints: now.Endpoints }),
    Key: now.Key,
    ...(now.KeySignature === undefined ? {} : { KeySignature: now.KeySignature }),
    ...(now.DiscoKey === undefined || now.DiscoKey === was.DiscoKey ? {} : { DiscoKey: now.DiscoKey }),
    ...(sayOnline ? { Online: now.Online as boolean } : {}),
    ...(sayLastSeen ? { LastSeen: now.LastSeen as Wall } : {}),
    KeyExpiry: now.KeyExpiry ?? null,
  })
}

const NO_CAPABILITIES: ReadonlyMap<string, readonly unknown[]> = new Map()

function unpatchable(peer: MapNode): Record<string, unknown> {
  const rest: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(peer)) if (!(name in PATCHABLE)) rest[name] = value
  return rest
}
