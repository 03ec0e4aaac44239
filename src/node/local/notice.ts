/** What the notification bus carries, and what a watcher may ask for of it (node.md §9.2). */

import type { MapNode } from '../../wire/map-node.ts'
import type { ClientVersion } from '../../wire/map-response.ts'
import type { HealthState } from './health.ts'
import type { IpnState } from './ipn.ts'
import type { NodeView } from './node-view.ts'
import type { Prefs } from './prefs.ts'

/** Bits of `mask=`. */
export const WATCH = {
  engineUpdates: 1 << 0,
  initialState: 1 << 1,
  initialPrefs: 1 << 2,
  initialNetmap: 1 << 3,
  /** Asks for what is always so: keys are never sent. */
  noPrivateKeys: 1 << 4,
  initialDriveShares: 1 << 5,
  initialOutgoingFiles: 1 << 6,
  initialHealth: 1 << 7,
  rateLimit: 1 << 8,
  healthActions: 1 << 9,
  suggestedExitNode: 1 << 10,
  initialClientVersion: 1 << 11,
  peerChanges: 1 << 12,
  noNetmap: 1 << 13,
  initialStatus: 1 << 14,
  peerPatches: 1 << 15,
  inProcess: 1 << 16,
  policy: 1 << 17,
  wireguardState: 1 << 18,
} as const

/** What has happened; members that are left out have not changed. */
export interface Notice {
  readonly error?: string
  readonly loginFinished?: true
  readonly state?: IpnState
  readonly prefs?: Prefs
  /** This node, as the map has it now. */
  readonly self?: MapNode
  /** Peers that are new or other than they were, and numbers of those that are gone. */
  readonly peersChanged?: readonly MapNode[]
  readonly peersRemoved?: readonly number[]
  /** With peers: what names of the tailnet end with, without dots around it. */
  readonly suffix?: string
  readonly engine?: EngineNotice
  /** A link for a person to open. */
  readonly browseToUrl?: string
  readonly clientVersion?: ClientVersion
  readonly health?: HealthState
}

export interface EngineNotice {
  readonly rxBytes: number
  readonly txBytes: number
  readonly livePeers: number
  readonly liveRelays: number
}

/** What a new watcher may be told of how things stand. */
export interface BusStart {
  readonly view: NodeView
  readonly prefs: Prefs
  readonly health: HealthState
  readonly clientVersion?: ClientVersion
}

export interface WatcherOptions {
  readonly mask: number
  /** 16 hex digits, given out with the first line if that is asked for. */
  readonly sessionId: string
  /** Takes a line with its line feed. `false`: it is not being read, and the watcher is to be dropped. */
  readonly send: (line: string) => boolean
}
