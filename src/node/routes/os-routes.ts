/**
 * What the operating system is told to send into the tunnel, and what to leave alone (node.md §3.3): few routes where
 * one says the same as many, and, behind an exit node, everything.
 *
 * How they get into the system is host-plan.ts.
 */

import { CGNAT, isExitRoute, SERVICE4, SERVICE6, ULA } from '../../base/address-plan.ts'
import {
  formatPrefix,
  isLinkLocal,
  isLoopback,
  maskPrefix,
  parsePrefix,
  prefix,
  prefixContains,
} from '../../base/ip.ts'
import type { Prefix } from '../../base/ip.ts'
import type { AllowedPrefix } from './allowed.ts'

/** More single IPv4 addresses than this become one route for all. (node.md §3.3) */
const CGNAT_ROUTES_MOST = 10_000
const ULA_TEXT = formatPrefix(ULA)
const EVERYTHING: readonly Prefix[] = [prefix('0.0.0.0/0'), prefix('::/0')]

/** A network that this machine is plugged into. */
export interface LocalNetwork {
  /** Its prefix; host bits may be set. */
  readonly prefix: string
  /** It lies within this machine: virtual switches without a way out. */
  readonly isInternal: boolean
}

export interface RouteWishes {
  /** What counts of the peers' prefixes (`RouteKeeper.installed`). */
  readonly peers: readonly AllowedPrefix[]
  /** Our own addresses, as prefixes. */
  readonly addresses: readonly string[]
  /** Addresses of services that this node hosts, as prefixes. */
  readonly services?: readonly string[]
  /** An exit node is chosen, whether or not it is in the map, reachable or there at all. */
  readonly usesExitNode: boolean
  /** With an exit node: what is plugged into the same networks stays reachable. */
  readonly allowsLan: boolean
  readonly local: readonly LocalNetwork[]
  /** One route for all IPv4 addresses of nodes: as control says, or by their number if it does not. */
  readonly oneCgnat?: boolean
}

export interface OsRoutes {
  /** Into the tunnel; canonical prefixes, each once. */
  readonly tunnel: readonly string[]
  /** Left to the system's other tables although a wider route leads into the tunnel. */
  readonly local: readonly string[]
}

export function osRoutes(wishes: RouteWishes): OsRoutes {
  const own = wishes.addresses.flatMap(readPrefix)
  const has = (family: number): boolean => own.some(({ ip }) => ip.family === family)
  const tunnel = peerRoutes(wishes.peers, wishes.oneCgnat)
  if (has(4)) tunnel.add(formatPrefix(SERVICE4))
  if (has(6)) tunnel.add(formatPrefix(SERVICE6))
  for (const text of wishes.services ?? []) for (const range of readPrefix(text)) tunnel.add(formatPrefix(range))
  if (!wishes.usesExitNode) return { tunnel: [...tunnel], local: [] }
  for (const range of EVERYTHING) tunnel.add(formatPrefix(range))
  const local = new Set<string>()
  for (const network of wishes.local) {
    const range = readPrefix(network.prefix).find(({ ip }) => isNetwork(ip))
    // What the tunnel's own addresses lie in is no network beside it; the way to everything is none either.
    if (range === undefined || isExitRoute(range) || own.some(({ ip }) => prefixContains(range, ip))) continue
    const isLeft = network.isInternal || wishes.allowsLan
    const into = isLeft ? local : tunnel
    into.add(formatPrefix(range))
  }
  for (const text of local) tunnel.delete(text)
  return { tunnel: [...tunnel], local: [...local] }
}

/** Loopback is the kernel's own matter, and link-local addresses are never routed. */
function isNetwork(ip: Prefix['ip']): boolean {
  return !isLoopback(ip) && !isLinkLocal(ip)
}

function readPrefix(text: string): Prefix[] {
  const parsed = parsePrefix(text)
  return parsed === undefined ? [] : [maskPrefix(parsed)]
}

/** What peers have, with one route for many single addresses. An exit node's routes count by the choice alone. */
function peerRoutes(peers: readonly AllowedPrefix[], oneCgnat: boolean | undefined): Set<string> {
  const routes = new Set<string>()
  const cgnat = new Set<string>()
  for (const { text, kind, group } of peers) {
    if (group === 'cgnat') cgnat.add(text)
    else if (group === 'ula') routes.add(ULA_TEXT)
    else if (kind !== 'exit') routes.add(text)
  }
  if (cgnat.size === 0) return routes
  if (oneCgnat ?? cgnat.size > CGNAT_ROUTES_MOST) return routes.add(formatPrefix(CGNAT))
  for (const text of cgnat) routes.add(text)
  return routes
}
