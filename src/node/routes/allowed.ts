/**
 * Which of a peer's AllowedIPs count on this node, and why (node.md §3.1). A peer may send from what counts and is
 * sent what goes there; all else that its entry in the map says is passed over.
 *
 * Which of several peers has an address is peer-routes.ts.
 */

import { isExitRoute, isNodePrefix } from '../../base/address-plan.ts'
import { formatPrefix, maskPrefix, parsePrefix } from '../../base/ip.ts'
import type { Prefix } from '../../base/ip.ts'
import type { MapNode } from '../../wire/map-node.ts'

/** What routing asks of a peer's entry in the map. */
export type RoutedPeer = Pick<
  MapNode,
  'ID' | 'Addresses' | 'AllowedIPs' | 'DiscoKey' | 'HomeDERP' | 'Expired' | 'IsWireGuardOnly'
>

/** What the user of this node has chosen. */
export interface RouteChoice {
  /** Preference RouteAll: subnets behind peers are reached through them. */
  readonly acceptsSubnets: boolean
  /** Node ID of the chosen exit node. Absent: none, or none that is in the map. */
  readonly exitNode?: number
}

/** An address of the peer itself, a network behind it, or the way to everything. */
export type RouteKind = 'own' | 'subnet' | 'exit'

/** Prefixes that the operating system may get one route for: single IPv4 and IPv6 addresses of nodes. */
export type RouteGroup = 'cgnat' | 'ula' | 'none'

export interface AllowedPrefix {
  /** Without host bits. */
  readonly prefix: Prefix
  readonly text: string
  readonly kind: RouteKind
  readonly group: RouteGroup
}

/** @param addresses the peer's own, as canonical prefixes */
export function allowedPrefix(prefix: Prefix, addresses: readonly string[]): AllowedPrefix {
  const bare = maskPrefix(prefix)
  return { prefix: bare, text: formatPrefix(bare), kind: kindOf(bare, addresses), group: groupOf(bare) }
}

function groupOf(prefix: Prefix): RouteGroup {
  if (!isNodePrefix(prefix)) return 'none'
  return prefix.ip.family === 4 ? 'cgnat' : 'ula'
}

function kindOf(prefix: Prefix, addresses: readonly string[]): RouteKind {
  if (isExitRoute(prefix)) return 'exit'
  return isNodePrefix(prefix) || addresses.includes(formatPrefix(prefix)) ? 'own' : 'subnet'
}

/** A peer's prefixes with their kinds, whether they count or not. Texts that are no prefix are passed over. */
export function prefixesOf(peer: RoutedPeer): AllowedPrefix[] {
  const found: AllowedPrefix[] = []
  for (const text of peer.AllowedIPs) {
    const parsed = parsePrefix(text)
    if (parsed !== undefined) found.push(allowedPrefix(parsed, peer.Addresses))
  }
  return found
}

/** Can anything be sent to the peer at all: is its key good, and is there a way to find it? */
export function isUsable(peer: RoutedPeer): boolean {
  if (peer.Expired === true) return false
  return peer.IsWireGuardOnly === true || peer.DiscoKey !== undefined || (peer.HomeDERP ?? 0) !== 0
}

/** Does a prefix of this kind count, of the peer with this ID? */
export function counts(kind: RouteKind, id: number, choice: RouteChoice): boolean {
  return kind === 'own' || (kind === 'subnet' ? choice.acceptsSubnets : choice.exitNode === id)
}
