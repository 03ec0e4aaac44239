/**
 * What the local API needs to see of a running node, as one value that the engine puts together when asked: status,
 * whois and the notification bus are written from it, and nothing else.
 *
 * The interfaces name only what is read. The map of node/control fits as it stands.
 */

import type { Wall } from '../../base/clock.ts'
import type { LockKey, NodeKey } from '../../base/keys.ts'
import type { RelayRegion } from '../../wire/derp-map-reader.ts'
import type { DnsConfig } from '../../wire/dns-config.ts'
import type { FilterRule } from '../../wire/filter-rule.ts'
import type { CapMap, MapNode } from '../../wire/map-node.ts'
import type { ClientVersion, UserProfile } from '../../wire/map-response.ts'
import type { IpnState } from './ipn.ts'

/** The network map, as far as it is shown. */
export interface NetmapView {
  readonly fields: {
    readonly self: MapNode
    readonly domain: string
    readonly dns: DnsConfig
    readonly filter: readonly FilterRule[] | undefined
    readonly profiles: ReadonlyMap<number, UserProfile>
    readonly collectServices: boolean
  }
  /** By ID. */
  readonly peers: ReadonlyMap<number, MapNode>
}

/** How traffic with one peer stands. Times that are left out never were. */
export interface PeerTraffic {
  /** WireGuard bytes. */
  readonly rxBytes: number
  readonly txBytes: number
  /** The last packet that was sent. */
  readonly lastWrite?: Wall
  readonly lastHandshake?: Wall
  /** `ip:port` of a trusted direct path. */
  readonly direct?: string
  /** A packet was sent in the last 45 s. */
  readonly active: boolean
  /** The path finder knows the peer. */
  readonly inPaths: boolean
  /** WireGuard knows the peer: it has or had a session. */
  readonly inWireguard: boolean
}

export interface NodeView {
  readonly now: Wall
  /** The long text: `1.2.3-…`. */
  readonly version: string
  /** `false` in userspace mode. */
  readonly tun: boolean
  readonly state: IpnState
  readonly hasNodeKey: boolean
  /** A map stream is open. */
  readonly online: boolean
  /** Tailnet-lock key, public. */
  readonly lockKey?: LockKey
  /** A link that waits for a person; empty when none does. */
  readonly authUrl: string
  /** What the machine calls itself, or its owner it: the name in Hostinfo. */
  readonly hostname: string
  /** As Hostinfo has it: `linux`. */
  readonly os: string
  readonly netmap: NetmapView | undefined
  /** The last that were known, also without a map. */
  readonly relays: ReadonlyMap<number, RelayRegion> | undefined
  /** By how much the server has relays count as nearer or farther, by region. */
  readonly relayScores?: ReadonlyMap<number, number>
  /** Region of the home relay; 0: none yet. */
  readonly homeRelay: number
  /** Own endpoints, `ip:port`. */
  readonly endpoints: readonly string[]
  /** Ports of the PeerAPI that is open now, by family; absent: it isn't. */
  readonly peerApi: { readonly v4?: number; readonly v6?: number }
  /** Texts of what is wrong, ready to show (health.ts makes them). */
  readonly health: readonly string[]
  /** ID of the peer in use as exit node. */
  readonly exitNode?: number
  readonly clientVersion?: ClientVersion
  /** `undefined`: nothing is known of traffic with it. */
  traffic(peer: NodeKey): PeerTraffic | undefined
  /** What the filter grants to whoever comes from this address, towards us (node.md §2.4). */
  capabilitiesOf(ip: string): CapMap
}
