/** What path finding asks of the shell around it. */

import type { NodeKey } from '../../base/keys.ts'
import type { Endpoint } from './endpoint.ts'
import type { Route } from './route.ts'

export type PathAction =
  | { readonly kind: 'send-udp'; readonly to: Endpoint; readonly bytes: Uint8Array }
  | { readonly kind: 'send-relay'; readonly region: number; readonly to: NodeKey; readonly bytes: Uint8Array }
  /** From now on packets for this peer go so. */
  | { readonly kind: 'route'; readonly peer: NodeKey; readonly route: Route }
  /** Our endpoints are older than a peer should be told: find them again, then setOwnEndpoints(). */
  | { readonly kind: 'refresh-endpoints' }
  /** The machine refuses to send: open the sockets anew. */
  | { readonly kind: 'rebind' }
  /** The peer's program was started again: its WireGuard session is gone (disco.md §7.3). */
  | { readonly kind: 'reset-session'; readonly peer: NodeKey }
  /** The answer to ping(): over which way, or none within 5 s. */
  | {
      readonly kind: 'ping-answered'
      readonly asked: string
      readonly peer: NodeKey
      readonly latencyMs: number
      readonly via: { readonly endpoint: Endpoint } | { readonly region: number }
    }
  | { readonly kind: 'ping-unanswered'; readonly asked: string; readonly peer: NodeKey }

export const NOTHING: readonly PathAction[] = Object.freeze([])
