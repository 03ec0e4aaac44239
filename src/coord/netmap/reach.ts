/**
 * Who may know of whom, and who may send what to whom: the one interface through which reachability enters
 * the network map. Policy will answer it; until a tailnet has one, everybody reaches everybody in it.
 */

import type { BitSet } from '../../base/bit-set.ts'
import type { Wall } from '../../base/clock.ts'
import { isExpired } from '../model/model.ts'
import type { Node } from '../model/records.ts'

/** A filter rule as clients read it. (control.md §7.1) */
export interface FilterRule {
  readonly SrcIPs: readonly string[]
  readonly IPProto?: readonly number[]
  readonly DstPorts: readonly {
    readonly IP: string
    readonly Ports: { readonly First: number; readonly Last: number }
  }[]
}

/** A node by its number in the tailnet and its dense one. */
export interface Placed {
  readonly slot: number
  readonly node: Node
}

export interface Reach {
  /** May these two know of each other? Symmetric: replies need both. Only asked of nodes of one tailnet. */
  connects(a: Placed, b: Placed): boolean
  /** All whom a node may know of, by their dense numbers; `undefined`: everybody. Says what `connects` says. */
  visible(viewer: Placed): BitSet | undefined
  /** The named filters of one node; never empty, so that "nothing is allowed" is said and not left out. */
  filters(viewer: Placed): Readonly<Record<string, readonly FilterRule[]>>
}

const ALL_PORTS = { First: 0, Last: 65535 }
const ALLOW_ALL = { base: [{ SrcIPs: ['*'], DstPorts: [{ IP: '*', Ports: ALL_PORTS }] }] } as const

export const everybody: Reach = {
  connects: () => true,
  visible: () => undefined,
  filters: () => ALLOW_ALL,
}

/** Takes this node part in the tailnet now: approved, its key not run out? Whoever doesn't is told nothing. */
export function takesPart(node: Node, now: Wall): boolean {
  return node.authorized && !isExpired(node, now)
}

/**
 * May `viewer` see `peer` in its map? A peer whose key has run out stays visible, marked as expired, so that
 * people see why it is silent.
 */
export function sees(reach: Reach, viewer: Placed, peer: Placed & { readonly isShown: boolean }, now: Wall): boolean {
  return viewer.slot !== peer.slot && peer.isShown && takesPart(viewer.node, now) && reach.connects(viewer, peer)
}
