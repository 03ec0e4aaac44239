/** Which figures of the listener, the core and the relay `/metrics` shows, and under which names. */

import type { Coord } from '../coord.ts'
import type { Upgrades } from './control/upgrade.ts'
import type { Metrics } from './metrics.ts'
import type { MountedRelay } from './relay-mount.ts'
import type { Certificates } from './tls/certificates.ts'

export function exposeListener(metrics: Metrics, upgrades: Upgrades): void {
  metrics.gauge('sett_control_connections', 'Control connections', () => upgrades.connections)
  metrics.gauge('sett_control_requests', 'Requests under way inside Noise, streams included', () => upgrades.streams)
}

export function exposeCertificate(metrics: Metrics, certificates: Certificates): void {
  const seconds = (ms: number | undefined) => (ms ?? 0) / 1000
  metrics.gauge('sett_certificate_expiry_timestamp_seconds', 'When the certificate ends; 0: there is none yet', () =>
    seconds(certificates.state.until),
  )
  metrics.gauge(
    'sett_certificate_failure_timestamp_seconds',
    'When the certificate could not be replaced; 0: all is well',
    () => seconds(certificates.state.failure?.at),
  )
  metrics.counted(
    'sett_certificate_failures_total',
    'How often the certificate could not be replaced',
    () => certificates.failures,
  )
}

export function exposeCore(metrics: Metrics, coord: Coord): void {
  const { maps } = coord
  metrics.gauge('sett_streams', 'Open map streams', () => maps.open)
  metrics.gauge('sett_stream_queued_bytes', 'Bytes of map streams that clients have not read yet', () => maps.queued)
  metrics.counted('sett_joins_total', 'Registrations that succeeded', () => coord.joins)
  metrics.counted('sett_map_bytes_total', 'Bytes of map messages, compressed', () => maps.counts.mapBytes)
  metrics.countedBy('sett_map_messages_total', 'Map messages by kind', 'kind', () => [
    ['first', maps.counts.firstMaps],
    ['delta', maps.counts.deltas],
    ['keepalive', maps.counts.keepalives],
  ])
}

export function exposeRelay(metrics: Metrics, relay: MountedRelay): void {
  metrics.gauge('sett_relay_connections', 'Relay connections', () => relay.counts().connections)
  metrics.gauge('sett_relay_queued_bytes', 'Bytes waiting in the relay', () => relay.counts().queuedBytes)
  metrics.countedBy('sett_relay_bytes_total', 'Bytes through the relay', 'direction', () => {
    const { bytesReceived, bytesSent } = relay.counts()
    return [
      ['received', bytesReceived],
      ['sent', bytesSent],
    ]
  })
  metrics.countedBy('sett_relay_packets_total', 'Packets through the relay', 'direction', () => {
    const { packetsReceived, packetsSent } = relay.counts()
    return [
      ['received', packetsReceived],
      ['sent', packetsSent],
    ]
  })
  metrics.countedBy('sett_relay_drops_total', 'Packets dropped', 'reason', () => relay.counts().dropped)
  metrics.counted('sett_stun_answers_total', 'STUN requests answered', () => relay.counts().stunAnswers)
}
