/**
 * What a node counts, as text for Prometheus, under the names that dashboards of official daemons ask for (node.md §9).
 * Ways to peers are told apart as `derp` and `direct`; official daemons tell families apart besides.
 */

export interface UserMetrics {
  readonly advertisedRoutes: number
  readonly approvedRoutes: number
  readonly warnings: number
  /** Region of the home relay; 0: none. */
  readonly homeRelay: number
  readonly received: Traffic
  readonly sent: Traffic
  /** Packets by why they went no further. */
  readonly inboundDrops: ReadonlyMap<string, number>
  readonly outboundDrops: ReadonlyMap<string, number>
}

/** Bytes of packets with peers, in all and those that relays carried. */
export interface Traffic {
  readonly bytes: number
  readonly relayedBytes: number
}

type Row = readonly [labels: string, value: number]

export function userMetricsText(metrics: UserMetrics): string {
  const { received, sent, inboundDrops, outboundDrops } = metrics
  return [
    family('advertised_routes', 'gauge', 'Routes that this node offers', [['', metrics.advertisedRoutes]]),
    family('approved_routes', 'gauge', 'Routes of these that the server has approved', [['', metrics.approvedRoutes]]),
    family('health_messages', 'gauge', 'Warnings that are shown now', [['type="warning"', metrics.warnings]]),
    family('home_derp_region_id', 'gauge', 'Region of the home relay', [['', metrics.homeRelay]]),
    family('inbound_bytes_total', 'counter', 'Bytes received from peers', byPath(received)),
    family('inbound_dropped_packets_total', 'counter', 'Packets from peers that were dropped', byReason(inboundDrops)),
    family('outbound_bytes_total', 'counter', 'Bytes sent to peers', byPath(sent)),
    family('outbound_dropped_packets_total', 'counter', 'Packets for peers that were dropped', byReason(outboundDrops)),
  ].join('')
}

function byPath({ bytes, relayedBytes }: Traffic): Row[] {
  return [
    ['path="derp"', relayedBytes],
    ['path="direct"', Math.max(0, bytes - relayedBytes)],
  ]
}

function byReason(drops: ReadonlyMap<string, number>): Row[] {
  return [...drops].sort(([a], [b]) => (a < b ? -1 : 1)).map(([reason, count]) => [`reason="${reason}"`, count])
}

function family(name: string, type: 'counter' | 'gauge', help: string, rows: readonly Row[]): string {
  const whole = `tailscaled_${name}`
  const lines = rows.map(([labels, value]) => `${whole}${labels === '' ? '' : `{${labels}}`} ${value}\n`)
  return `# TYPE ${whole} ${type}\n# HELP ${whole} ${help}\n${lines.join('')}`
}
