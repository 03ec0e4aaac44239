/**
 * What of a server's message counts under the ceiling (ceiling.ts). Done where messages enter, so that nobody behind
 * sees what is forbidden: neither what comes over the wire, nor what an earlier run has kept.
 */

import { isExitRoute, isNodePrefix } from '../../base/address-plan.ts'
import { parsePrefix } from '../../base/ip.ts'
import type { MapNode } from '../../wire/map-node.ts'
import type { MapResponse } from '../../wire/map-response.ts'
import { honours } from './ceiling.ts'
import type { Ceiling } from './ceiling.ts'

export function believed(ceiling: Ceiling, message: MapResponse): MapResponse {
  if (ceiling.forbids.size === 0) return message
  const bounded = { ...message }
  const { Node: self, Peers: peers, PeersChanged: changed } = message
  if (self?.CapMap !== undefined)
    bounded.Node = { ...self, CapMap: new Map([...self.CapMap].filter(([name]) => honours(ceiling, name))) }
  if (ceiling.forbids.has('ssh')) delete bounded.SSHPolicy
  if (ceiling.forbids.has('accept-routes')) {
    if (peers !== undefined) bounded.Peers = peers.map(withoutNetworks)
    if (changed !== undefined) bounded.PeersChanged = changed.map(withoutNetworks)
  }
  return bounded
}

/**
 * A peer with nothing behind it, and with no address but those that only nodes have: what a server calls a peer's own
 * may be anybody's.
 */
function withoutNetworks(peer: MapNode): MapNode {
  const counts = (text: string): boolean => {
    const prefix = parsePrefix(text)
    return prefix !== undefined && (isNodePrefix(prefix) || isExitRoute(prefix))
  }
  if (peer.AllowedIPs.every(counts)) return peer
  return { ...peer, AllowedIPs: peer.AllowedIPs.filter(counts), Addresses: peer.Addresses.filter(counts) }
}
