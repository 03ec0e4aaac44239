/**
 * Who knows of whom: two nodes see each other when a rule leads from one to the other, whichever way; and which
 * of a peer's routes a viewer is told of. (policy.md §15.7, §15.8)
 */

import { BitSet } from '../base/bit-set.ts'
import { formatPrefix, prefixesOverlap } from '../base/ip.ts'
import type { Prefix } from '../base/ip.ts'
import type { Access, Part, Target } from './access.ts'
import { rangeFrom } from './address-set.ts'
import { isInternet } from './selection.ts'
import type { Selection } from './selection.ts'
import type { PolicyNode } from './tailnet.ts'

/** Is this node the one of all routers of a prefix that everybody uses? The server decides. */
export type IsPrimary = (node: PolicyNode, route: Prefix) => boolean

/** Is the one router of a prefix preferred to the other? The server decides. */
export type GoesBefore = (a: PolicyNode, b: PolicyNode, route: Prefix) => boolean

const onlineThenFirst: GoesBefore = (a, b) => (a.online === b.online ? a.id < b.id : a.online)

export class Visibility {
  readonly #access: Access
  readonly #selection: Selection

  constructor(access: Access, selection: Selection) {
    this.#access = access
    this.#selection = selection
  }

  /** Everybody whom the node sees and who sees it. */
  of(node: PolicyNode): BitSet {
    const seen = new BitSet()
    // Many parts share their lists, and each counts once.
    const others = new Set<BitSet>()
    let seesOwn = false
    for (const { self, sources, reach } of this.#access.sending(node))
      if (!self) others.add(reach.nodes)
      else seesOwn ||= sources.admits(node.slot) && reach.includes(node.slot)
    for (const part of this.#access.receiving(node))
      if (!part.self) others.add(part.sources.touched)
      else if (!seesOwn) for (const slot of this.#access.ownSources(part, node)) seen.add(slot)
    if (seesOwn) for (const slot of this.#selection.slotsOfOwner(node)) seen.add(slot)
    for (const nodes of others) seen.addAll(nodes)
    seen.delete(node.slot)
    return seen
  }

  /** The same question of two nodes. */
  connects(a: PolicyNode, b: PolicyNode): boolean {
    return a.slot !== b.slot && (this.#leads(a, b) || this.#leads(b, a))
  }

  /** The routes of `peer` that `viewer` is told of: subnets, and exit routes where it may use them. */
  routes(
    viewer: PolicyNode,
    peer: PolicyNode,
    isPrimary: IsPrimary,
    goesBefore: GoesBefore = onlineThenFirst,
  ): Prefix[] {
    if (peer.routes.length === 0) return []
    return peer.routes.filter((route) =>
      route.bits === 0 ? this.#mayExit(viewer, peer) : this.#mayRoute(viewer, peer, route, isPrimary, goesBefore),
    )
  }

  #leads(from: PolicyNode, to: PolicyNode): boolean {
    return this.#access.receiving(to).some((part) => this.#access.touches(part, from, to))
  }

  /** The parts by which `viewer`, or what is behind it, may send to what is behind `peer`. */
  *#towards(viewer: PolicyNode, peer: PolicyNode): Generator<Part> {
    for (const part of this.#access.receiving(peer)) if (!part.self && part.sources.touches(viewer.slot)) yield part
  }

  /** The internet is for the node itself, and not for what is behind it. */
  #mayExit(viewer: PolicyNode, peer: PolicyNode): boolean {
    for (const part of this.#towards(viewer, peer))
      if (part.sources.admits(viewer.slot))
        for (const target of part.targets) if (leadsOut(target) && part.reach.leads(target, peer)) return true
    return false
  }

  #mayRoute(
    viewer: PolicyNode,
    peer: PolicyNode,
    route: Prefix,
    isPrimary: IsPrimary,
    goesBefore: GoesBefore,
  ): boolean {
    let chosen = false
    for (const part of this.#towards(viewer, peer)) {
      if (!leadsToRoute(part, route)) continue
      if (!part.reach.isVia) return isPrimary(peer, route)
      chosen ||= this.#firstOf(part, route, goesBefore) === peer
    }
    if (this.#sendsTo(viewer, route) || viewer.routes.some((own) => formatPrefix(own) === formatPrefix(route)))
      return isPrimary(peer, route)
    return chosen
  }

  /** What comes from the route may reach the viewer, which has to know the way back. */
  #sendsTo(viewer: PolicyNode, route: Prefix): boolean {
    return this.#access.receiving(viewer).some((part) => !part.self && part.sources.includesRoute(route))
  }

  /** Of the routers that a `via` rule names, the one that is preferred carries the route. */
  #firstOf(part: Part, route: Prefix, goesBefore: GoesBefore): PolicyNode | undefined {
    const text = formatPrefix(route)
    let first: PolicyNode | undefined
    for (const slot of part.reach.nodes) {
      const node = this.#selection.node(slot) as PolicyNode
      if (!node.routes.some((own) => formatPrefix(own) === text)) continue
      if (first === undefined || goesBefore(node, first, route)) first = node
    }
    return first
  }
}

/** Does the target lead through exit nodes? */
export function leadsOut({ selected: { selector } }: Target): boolean {
  return selector.kind === 'any' || isInternet(selector)
}

/** Is something of the route named by a target of the part? */
export function leadsToRoute(part: Part, route: Prefix): boolean {
  return part.targets.some(({ selected: { selector, addresses } }) => {
    if (selector.kind === 'any') return true
    if (selector.kind === 'prefix') return prefixesOverlap(selector.prefix, route)
    return !isInternet(selector) && selector.kind !== 'service' && (addresses?.overlaps(rangeFrom(route)) ?? false)
  })
}
