/**
 * The addresses of a tailnet: which ranges its nodes have, and how IPv4 addresses are written inside its IPv6 range
 * (control.md §6.1, node.md §1). Giving them out is the server's matter.
 */

import { formatPrefix, isSingleIp, prefix, prefixContains, unmapIp } from './ip.ts'
import type { Ip, Prefix } from './ip.ts'

/** Carrier-grade NAT space, of which nodes get their IPv4 addresses. */
export const CGNAT = prefix('100.64.0.0/10')
/** A part of it that ChromeOS uses for its own virtual machines; never a node's. */
export const CHROMEOS = prefix('100.115.92.0/23')
export const ULA = prefix('fd7a:115c:a1e0::/48')
/** IPv4 subnets behind a site: site number and IPv4 address in the low 64 bits ("4via6"). */
export const VIA = prefix('fd7a:115c:a1e0:b1a::/64')
/** An IPv6 address for each IPv4 address of a node: its low 24 bits in ours. */
export const FOUR_TO_SIX = prefix('fd7a:115c:a1e0:ab12:4843:cd96:6200:0/104')
export const EPHEMERAL6 = prefix('fd7a:115c:a1e0:efe3::/64')
/** Where every node answers DNS for itself. */
export const SERVICE4 = prefix('100.100.100.100/32')
export const SERVICE6 = prefix('fd7a:115c:a1e0::53/128')
/** Parts of `CGNAT` that no node is given. */
export const RESERVED4: readonly Prefix[] = [CHROMEOS, prefix('100.100.0.0/24'), prefix('100.100.100.0/24')]

const LOW_32 = 0xffff_ffffn
const LOW_24 = 0xff_ffffn

/** Is this an address that a node may have? */
export function isTailscaleAddress(ip: Ip): boolean {
  return isTailscaleIpv4(unmapIp(ip)) || prefixContains(ULA, ip)
}

export function isTailscaleIpv4(ip: Ip): boolean {
  return prefixContains(CGNAT, ip) && !prefixContains(CHROMEOS, ip)
}

/** The IPv6 form of an IPv4 subnet behind a site; `undefined` for an IPv6 subnet. */
export function mapVia(site: number, subnet: Prefix): Prefix | undefined {
  if (subnet.ip.family !== 4) return undefined
  const value = VIA.ip.value | (BigInt(site) << 32n) | subnet.ip.value
  return { ip: { family: 6, value }, bits: 96 + subnet.bits }
}

export function isViaPrefix(prefix: Prefix): boolean {
  return prefixContains(VIA, prefix.ip)
}

/** The IPv4 address inside a 4via6 address; other addresses as they are. */
export function unmapVia(ip: Ip): Ip {
  return prefixContains(VIA, ip) ? { family: 4, value: ip.value & LOW_32 } : ip
}

/** The IPv6 address that stands for a node's IPv4 address; `undefined` for other addresses. */
export function fourToSix(ip: Ip): Ip | undefined {
  return isTailscaleIpv4(ip) ? { family: 6, value: FOUR_TO_SIX.ip.value | (ip.value & LOW_24) } : undefined
}

/** The IPv4 address that such an IPv6 address stands for; `undefined` for other addresses. */
export function sixToFour(ip: Ip): Ip | undefined {
  return prefixContains(FOUR_TO_SIX, ip) ? { family: 4, value: (100n << 24n) | (ip.value & LOW_24) } : undefined
}

/** A route to everything, of either family. */
export function isExitRoute(route: Prefix): boolean {
  return route.bits === 0
}

/** Do the routes make an exit node: both families? */
export function hasExitRoutes(routes: readonly Prefix[]): boolean {
  const texts = new Set(routes.map(formatPrefix))
  return texts.has('0.0.0.0/0') && texts.has('::/0')
}

/** The routes without those of an exit node, where it has both. */
export function withoutExitRoutes(routes: readonly Prefix[]): readonly Prefix[] {
  return hasExitRoutes(routes) ? routes.filter((route) => !isExitRoute(route)) : routes
}

/** Is the prefix one address of a node? */
export function isNodePrefix(prefix: Prefix): boolean {
  return isSingleIp(prefix) && isTailscaleAddress(prefix.ip)
}
