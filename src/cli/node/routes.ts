/** The routes that a node is to offer, from what people write. */

import { isExitRoute, isViaPrefix } from '../../base/address-plan.ts'
import { MeshError } from '../../base/errors.ts'
import { compareIps, formatPrefix, maskPrefix, parsePrefix } from '../../base/ip.ts'
import type { Prefix } from '../../base/ip.ts'
import { quote } from './go-words.ts'

/** Both are offered or neither: a node that offers both is an exit node. */
export const EXIT_ROUTES = ['0.0.0.0/0', '::/0'] as const
/** Shortest 4via6 route: all of IPv4 behind a site. */
const VIA_BITS = 96
const LARGEST_SITE = 0xffffn

/**
 * @param text prefixes between commas
 * @param exitNode whether to offer all of the internet too
 * @returns sorted, widest first; `null` for none
 * @throws MeshError `input/invalid`
 */
export function routesFrom(text: string, exitNode: boolean): string[] | null {
  const routes = new Map<string, Prefix>()
  for (const word of text === '' ? [] : text.split(',')) {
    const route = parsePrefix(word)
    if (route === undefined) throw wrong(`${quote(word)} is not a valid IP address or CIDR prefix`)
    const [written, masked] = [formatPrefix(route), formatPrefix(maskPrefix(route))]
    if (written !== masked) throw wrong(`${written} has non-address bits set; expected ${masked}`)
    if (isViaPrefix(route)) checkVia(route)
    routes.set(written, route)
  }
  const [v4, v6] = EXIT_ROUTES
  if (routes.has(v4) && !routes.has(v6))
    throw wrong(`${v4} advertised without its IPv6 counterpart, please also advertise ${v6}`)
  if (routes.has(v6) && !routes.has(v4))
    throw wrong(`${v6} advertised without its IPv4 counterpart, please also advertise ${v4}`)
  if (exitNode) for (const route of EXIT_ROUTES) routes.set(route, parsePrefix(route) as Prefix)
  if (routes.size === 0) return null
  return [...routes].sort(([, a], [, b]) => a.bits - b.bits || compareIps(a.ip, b.ip)).map(([written]) => written)
}

function checkVia(route: Prefix): void {
  const written = formatPrefix(route)
  if (route.bits < VIA_BITS) throw wrong(`${written} 4-in-6 prefix must be at least a /${VIA_BITS}`)
  const site = (route.ip.value >> 32n) & 0xffff_ffffn
  if (site > LARGEST_SITE) {
    const hex = site.toString(16).padStart(8, '0')
    throw wrong(`route ${written} contains invalid site ID ${hex}; must be 0xffff or less`)
  }
}

export function offersExitNode(routes: readonly string[] | null): boolean {
  return EXIT_ROUTES.every((route) => routes?.includes(route) === true)
}

export function withoutExitRoutes(routes: readonly string[] | null): string[] {
  return (routes ?? []).filter((text) => {
    const route = parsePrefix(text)
    return route === undefined || !isExitRoute(route)
  })
}

function wrong(message: string): MeshError {
  return new MeshError('input/invalid', message)
}
