/**
 * Which prefixes a node may route: those that it offers and that are approved. And which of several routers of one
 * subnet is used: the first in the order that is kept for it.
 */

import { isExpired } from './model.ts'
import type { TailnetState } from './model.ts'
import type { Node, Presence } from './records.ts'
import type { Wall } from '../../base/clock.ts'

const EXIT = new Set(['0.0.0.0/0', '::/0'])

/** Prefixes that a node offers and may route, sorted. */
export function enabledRoutes(node: Node): string[] {
  const approved = new Set(node.approvedRoutes)
  return (node.hostinfo.RoutableIPs ?? []).filter((prefix) => approved.has(prefix)).sort()
}

export const isExitRoute = (prefix: string): boolean => EXIT.has(prefix)

/** Is it there, as far as the server knows? One that does not answer is not, though it still holds a stream. */
export function isWell(presence: Presence | undefined): boolean {
  return presence?.online === true && presence.unwell === undefined
}

/** May traffic be sent through this node now? */
export function isUsable(node: Node, presence: Presence | undefined, now: Wall): boolean {
  return node.authorized && !isExpired(node, now) && isWell(presence)
}

/**
 * Routers of one subnet with those in front that can be used. While none can, nothing changes, so that nobody is sent
 * from one dead router to another. Whoever has failed is thus behind, and stays there when it is back.
 */
export function usableFirst(order: readonly number[], isUsable: (node: number) => boolean): readonly number[] {
  const usable = order.filter(isUsable)
  if (usable.every((node, i) => node === order[i])) return order
  return [...usable, ...order.filter((node) => !usable.includes(node))]
}

/** Routers as a record has them, and behind these the others as they were. */
export function asRecorded(order: readonly number[], recorded: readonly number[] | undefined): readonly number[] {
  if (recorded === undefined) return order
  const known = recorded.filter((node) => order.includes(node))
  return [...known, ...order.filter((node) => !known.includes(node))]
}

/** A prefix, and the nodes that offer it or may route it. */
export interface Routing {
  readonly prefix: string
  /** Those that route it, as they are preferred: the first is primary. Of exit routes, in the order of their ids. */
  readonly routers: readonly Node[]
  /** Those that offer it and may not, or may and don't. */
  readonly others: readonly Node[]
}

/** What a tailnet routes, by prefix. */
export function routingsOf(state: TailnetState, now: Wall): Routing[] {
  const known = new Map<string, { readonly routers: Node[]; readonly others: Node[] }>()
  for (const node of [...state.nodesById.values()].sort((a, b) => a.id - b.id)) {
    const enabled = new Set(node.authorized ? enabledRoutes(node) : [])
    for (const prefix of new Set([...(node.hostinfo.RoutableIPs ?? []), ...node.approvedRoutes])) {
      let routing = known.get(prefix)
      if (routing === undefined) known.set(prefix, (routing = { routers: [], others: [] }))
      if (enabled.has(prefix)) routing.routers.push(node)
      else routing.others.push(node)
    }
  }
  return [...known].map(([prefix, { routers, others }]) => {
    if (isExitRoute(prefix) || routers.length < 2) return { prefix, routers, others }
    const ids = asRecorded(
      routers.map(({ id }) => id),
      state.get('route-order', prefix)?.nodes,
    )
    const order = usableFirst(ids, (id) => isUsable(state.node(id) as Node, state.presence(id), now))
    return { prefix, routers: order.map((id) => state.node(id) as Node), others }
  })
}
