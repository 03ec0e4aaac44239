/**
 * The relay connections of a node, as one machine: the DERP map, packets, bytes of sockets and the time come in; what
 * to dial and send, and packets of peers, come out (derp.md §8).
 *
 * Which region is home is chosen elsewhere, as is whether it may move now. How long regions take to answer without UDP
 * has its place here: `report().latencyMs` of a connection is the measure, and a region to be measured is one more
 * reason to open one.
 */

import type { Bytes } from '../../base/bytes.ts'
import type { Mono } from '../../base/clock.ts'
import { rawKey } from '../../base/keys.ts'
import type { NodeKey, PrivateKey } from '../../base/keys.ts'
import type { Primitives } from '../../crypto/primitives.ts'
import { MAX_PACKET_BYTES } from '../../wire/derp/frame.ts'
import type { RelayRegion } from '../../wire/derp-map-reader.ts'
import { NOTHING } from './actions.ts'
import type { RelayAction, RelayDrop, RelayReport } from './actions.ts'
import type { RelayMeta } from './link.ts'
import { RegionClient } from './region.ts'
import type { RegionLinks } from './region.ts'
import { targetsOf } from './targets.ts'

/** Where IPv6 is known to work it goes first, by this lead. */
const IPV4_DELAY_MS = 200

export interface RelayClientsOptions {
  readonly primitives: Primitives
  /** The node's own key, by which peers address it. */
  readonly key: PrivateKey
}

export class RelayClients {
  readonly #primitives: Primitives
  readonly #regions = new Map<number, RegionClient>()
  readonly #conns = new Map<number, RegionClient>()
  readonly #drops = new Map<RelayDrop, number>()
  readonly #links: RegionLinks & { key: PrivateKey; ipv4DelayMs: number }
  #conn = 0
  #home = 0
  #lastTo: NodeKey | undefined
  #lastRaw: Bytes | undefined
  #out: RelayAction[] = []

