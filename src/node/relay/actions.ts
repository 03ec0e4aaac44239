/** The words between the relay connections and their shell: what it wants done, how a region stands, what was dropped. */

import type { Bytes } from '../../base/bytes.ts'
import type { Mono } from '../../base/clock.ts'
import type { NodeKey } from '../../base/keys.ts'
import type { RelayTarget } from './targets.ts'

export type RelayAction =
  /**
   * Open a TCP connection, both families in a race, and TLS on it. Tell `opened` when TCP stands, `secured` when the
   * certificate is as `target.tls` wants it, `received` for what comes, `closed` when it failed or ended. A relay's
   * socket must bypass the tunnel (node.md §4.2).
   */
  | {
      readonly kind: 'dial'
      readonly conn: number
      readonly region: number
      readonly target: RelayTarget
      /** How long IPv4 lets IPv6 go first. */
      readonly ipv4DelayMs: number
    }
  /** When the socket takes no more for now, tell `blocked`, and `drained` when it does again. */
  | { readonly kind: 'send'; readonly conn: number; readonly bytes: Bytes }
  /** `closed` need not be told any more. */
  | { readonly kind: 'close'; readonly conn: number }
  /** `bytes` is a view into what was received: keeping it keeps the whole chunk. */
  | { readonly kind: 'packet'; readonly region: number; readonly from: NodeKey; readonly bytes: Bytes }
  /** The relay has no connection of this peer any more, or never had one. */
  | {
      readonly kind: 'peer-gone'
      readonly region: number
      readonly peer: NodeKey
      readonly why: 'disconnected' | 'not here'
    }
  /** How the region stands has changed. From `connected` to `waiting` is when own endpoints should be found again. */
  | { readonly kind: 'state'; readonly region: number; readonly state: RelayState }
  /** The home region is not in the DERP map any more: choose another, then setHome(). */
  | { readonly kind: 'home-lost'; readonly region: number }

export const NOTHING: readonly RelayAction[] = Object.freeze([])

export type RelayPhase =
  /** No connection, and no need of one. */
  | 'closed'
  | 'connecting'
  /** The relay has proved its key and taken ours. */
  | 'connected'
  /** The last connection failed; the next try comes by itself. */
  | 'waiting'

export interface RelayState {
  readonly phase: RelayPhase
  /** Name of the node spoken with, while there is one. */
  readonly node?: string
  /** What the relay says is wrong with itself; printable, shortened. */
  readonly problem?: string
  /** With `waiting`: why the connection failed. */
  readonly why?: string
  /** With `waiting`: the relay had said that it would restart, so this is no fault. */
  readonly restarting?: true
}

/** Why a packet was not sent. */
export type RelayDrop =
  | 'no such region'
  | 'too long'
  /** Fresher ones came while the relay did not take any. */
  | 'queue full'
  /** It has waited until nobody needs it. */
  | 'too old'
  /** The relay wants its clients to send no more. */
  | 'rate'
  /** The region was given up. */
  | 'closed'

/** What went through a region since the start: packets and their bytes, without keys and frames. */
export interface RelayCounters {
  readonly sentPackets: number
  readonly sentBytes: number
  readonly receivedPackets: number
  readonly receivedBytes: number
  /** How often the relay was reached, and how often that failed or broke off. */
  readonly connects: number
  readonly failures: number
  readonly drops: ReadonlyMap<RelayDrop, number>
}

/** What is known of one region. */
export interface RelayReport {
  readonly state: RelayState
  readonly counters: RelayCounters
  /** When a frame last came from its relay. */
  readonly heardAt?: Mono
  /** Round trip of the last ping over the connection. */
  readonly latencyMs?: number
}
