/**
 * What moves packets, as the engine sees it: it is told how things stand as plain tables, seals and opens by itself,
 * and hands over what is not plain data. Pumps in threads of their own are one; a plain one in the main thread another.
 */

import type { Bytes } from '../base/bytes.ts'
import type { Mono } from '../base/clock.ts'
import type { AddressPort } from '../base/ip.ts'
import type { NodeKey } from '../base/keys.ts'
import type { FilterSet } from './filter/settings.ts'
import type { Route } from './path/index.ts'
import type { Keypair } from './wireguard/keypairs.ts'

/** Where a message came from. */
export type Via = { readonly kind: 'udp'; readonly at: AddressPort } | RelayVia
export interface RelayVia {
  readonly kind: 'relay'
  readonly region: number
  readonly from: NodeKey
}

export interface DataPlane {
  /** The sessions with a peer, as they now are (`DeviceAction` "sessions"). */
  setSessions(peer: NodeKey, sending: Keypair | undefined, receiving: readonly Keypair[]): void
  /** Where packets for a peer go. */
  setRoute(peer: NodeKey, route: Route): void
  /** Which peer each address belongs to. */
  setPeers(peers: readonly PlanePeer[]): void
  /** @param forget flows that went out before no longer count */
  setFilter(filter: FilterSet, forget: boolean): void
  /** Seals a packet of the engine's own with this session and sends it by the peer's route; none is a keepalive. */
  seal(peer: NodeKey, keypair: Keypair, packet: Bytes): void
  /** Opens a transport message that a relay brought. */
  open(message: Bytes, via: RelayVia): void
  /** What went over a session so far; for status. */
  traffic(peer: NodeKey): Traffic | undefined
}

/** A peer whose addresses lead somewhere now (`routes`). */
export interface PlanePeer {
  readonly key: NodeKey
  /** Canonical prefixes. */
  readonly prefixes: readonly string[]
  readonly isJailed: boolean
}

export interface Traffic {
  readonly rxBytes: number
  readonly txBytes: number
  readonly lastSentAt: Mono | undefined
}

/** What the data plane tells the engine. */
export interface PlaneEvents {
  /** A packet from the machine for a peer without a session to send with. */
  unsent(peer: NodeKey, packet: Bytes, now: Mono): void
  /** A datagram that is no transport message of a known session. */
  datagram(from: AddressPort, bytes: Bytes, now: Mono): void
  /** A sealed packet that is to go by relay. */
  byRelay(region: number, to: NodeKey, bytes: Bytes): void
  /** What went over sessions since the last time; at once for the first message over a session. */
  active(reports: readonly PlaneActivity[], now: Mono): void
}

export interface PlaneActivity {
  readonly peer: NodeKey
  readonly localIndex: number
  readonly sentAt?: Mono
  readonly sentDataAt?: Mono
  readonly receivedAt?: Mono
  readonly receivedDataAt?: Mono
  /** Messages sealed with this session in all. */
  readonly sent?: number
  /** Where the last message came from. */
  readonly via?: Via
}
