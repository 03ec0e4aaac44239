/** Where a flow arrives: at the node whose address it goes to, or at the router that carries the address for the sender. */

import { CGNAT, ULA } from '../../base/address-plan.ts'
import { formatPrefix, prefix, prefixContains } from '../../base/ip.ts'
import type { Ip, Prefix } from '../../base/ip.ts'
import type { Engine } from '../engine.ts'
import type { PolicyNode } from '../tailnet.ts'
import type { GoesBefore, IsPrimary } from '../visibility.ts'

export interface Carrier {
  readonly node: PolicyNode
  readonly route: Prefix
  /** The sender is told of the route, and so sends by it. */
  readonly told: boolean
}

/** The router that is there and joined first, where the caller knows no better. (policy.md §15.8) */
export function primaryBy(engine: Engine): IsPrimary {
  return (node, route) => {
    const text = formatPrefix(route)
    let first: PolicyNode | undefined
    for (const other of engine.selection.all()) {
      if (!other.routes.some((own) => formatPrefix(own) === text)) continue
      if (first === undefined || Number(other.online) > Number(first.online)) first = other
      else if (other.online === first.online && other.id < first.id) first = other
    }
    return first === node
  }
}

/** What clients never let in over an exit route: private networks, links, groups, and the tailnet itself. (node.md §2.4) */
export const NEVER_THROUGH_EXITS: readonly Prefix[] = [
  CGNAT,
  ULA,
  ...['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '169.254.0.0/16', '224.0.0.0/4', 'fe80::/10', 'ff00::/8'].map(
    prefix,
  ),
]

/** Does the route lead to the address? */
export function carries(route: Prefix, ip: Ip): boolean {
  return (
    prefixContains(route, ip) && (route.bits > 0 || !NEVER_THROUGH_EXITS.some((never) => prefixContains(never, ip)))
  )
}

/**
 * Those by whom `viewers` would send to the address, the narrowest route first; of equal ones those that they are told
 * of, then primary ones. Where some are told of, no others are there.
 */
export function carriersFor(
  engine: Engine,
  viewers: readonly PolicyNode[],
  ip: Ip,
  isPrimary: IsPrimary,
  goesBefore?: GoesBefore,
): Carrier[] {
  const found: Carrier[] = []
  for (const node of engine.selection.all())
    for (const route of node.routes) {
      if (!carries(route, ip)) continue
      const told = viewers.some((viewer) =>
        engine
          .routes(viewer.slot, node.slot, isPrimary, goesBefore)
          .some((one) => formatPrefix(one) === formatPrefix(route)),
      )
      found.push({ node, route, told })
    }
  // What the sender itself carries it asks nobody for, unless it is told of somebody else.
  const told = found.filter((one) => one.told && !viewers.includes(one.node))
  const itself = found.filter(({ node }) => viewers.includes(node))
  const usable = told.length > 0 ? told : itself.length > 0 ? itself : found
  const rank = ({ node, route, told }: Carrier): number => Number(told) * 2 + Number(isPrimary(node, route))
  return usable.sort((a, b) => b.route.bits - a.route.bits || rank(b) - rank(a) || a.node.id - b.node.id)
}
