/**
 * What the relay counts, under the names that operators know from the reference. (derp.md §5.8)
 *
 * Drop reasons beyond the reference's: `foreign_realm` (the destination belongs to another tailnet; its sender
 * is told exactly what an unknown key gets), `queue_early` (dropped while there was still room, so that senders
 * slow down), `queue_age` (too old to be of use). `write_error` is missing: packets in a write that fails count as
 * sent, for nobody knows how many of them arrived.
 */

export const DROP_REASONS = [
  'unknown_dest',
  'foreign_realm',
  'gone_disconnected',
  'queue_head',
  'queue_tail',
  'queue_early',
  'queue_age',
  'dup_client',
] as const

export type DropReason = (typeof DROP_REASONS)[number]
export type PacketKind = 'disco' | 'other'

export interface KindCounts {
  disco: number
  other: number
}

/** Counters only ever grow. */
export interface HubCounters {
  accepts: number
  greetings_refused: number
  admissions_refused: number
  bytes_received: number
  bytes_sent: number
  packets_received: number
  packets_sent: number
  got_ping: number
  sent_pong: number
  home_moves_in: number
  home_moves_out: number
  peer_gone_disconnected_frames: number
  peer_gone_not_here_frames: number
  unknown_frames: number
  sclient_write_timeouts: number
  counter_total_dup_client_conns: number
  /** How often a sender was asked to wait for a destination. */
  reads_paused: number
}

export type Drops = Record<DropReason, KindCounts>

export interface HubMetrics {
  readonly counters: Readonly<HubCounters>
  readonly packets_received_kind: Readonly<KindCounts>
  readonly packets_dropped: Readonly<Record<DropReason, Readonly<KindCounts>>>
  readonly bytes_dropped: Readonly<Record<DropReason, Readonly<KindCounts>>>
  readonly gauge_current_connections: number
  readonly gauge_current_home_connections: number
  readonly gauge_current_notideal_connections: number
  readonly gauge_clients_total: number
  readonly gauge_current_dup_client_keys: number
  readonly gauge_current_dup_client_conns: number
  readonly gauge_queued_bytes: number
  /** Exponential average, weight 0.1 for each packet. */
  readonly average_queue_duration_ms: number
}

export function newCounters(): HubCounters {
  return {
    accepts: 0,
    greetings_refused: 0,
    admissions_refused: 0,
    bytes_received: 0,
    bytes_sent: 0,
    packets_received: 0,
    packets_sent: 0,
    got_ping: 0,
    sent_pong: 0,
    home_moves_in: 0,
    home_moves_out: 0,
    peer_gone_disconnected_frames: 0,
    peer_gone_not_here_frames: 0,
    unknown_frames: 0,
    sclient_write_timeouts: 0,
    counter_total_dup_client_conns: 0,
    reads_paused: 0,
  }
}

export function newDrops(): Drops {
  return Object.fromEntries(DROP_REASONS.map((reason) => [reason, { disco: 0, other: 0 }])) as Drops
}

export function copyDrops(drops: Drops): Drops {
  return Object.fromEntries(Object.entries(drops).map(([reason, counts]) => [reason, { ...counts }])) as Drops
}
