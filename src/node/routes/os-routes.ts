/**
 * What the operating system is told to send into the tunnel, and what to leave alone (node.md §3.3): few routes where
 * one says the same as many, and, behind an exit node, everything.
 *
 * How they get into the system is host-plan.ts.
 */

import { CGNAT, isExitRoute, isTailscaleIpv4, SERVICE4, SERVICE6, ULA } from '../../base/address-plan.ts'
import { formatPrefix, isLinkLocal, isLoopback, isSingleIp, maskPrefix } from '../../base/ip.ts'
import { parsePrefix, prefix, prefixContains, prefixCovers } from '../../base/ip.ts'
import type { Prefix } from '../../base/ip.ts'

/** More single IPv4 addresses than this become one route for all. (node.md §3.3) */
const CGNAT_ROUTES_MOST = 10_000
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
  readonly peers: readonly Prefix[]
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
  const own = wishes.addresses.map((text) => parsePrefix(text)).filter((p) => p !== undefined)
  const has = (family: number): boolean => own.some(({ ip }) => ip.family === family)
  const tunnel = fewer(wishes.peers, wishes.oneCgnat)
  // Peers' ranges are our own concern only as far as the user chose; an exit node's count by the choice alone.
  const chosen = tunnel.filter((p) => !isExitRoute(p))
  if (has(4)) chosen.push(SERVICE4)
  if (has(6)) chosen.push(SERVICE6)
  for (const text of wishes.services ?? []) chosen.push(...readPrefix(text))
  if (!wishes.usesExitNode) return { tunnel: texts(chosen), local: [] }
  chosen.push(...EVERYTHING)
  const local: Prefix[] = []
  for (const network of wishes.local) {
    const range = readPrefix(network.prefix).find(({ ip }) => isNetwork(ip))
    // What the tunnel's own addresses lie in is no network beside it; the way to everything is none either.
    if (range === undefined || isExitRoute(range) || own.some(({ ip }) => prefixContains(range, ip))) continue
    if (network.isInternal || wishes.allowsLan) local.push(range)
    else chosen.push(range)
  }
  const left = new Set(texts(local))
  return { tunnel: texts(chosen).filter((text) => !left.has(text)), local: [...left] }
}

/** Loopback is the kernel's own matter, and link-local addresses are never routed. */
function isNetwork(ip: Prefix['ip']): boolean {
  return !isLoopback(ip) && !isLinkLocal(ip)
}

function readPrefix(text: string): Prefix[] {
  const parsed = parsePrefix(text)
  return parsed === undefined ? [] : [maskPrefix(parsed)]
}

/** One route for many single addresses of nodes. */
function fewer(prefixes: readonly Prefix[], oneCgnat: boolean | undefined): Prefix[] {
  const rest: Prefix[] = []
  const cgnat: Prefix[] = []
  let hasUla = false
  for (const p of prefixes) {
    if (!isSingleIp(p)) rest.push(p)
    else if (isTailscaleIpv4(p.ip)) cgnat.push(p)
    else if (prefixCovers(ULA, p)) hasUla = true
    else rest.push(p)
  }
  if (hasUla) rest.push(ULA)
  if (cgnat.length === 0) return rest
  return rest.concat((oneCgnat ?? cgnat.length > CGNAT_ROUTES_MOST) ? [CGNAT] : cgnat)
}

function texts(prefixes: readonly Prefix[]): string[] {
  return [...new Set(prefixes.map(formatPrefix))]
}
