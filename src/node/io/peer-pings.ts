/**
 * Pings of a peer in each of the ways there are, for people (local/handlers-ping.ts) and for the server: disco looks at
 * the path, TSMP at the tunnel, ICMP at the peer's kernel, and `peerapi` at its PeerAPI (node.md §9, §10).
 */

import { formatIp, parseIp, parsePrefix, prefixContains } from '../../base/ip.ts'
import type { Ip } from '../../base/ip.ts'
import type { MapNode } from '../../wire/map-node.ts'
import type { PingResponse } from '../control/pings.ts'
import { displayName, magicDnsSuffix } from '../control/names.ts'
import type { NetworkMap } from '../control/netmap.ts'
import type { PingAnswer } from '../engine.ts'
import { PING_TYPES } from '../local/backend.ts'
import type { PingOutcome, PingType } from '../local/backend.ts'
import { peerApiUrlOf } from '../local/peer-api-urls.ts'
import { addressesOf } from '../local/status.ts'
import type { TunnelKeeper } from './tunnel-keeper.ts'

// As a module it would be read whole, and load fetch and WebSocket with it.
const { request } = process.getBuiltinModule('node:http')

const PEER_API_MS = 10_000

/** What pings need of a node. */
export interface PingingNode {
  readonly netmap: NetworkMap | undefined
  readonly relayMap: NetworkMap['fields']['relays']
  readonly tunnel: Pick<TunnelKeeper, 'tunnel' | 'ping' | 'pingInside'>
}

/**
 * One ping.
 *
 * @param ip canonical text
 * @param size of a disco ping; 0: as small as can be
 * @param hit asks for what is there; for tests
 */
export async function pingPeer(
  node: PingingNode,
  ip: string,
  type: PingType,
  size: number,
  hit = headOf,
): Promise<PingOutcome> {
  const { netmap, tunnel } = node
  const to = parseIp(ip)
  if (netmap === undefined || tunnel.tunnel === undefined) return { kind: 'failed', why: 'not connected to a tailnet' }
  const { self } = netmap.fields
  if (addressesOf(self).includes(ip)) return { kind: 'local' }
  const peer = to && peerAt([...netmap.peers.values()], to)
  if (to === undefined || peer === undefined) return { kind: 'failed', why: 'no matching peer' }
  if (type === 'peerapi') return hitPeerApi(peer, self, ip, hit)
  const answer = await (type === 'disco' ? tunnel.ping(peer.Key, size) : tunnel.pingInside(type, peer.Key, to))
  if (answer === undefined) return { kind: 'failed', why: 'no answer' }
  const nodeName = displayName(peer, magicDnsSuffix(self))
  // Official daemons name the address that was asked, where the question goes there.
  const nodeIp = type === 'disco' ? (addressesOf(peer)[0] ?? '') : ip
  return { kind: 'pong', nodeIp, nodeName, latencyMs: answer.latencyMs, ...wayOf(node, answer) }
}

/** Pings in all ways that the server asks for, side by side; one that fails is not answered (control.md §11.2). */
export function answerServerPing(
  node: PingingNode,
  { ip, types }: { readonly ip: string; readonly types: readonly string[] },
  answer: (response: PingResponse | undefined) => void,
): Promise<void> {
  const known = PING_TYPES.filter((type) => types.includes(type))
  const pings = known.map(async (type) => {
    const outcome = await pingPeer(node, ip, type, 0)
    if (outcome.kind !== 'failed') answer(responseOf(type, ip, outcome))
  })
  return Promise.all(pings).then(() => answer(undefined))
}

function responseOf(type: PingType, ip: string, outcome: Exclude<PingOutcome, { kind: 'failed' }>): PingResponse {
  if (outcome.kind === 'local') return { Type: type, IP: ip, Err: `${ip} is local Tailscale IP`, IsLocalIP: true }
  const { nodeIp, nodeName, latencyMs, endpoint, relay, peerApiPort } = outcome
  return {
    Type: type,
    IP: ip,
    NodeIP: nodeIp,
    NodeName: nodeName,
    LatencySeconds: latencyMs / 1000,
    ...(endpoint === undefined ? {} : { Endpoint: endpoint }),
    ...(relay === undefined ? {} : { DERPRegionID: relay.region, DERPRegionCode: relay.code }),
    ...(peerApiPort === undefined ? {} : { PeerAPIPort: peerApiPort }),
  }
}

function wayOf(node: PingingNode, { via, peerApiPort }: PingAnswer): Partial<PingOutcome & { kind: 'pong' }> {
  const port = peerApiPort === undefined ? {} : { peerApiPort }
  if (via === undefined) return port
  if (!('region' in via)) return { endpoint: via.endpoint, ...port }
  const code = node.relayMap?.regions.get(via.region)?.RegionCode ?? ''
  return { relay: { region: via.region, code }, ...port }
}

/** The peer that has this address, or else the one with the narrowest network that it is in. */
function peerAt(peers: readonly MapNode[], ip: Ip): MapNode | undefined {
  let best: { readonly peer: MapNode; readonly bits: number } | undefined
  for (const peer of peers)
    for (const allowed of peer.AllowedIPs) {
      const prefix = parsePrefix(allowed)
      if (prefix === undefined || !prefixContains(prefix, ip)) continue
      if (best === undefined || prefix.bits > best.bits) best = { peer, bits: prefix.bits }
    }
  return best?.peer ?? peers.find((peer) => addressesOf(peer).includes(formatIp(ip)))
}

async function hitPeerApi(peer: MapNode, self: MapNode, nodeIp: string, hit: typeof headOf): Promise<PingOutcome> {
  const url = peerApiUrlOf(peer, self)
  if (url === undefined) return { kind: 'failed', why: 'no PeerAPI base found for peer' }
  const began = performance.now()
  const why = await hit(url)
  if (why !== undefined) return { kind: 'failed', why }
  return { kind: 'pong', nodeIp, nodeName: peer.Name, latencyMs: performance.now() - began, peerApiUrl: url }
}

/** Asks for the head of a page. Resolves with what is wrong, if anything is. */
export function headOf(url: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const call = request(url, { method: 'HEAD', agent: false, timeout: PEER_API_MS }, (response) => {
      resolve(response.statusCode === 200 ? undefined : `HTTP status ${response.statusCode}`)
      call.destroy()
    })
    call.on('error', (error) => resolve(error.message))
    call.on('timeout', () => call.destroy(new Error('no answer')))
    call.end()
  })
}
