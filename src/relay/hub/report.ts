/** What can be said of the connections at one moment: gauges, and a line for each peer. Reads, changes nothing. */

import type { Mono } from '../../base/clock.ts'
import type { NodeKey } from '../../base/keys.ts'
import type { HubMetrics } from './metrics.ts'
import type { Conn, Entry } from './peer.ts'

/** One connection. Counts are since it was opened; whoever reads twice has rates. */
export interface PeerReport {
  readonly key: NodeKey
  readonly realm: string
  readonly since: Mono
  readonly home: boolean
  /** Does this one of the key's connections receive its traffic? */
  readonly active: boolean
  readonly bytesReceived: number
  readonly bytesSent: number
  readonly packetsReceived: number
  readonly packetsSent: number
}

export function reportPeers(entries: Iterable<Entry>): PeerReport[] {
  const report: PeerReport[] = []
  for (const entry of entries)
    for (const conn of entry.conns)
      report.push({
        key: entry.key,
        realm: entry.realm,
        since: conn.since,
        home: conn.home,
        active: entry.active === conn,
        bytesReceived: conn.bytesReceived,
        bytesSent: conn.bytesSent,
        packetsReceived: conn.packetsReceived,
        packetsSent: conn.packetsSent,
      })
  return report
}

type ConnectionGauges = Pick<
  HubMetrics,
  | 'gauge_current_connections'
  | 'gauge_current_home_connections'
  | 'gauge_current_notideal_connections'
  | 'gauge_current_dup_client_keys'
  | 'gauge_current_dup_client_conns'
>

export function countConnections(conns: Iterable<Conn>, entries: Iterable<Entry>): ConnectionGauges {
  const open = [...conns].filter((conn) => conn.state === 'open')
  const shared = [...entries].filter((entry) => entry.conns.size > 1)
  return {
    gauge_current_connections: open.length,
    gauge_current_home_connections: open.filter((conn) => conn.home).length,
    gauge_current_notideal_connections: open.filter((conn) => conn.notIdeal).length,
    gauge_current_dup_client_keys: shared.length,
    gauge_current_dup_client_conns: shared.reduce((sum, entry) => sum + entry.conns.size, 0),
  }
}
