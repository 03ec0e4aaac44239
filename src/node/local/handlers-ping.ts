/** `ping` of the local API: one answer for each request, whatever came of it (node.md §9.1, PingResult). */

import { formatIp, parseIp, unmapIp } from '../../base/ip.ts'
import { PING_TYPES } from './backend.ts'
import type { PingOutcome } from './backend.ts'
import { json, refusal } from './exchange.ts'
import type { Handler } from './exchange.ts'

/** Longest that fits into a packet, and more than anybody needs. */
const SIZE_MAX = 65_535

export const ping: Handler = async ({ backend, request }) => {
  const asked = request.query.get('ip') ?? ''
  if (asked === '') return refusal(400, "missing 'ip' parameter")
  const parsed = parseIp(asked)
  if (parsed === undefined) return refusal(400, 'invalid IP')
  const type = PING_TYPES.find((each) => each === request.query.get('type'))
  // Official daemons leave this question without an answer; a word is kinder.
  if (type === undefined) return refusal(400, `invalid 'type' parameter, want one of ${PING_TYPES.join(', ')}`)
  const size = request.query.get('size') ?? '0'
  if (!/^\d{1,6}$/.test(size) || Number(size) > SIZE_MAX) return refusal(400, "invalid 'size' parameter")
  if (size !== '0' && type !== 'disco') return refusal(400, "'size' parameter is only supported with disco pings")
  const ip = formatIp(unmapIp(parsed))
  return json(pingJson(ip, await backend.ping(ip, type, Number(size), request.signal)))
}

export function pingJson(ip: string, outcome: PingOutcome): object {
  const pong = outcome.kind === 'pong' ? outcome : undefined
  return {
    IP: ip,
    NodeIP: pong?.nodeIp ?? '',
    NodeName: pong?.nodeName ?? '',
    Err: outcome.kind === 'local' ? `${ip} is local Tailscale IP` : outcome.kind === 'failed' ? outcome.why : '',
    // In whole nanoseconds, so that no rest of arithmetic is shown.
    LatencySeconds: Math.round((pong?.latencyMs ?? 0) * 1e6) / 1e9,
    Endpoint: pong?.endpoint ?? '',
    PeerRelay: '',
    DERPRegionID: pong?.relay?.region ?? 0,
    DERPRegionCode: pong?.relay?.code ?? '',
    PeerAPIPort: pong?.peerApiPort,
    PeerAPIURL: pong?.peerApiUrl,
    IsLocalIP: outcome.kind === 'local' ? true : undefined,
  }
}
