/** What a tailnet routes and what waits to be approved, as the API shows it. */

import { formatTime } from '../../../base/clock.ts'
import { parsePrefix } from '../../../base/ip.ts'
import type { Approval, Router, Routing } from '../../../wire/api/routing-objects.ts'
import { isExpired } from '../../model/model.ts'
import type { Node } from '../../model/records.ts'
import { enabledRoutes, isExitRoute, routingsOf } from '../../model/routes.ts'
import type { Routing as Routed } from '../../model/routes.ts'
import { isOnline } from '../call.ts'
import type { At } from '../call.ts'

export function viewRoutings(at: At): Routing[] {
  return routingsOf(at.tailnet, at.now)
    .sort(byPrefix)
    .map((routing) => viewRouting(at, routing))
}

function viewRouting(at: At, { prefix, routers, others }: Routed): Routing {
  const exitNode = isExitRoute(prefix)
  const primary = exitNode ? undefined : routers[0]
  const order = at.tailnet.get('route-order', prefix)
  const took = order !== undefined && primary !== undefined && order.nodes[0] === primary.id
  return {
    prefix,
    exitNode,
    ...(took ? { primarySince: formatTime(order.since) } : {}),
    routers: [...routers, ...others].map((node) => viewRouter(at, node, prefix, node === primary)),
  }
}

function viewRouter(at: At, node: Node, prefix: string, primary: boolean): Router {
  const presence = at.tailnet.presence(node.id)
  const online = isOnline(at, node)
  return {
    nodeId: node.stableId,
    name: node.name,
    advertised: (node.hostinfo.RoutableIPs ?? []).includes(prefix),
    approved: node.approvedRoutes.includes(prefix),
    online,
    healthy: online && node.authorized && !isExpired(node, at.now) && presence?.unwell === undefined,
    ...(!online || presence?.unwell === undefined ? {} : { unhealthySince: formatTime(presence.unwell) }),
    primary,
  }
}

/** Exit routes behind all others; else as people sort addresses: IPv4 first, by number. */
function byPrefix(a: Routed, b: Routed): number {
  const [x, y] = [parsePrefix(a.prefix), parsePrefix(b.prefix)]
  if (x === undefined || y === undefined) return Number(x === undefined) - Number(y === undefined)
  if (isExitRoute(a.prefix) !== isExitRoute(b.prefix)) return isExitRoute(a.prefix) ? 1 : -1
  if (x.ip.family !== y.ip.family) return x.ip.family - y.ip.family
  return x.ip.value === y.ip.value ? x.bits - y.bits : x.ip.value < y.ip.value ? -1 : 1
}

/** Devices with something to approve, in the order in which they came. */
export function viewApprovals(at: At): Approval[] {
  return [...at.tailnet.nodesById.values()]
    .sort((a, b) => a.id - b.id)
    .map((node) => viewApproval(at, node))
    .filter(({ device, routes, exitNode }) => device || exitNode || routes.length > 0)
}

function viewApproval(at: At, node: Node): Approval {
  const enabled = enabledRoutes(node)
  const waiting = (node.hostinfo.RoutableIPs ?? []).filter((prefix) => !enabled.includes(prefix))
  return {
    nodeId: node.stableId,
    name: node.name,
    user: at.tailnet.usersById.get(node.user)?.loginName ?? '',
    ...(node.tags.length === 0 ? {} : { tags: [...node.tags] }),
    os: node.hostinfo.OS ?? '',
    created: formatTime(node.created),
    device: !node.authorized,
    routes: waiting.filter((prefix) => !isExitRoute(prefix)),
    exitNode: waiting.some(isExitRoute),
  }
}
