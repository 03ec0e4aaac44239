/** What the engine and its pumps say to each other: plain values, posted between threads. */

import type { Mono } from '../../../base/clock.ts'
import type { FilterTables, RouteTables } from '../../data-path.ts'
import type { Keypair } from '../../wireguard/keypairs.ts'

/** One session. Never log one. */
export interface PostedSession {
  /** Of all sessions that there ever were, in this process. */
  readonly id: number
  readonly keypair: Keypair
  /** What all threads share of it (data-path-session.ts). */
  readonly memory: ArrayBufferLike
}

/** Tables are exchanged as a whole, the rest concerns one peer or packet. Every pump gets what concerns its direction. */
export type ToPump =
  | { readonly kind: 'routes'; readonly tables: RouteTables }
  | { readonly kind: 'filter'; readonly tables: FilterTables }
  | { readonly kind: 'mtu'; readonly mtu: number }
  | { readonly kind: 'sending'; readonly peer: number; readonly session: PostedSession | undefined }
  | { readonly kind: 'receiving'; readonly peer: number; readonly sessions: readonly PostedSession[] }
  /** Where messages for a peer go: to an address of a socket, to the engine for the relay, to both or nowhere. */
  | { readonly kind: 'endpoint'; readonly peer: number; readonly address?: Uint8Array; readonly relay: boolean }
  /** Seal this and send it. */
  | { readonly kind: 'seal'; readonly peer: number; readonly localIndex: number; readonly packet: Uint8Array }
  /** A message that came by a relay, for whoever it is. */
  | { readonly kind: 'open'; readonly message: Uint8Array; readonly region: number }

/** Where a genuine message came from: the address of a socket, encoded, or a relay's region. */
export type HeardFrom = { readonly address: Uint8Array } | { readonly region: number }

export type FromPump =
  /** A packet for a peer with which there is no session. */
  | { readonly kind: 'unsealed'; readonly peer: number; readonly packet: Uint8Array }
  /** A packet to an address of the engine's own. */
  | { readonly kind: 'engine'; readonly packet: Uint8Array }
  /** Sealed messages that are to go by the relay, of `segment` bytes each but for the last, which may be shorter. */
  | { readonly kind: 'relay'; readonly peer: number; readonly messages: Uint8Array; readonly segment: number }
  /** A datagram that is no transport message, and the address that it came from. */
  | { readonly kind: 'stranger'; readonly datagram: Uint8Array; readonly address: Uint8Array }
  /** The same that came by a relay: handed back. */
  | { readonly kind: 'relayed-stranger'; readonly datagram: Uint8Array; readonly region: number }
  /** A packet from a peer that the engine is to see in place of the device (`InboundSink.forEngine`). */
  | { readonly kind: 'for-engine'; readonly peer: number; readonly packet: Uint8Array }
  /** A session was heard of for the first time, or from somewhere else than before. */
  | { readonly kind: 'heard'; readonly localIndex: number; readonly at: Mono; readonly from: HeardFrom }

export interface PumpSocket {
  readonly fd: number
  readonly isV6: boolean
  readonly offloads: boolean
}

/** What a pump works with; the descriptors are the engine's, which closes them after the pumps. A thread has one or two. */
export interface PumpSetup {
  readonly direction: 'to-udp' | 'to-tun'
  /** Its record in each session's memory, and how many there are. */
  readonly thread: number
  readonly threads: number
  readonly tun: { readonly fd: number; readonly offloads: boolean; readonly joinsUdp: boolean }
  readonly sockets: readonly PumpSocket[]
  readonly doorbell: number
  readonly mtu: number
  /** Everything by Node's own cipher. */
  readonly plain: boolean
  readonly shared: PumpMemory
}

/** What a pump shares with the engine. */
export interface PumpMemory {
  /** See `Words`. */
  readonly words: SharedArrayBuffer
  readonly drops: SharedArrayBuffer
  readonly verdicts: SharedArrayBuffer
  /** Of all pumps. */
  readonly flows: SharedArrayBuffer
  readonly jailedFlows: SharedArrayBuffer
}

/** Words that engine and pump share, as signed numbers of 32 bits. */
export const Words = {
  /** How many messages wait for the engine. */
  waiting: 0,
  /** Not 0: the pump is to end. */
  stop: 1,
  /** How many pumps have begun to move packets. */
  running: 2,
  count: 3,
} as const