  constructor({ primitives, key }: RelayClientsOptions) {
    this.#primitives = primitives
    this.#links = {
      primitives: this.#primitives,
      key,
      ipv4DelayMs: 0,
      open: (region) => {
        this.#conns.set(++this.#conn, region)
        return this.#conn
      },
      forget: (conn) => void this.#conns.delete(conn),
      emit: (action) => void this.#out.push(action),
    }
  }

  /** The region whose relay peers reach us at; 0 for none. */
  get home(): number {
    return this.#home
  }

  /** How many connections stand or are being opened. */
  get connections(): number {
    return this.#conns.size
  }

  /** What is known of each region of the map. */
  reports(): Map<number, RelayReport> {
    return new Map([...this.#regions].map(([id, region]) => [id, region.report]))
  }

  /** Packets that no region was there for. */
  get drops(): ReadonlyMap<RelayDrop, number> {
    return this.#drops
  }

  /** The regions of the DERP map, new or changed; without a map there are none. */
  setMap(map: ReadonlyMap<number, RelayRegion> | undefined, now: Mono): readonly RelayAction[] {
    for (const [id, region] of this.#regions) {
      if (map?.has(id) === true) continue
      region.stop(now)
      this.#regions.delete(id)
      if (id !== this.#home) continue
      this.#home = 0
      this.#out.push({ kind: 'home-lost', region: id })
    }
    for (const [id, definition] of map ?? []) {
      const targets = targetsOf(definition)
      const region = this.#regions.get(id)
      if (region !== undefined) region.redefine(targets, now)
      else this.#regions.set(id, new RegionClient(id, targets, this.#links))
    }
    return this.#flush()
  }

  /**
   * Peers are told to reach us at this region's relay; 0 for none. It is connected to from now on, and the relays
   * concerned hear of it. A region that the map does not have is none.
   */
  setHome(id: number, now: Mono): readonly RelayAction[] {
    this.#home = this.#regions.has(id) ? id : 0
    for (const [other, region] of this.#regions) if (other !== this.#home) region.setHome(false, now)
    this.#regions.get(this.#home)?.setHome(true, now)
    return this.#flush()
  }

  /** Does IPv6 reach the internet? Then it is tried first. */
  setIpv6Works(works: boolean): void {
    this.#links.ipv4DelayMs = works ? IPV4_DELAY_MS : 0
  }

  /** The node goes by another key: relays must know it by that one. */
  setKey(key: PrivateKey, now: Mono): readonly RelayAction[] {
    this.#links.key = key
    for (const region of this.#regions.values()) region.renew('the node has a new key', now)
    return this.#flush()
  }

  /**
   * Sends a packet to a peer whose home is `id`: over that region's connection, or where the peer was last heard while
   * that one does not stand. Opens it when there is neither.
   */
  send(id: number, to: NodeKey, packet: Bytes, now: Mono): readonly RelayAction[] {
    if (packet.length > MAX_PACKET_BYTES) return this.#dropped('too long')
    const region = this.#standing(id, to) ?? this.#regions.get(id)
    if (region === undefined) return this.#dropped('no such region')
    if (this.#lastTo !== to) {
      this.#lastTo = to
      this.#lastRaw = rawKey(to)
    }
    region.send(this.#lastRaw as Bytes, packet, now)
    return this.#flush()
  }

  /** Does a connection stand that `send` would use? */
  reaches(id: number, to: NodeKey): boolean {
    return this.#standing(id, to) !== undefined
  }

  /** TCP stands. @param localAddress the socket's own address, where it is known */
  opened(conn: number, localAddress: string | undefined, now: Mono): readonly RelayAction[] {
    this.#conns.get(conn)?.opened(localAddress, now)
    return this.#flush()
  }

  /** TLS stands and the certificate is good. @param meta what the certificates stated, under TLS 1.3 only */
  secured(conn: number, meta: RelayMeta | undefined, now: Mono): readonly RelayAction[] {
    this.#conns.get(conn)?.secured(meta, now)
    return this.#flush()
  }

  received(conn: number, bytes: Bytes, now: Mono): readonly RelayAction[] {
    this.#conns.get(conn)?.received(bytes, now)
    return this.#flush()
  }

  /** The connection failed or ended. */
  closed(conn: number, why: string, now: Mono): readonly RelayAction[] {
    const region = this.#conns.get(conn)
    this.#conns.delete(conn)
    region?.closed(why, now)
    return this.#flush()
  }

  /** The socket takes no more until `drained`. */
  blocked(conn: number, now: Mono): void {
    this.#conns.get(conn)?.blocked(now)
  }

  drained(conn: number, now: Mono): readonly RelayAction[] {
    this.#conns.get(conn)?.drained(now)
    return this.#flush()
  }

  /**
   * Default route, addresses or sockets are others than before (derp.md §8.5).
   *
   * @param isUsable may connections from this local address go on, that is, has the default route's interface it?
   */
  networkChanged(isUsable: (localAddress: string) => boolean, now: Mono): readonly RelayAction[] {
    for (const region of this.#regions.values()) region.networkChanged(isUsable, now)
    return this.#flush()
  }

  /** Closes every connection; the map and home have to be set again. */
  stop(now: Mono): readonly RelayAction[] {
    this.#home = 0
    for (const region of this.#regions.values()) region.stop(now)
    this.#regions.clear()
    return this.#flush()
  }

  tick(now: Mono): readonly RelayAction[] {
    for (const region of this.#regions.values()) if (now >= region.deadline()) region.tick(now)
    return this.#flush()
  }

  /** When tick() next has something to do. */
  deadline(): Mono {
    let first = Infinity
    for (const region of this.#regions.values()) first = Math.min(first, region.deadline())
    return first as Mono
  }

  #standing(id: number, to: NodeKey): RegionClient | undefined {
    const home = this.#regions.get(id)
    return home?.isConnected === true ? home : this.#whereHeard(to)
  }

  #whereHeard(peer: NodeKey): RegionClient | undefined {
    for (const region of this.#conns.values()) if (region.isConnected && region.hasHeard(peer)) return region
    return undefined
  }

  #dropped(why: RelayDrop): readonly RelayAction[] {
    this.#drops.set(why, (this.#drops.get(why) ?? 0) + 1)
    return NOTHING
  }

  #flush(): readonly RelayAction[] {
    if (this.#out.length === 0) return NOTHING
    const out = this.#out
    this.#out = []
    return out
  }
}
