/**
 * Who may know of whom, and who may send what to whom: the one interface through which reachability enters the
 * network map. A tailnet's policy answers it (policy-reach.ts); until there is one, everybody reaches everybody.
 */

import type { BitSet } from '../../base/bit-set.ts'
import type { Wall } from '../../base/clock.ts'
import type { FilterRule } from '../../policy/filter.ts'
import type { CapMap } from '../../policy/node-attributes.ts'
import type { Policy, SshRule } from '../../policy/policy.ts'
import type { WireSshRule } from '../../policy/ssh.ts'
import { isExpired } from '../model/model.ts'
import type { Node } from '../model/records.ts'

/** A node by its number in the tailnet and its dense one. */
export interface Placed {
  readonly slot: number
  readonly node: Node
}

/** A node as somebody who may route. */
export interface Routed extends Placed {
  /** Prefixes that it offers and may route. */
  readonly enabled: readonly string[]
  /** Those of them that it is the primary router of, and exit routes. */
  readonly routes: readonly string[]
}

export interface Reach {
  /** May these two know of each other? Symmetric: replies need both. Only asked of nodes of one tailnet. */
  connects(a: Placed, b: Placed): boolean
  /** All whom a node may know of, by their dense numbers; `undefined`: everybody. Says what `connects` says. */
  visible(viewer: Placed): BitSet | undefined
  /** The named filters of one node; never empty, so that "nothing is allowed" is said and not left out. */
  filters(viewer: Placed): Readonly<Record<string, readonly FilterRule[]>>
  /** Who may log in to the node by SSH; `undefined`: nothing is said of it. */
  ssh(viewer: Placed): readonly WireSshRule[] | undefined
  /** The rule by which one node logs in to another as this local account. */
  sshRule(from: Placed, to: Placed, account: string): SshRule | undefined
  /** The routes of a peer that the viewer is told of; `peer.routes` itself where that is what everybody is told. */
  routes(viewer: Routed, peer: Routed): readonly string[]
  /** What the node may do beyond what every node may. */
  capabilities(viewer: Placed, httpsEnabled: boolean): CapMap
  /** Names of capabilities that the node carries for all who see it: by which filters admit it, and of its names. */
  sharedNames(node: Placed): readonly string[]
  /** What is changed of the relays that nodes are told of. */
  readonly derpMap: Policy['derpMap']
  /** The node's IPv4 address is kept from everybody, itself included. */
  hidesIPv4(node: Placed): boolean
}

const ALL_PORTS = { First: 0, Last: 65535 }
const ALLOW_ALL = { base: [{ SrcIPs: ['*'], DstPorts: [{ IP: '*', Ports: ALL_PORTS }] }] } as const
const NOTHING: CapMap = new Map()
const NO_NAMES: readonly string[] = []

export const everybody: Reach = {
  connects: () => true,
  visible: () => undefined,
  filters: () => ALLOW_ALL,
  ssh: () => undefined,
  sshRule: () => undefined,
  routes: (_viewer, peer) => peer.routes,
  capabilities: () => NOTHING,
  sharedNames: () => NO_NAMES,
  derpMap: undefined,
  hidesIPv4: () => false,
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
