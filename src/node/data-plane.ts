/**
 * What moves packets, as the engine sees it: it is told how things stand as plain tables, seals and opens by itself,
 * and hands over what is not plain data. Pumps in threads of their own are one, with a plain twin in the main thread
 * (io/pump); a simulated node may have another.
 *
 * Peers are small numbers here: the engine gives each a number of its own, and never the same to two.
 */

import type { Bytes } from '../base/bytes.ts'
import type { AddressPort } from '../base/ip.ts'
import type { FilterTables, RouteTables } from './data-path.ts'
import type { Route } from './path/index.ts'
import type { Source } from './wireguard/actions.ts'
import type { Keypair } from './wireguard/keypairs.ts'
import type { Activity } from './wireguard/sessions.ts'

export interface DataPlane {
  setRoutes(tables: RouteTables): void
  setFilter(tables: FilterTables): void
  /** Flows that went out before no longer count. */
  forgetFlows(): void
  /** The sessions with a peer, as they now are (`DeviceAction` "sessions"). */
  setSessions(peer: number, sending: Keypair | undefined, receiving: readonly Keypair[]): void
  /** Where messages for a peer go from now on. */
  setEndpoint(peer: number, route: Route): void
  removePeer(peer: number): void
  /** Seals a packet with this session and sends it by the peer's route; an empty one is a keepalive. */
  seal(peer: number, keypair: Keypair, packet: Bytes): void
  /** Takes a transport message that a relay brought. */
  receiveRelayed(message: Bytes, region: number): void
  /** Sends bytes as they are. @returns did the kernel take them? */
  sendTo(to: AddressPort, bytes: Bytes): boolean
}

/** Where a message came from. */
export type PlaneSource =
  | { readonly kind: 'direct'; readonly address: AddressPort }
  | { readonly kind: 'relay'; readonly region: number }

/** What went over a session since it was told last (`Device.report`). */
export type PlaneActivity = Omit<Activity<Source>, 'from'>
