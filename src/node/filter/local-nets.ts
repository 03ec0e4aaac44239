/**
 * Which destinations packets from peers may have at all: our own addresses and what we route for others (node.md §2.5).
 * A node that is an exit node routes to the internet, but not to the networks it stands in.
 */

import { isExitRoute } from '../../base/address-plan.ts'
import { prefix, prefixOf, rangeOf, widthOf } from '../../base/ip.ts'
import type { Family, Ip, Prefix } from '../../base/ip.ts'
import { prefixesBetween } from '../../wire/packet-filter-address.ts'

export interface Locality {
  /** Our own in the tailnet. */
  readonly addresses: readonly Ip[]
  /** Of services that we host. */
  readonly services: readonly Ip[]
  /** Routes that we offer. */
  readonly routes: readonly Prefix[]
  /** The networks that the host's interfaces are in. */
  readonly interfaces: readonly Prefix[]
  /** The host's own addresses on them. */
  readonly hostAddresses: readonly Ip[]
  readonly isAppConnector: boolean
}

/** What an exit node never leads to: private networks, the tailnet, and what stays on one link. */
const NEVER_BEHIND_EXIT = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '169.254.0.0/16',
  '224.0.0.0/4',
  '100.64.0.0/10',
  'fe80::/10',
  'ff00::/8',
  'fd7a:115c:a1e0::/48',
].map(prefix)
/** Where app connectors are asked for names. */
const UNSPECIFIED = ['0.0.0.0/32', '::/128'].map(prefix)

export function localNets(of: Locality): readonly Prefix[] {
  const nets = [...of.addresses, ...of.services].map(prefixOf)
  for (const route of of.routes) {
    if (isExitRoute(route)) nets.push(...behindExit(route.ip.family, of))
    else nets.push(route)
  }
  if (of.isAppConnector) nets.push(...UNSPECIFIED)
  return nets
}

/**
 * Everything of a family without the networks here; the host's own addresses stay, as far as they are public: it is
 * fine to talk to an exit node at the address it has in the internet.
 */
function behindExit(family: Family, { interfaces, hostAddresses }: Locality): Prefix[] {
  const gaps = gapsBetween(family, [...interfaces, ...NEVER_BEHIND_EXIT])
  const isNever = (ip: Ip): boolean => NEVER_BEHIND_EXIT.some((net) => holds(net, ip))
  const own = hostAddresses.filter((ip) => ip.family === family && !isNever(ip)).map(prefixOf)
  return [...gaps, ...own]
}

/** What is left of a family without these networks. */
function gapsBetween(family: Family, nets: readonly Prefix[]): Prefix[] {
  const ranges = nets
    .filter(({ ip }) => ip.family === family)
    .map(rangeOf)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  const gaps: Prefix[] = []
  let at = 0n
  for (const [first, last] of ranges) {
    if (first > at) gaps.push(...prefixesBetween(family, at, first - 1n))
    if (last >= at) at = last + 1n
  }
  const end = 1n << BigInt(widthOf(family))
  return at < end ? [...gaps, ...prefixesBetween(family, at, end - 1n)] : gaps
}

function holds(net: Prefix, { family, value }: Ip): boolean {
  const [first, last] = rangeOf(net)
  return net.ip.family === family && first <= value && value <= last
}
