/**
 * The source side of rules: whom a list of selectors admits, as bit sets and as filters write it. (policy.md §15.1)
 *
 * Rules with the same list share one `Sources`. What it holds is computed when it is asked for, and again only after
 * one of its selectors has changed.
 */

import { BitSet } from '../base/bit-set.ts'
import { CGNAT, CHROMEOS, ULA } from '../base/address-plan.ts'
import { formatIp, formatPrefix, isSingleIp, maskPrefix } from '../base/ip.ts'
import type { Ip, Prefix } from '../base/ip.ts'
import { AddressSet, formatRange, rangeFrom } from './address-set.ts'
import type { Policy, Selector } from './policy.ts'
import { meetsOne } from './postures.ts'
import type { Routes } from './routes.ts'
import type { Selected, Selection } from './selection.ts'
import type { PolicyNode } from './tailnet.ts'

/** What `*` stands for, as clients are told it: all addresses that nodes can have. */
const ANY_NODE: AddressSet = (() => {
  const set = AddressSet.of(CGNAT, ULA)
  set.remove(rangeFrom(CHROMEOS))
  return set
})()
const ANY_NODE_TEXTS = ANY_NODE.ranges().map(formatRange)

export class Sources {
  readonly selected: readonly Selected[]
  readonly postures: readonly string[]
  readonly #policy: Policy
  readonly #selection: Selection
  readonly #routes: Routes
  readonly #admitted = new BitSet()
  readonly #touched = new BitSet()
  #stamp = -1
  #routesStamp = -1
  #written: { readonly literals: ReadonlySet<string>; readonly named: BitSet } | undefined
  #texts: readonly string[] | undefined

  constructor(
    policy: Policy,
    selection: Selection,
    routes: Routes,
    selectors: readonly Selector[],
    postures: readonly string[],
  ) {
    this.#policy = policy
    this.#selection = selection
    this.#routes = routes
    this.selected = selectors.map((selector) => selection.watch(selector, 'source'))
    this.postures = postures
  }

  /** Nodes that may send: one of their own addresses is a source. */
  get admitted(): BitSet {
    this.#refresh()
    return this.#admitted
  }

  /** Those, and routers behind which a source is: both ends must know of each other. (policy.md §15.8) */
  get touched(): BitSet {
    this.#refresh()
    return this.#touched
  }

  /** `SrcIPs`: addresses, prefixes, ranges; without repetition. */
  get texts(): readonly string[] {
    this.#refresh()
    const { literals, named } = (this.#written ??= this.#write())
    return (this.#texts ??= [...literals.union(new Set(this.#addresses(named)))])
  }

  /** The same for two that admit the same, so that their rules can be one. (policy.md §15.3) */
  get key(): string {
    this.#refresh()
    const { literals, named } = (this.#written ??= this.#write())
    return `${[...literals].sort().join()} ${named.key}`
  }

  /** Is a packet from this address one of its own? What `texts` says, for one address. */
  includes(ip: Ip): boolean {
    const own = this.#selection.at(ip)
    if (own !== undefined && this.admitted.has(own.slot)) {
      // By who it is; where only one of its addresses was named, by that one.
      if (this.selected.some(({ addresses, nodes }) => addresses === undefined && nodes.has(own.slot))) return true
    }
    return this.selected.some(({ selector, addresses }) => {
      if (selector.kind === 'any')
        return this.#routes.include(ip) || (this.postures.length === 0 && ANY_NODE.contains(ip))
      if (addresses === undefined || !addresses.contains(ip))
        return selector.kind === 'autogroup' && selector.autogroup === 'danger-all' && this.postures.length === 0
      return this.postures.length === 0 || (own !== undefined && this.admitted.has(own.slot))
    })
  }

  /** Is the route among the sources, in whole or in part? */
  includesRoute(route: Prefix): boolean {
    return this.selected.some(({ selector, addresses }) => {
      if (selector.kind === 'any') return true
      if (selector.kind === 'autogroup' && selector.autogroup === 'danger-all') return true
      return addresses?.overlaps(rangeFrom(route)) ?? false
    })
  }

  /** A node meets other postures than before. True: it was a source and is none now, or the other way round. */
  reconsider(slot: number): boolean {
    const before = this.touched.has(slot)
    const admitted = this.#admitted.has(slot)
    this.#stamp = -1
    return this.touched.has(slot) !== before || this.#admitted.has(slot) !== admitted
  }

  #refresh(): void {
    let stamp = 0
    for (const selected of this.selected) stamp += selected.stamp
    if (this.#routes.stamp !== this.#routesStamp && this.selected.some(({ selector }) => selector.kind === 'any')) {
      this.#texts = this.#written = undefined
      this.#routesStamp = this.#routes.stamp
    }
    if (stamp === this.#stamp) return
    this.#stamp = stamp
    this.#texts = this.#written = undefined
    this.#admitted.clear()
    this.#touched.clear()
    for (const { nodes, touched } of this.selected) {
      this.#admitted.addAll(nodes)
      this.#touched.addAll(touched)
    }
    if (this.postures.length === 0) return
    for (const slot of this.#admitted) if (!this.#meets(slot)) this.#admitted.delete(slot)
    for (const slot of this.#touched) {
      // A posture is asked of the device, not of what is behind it.
      const routed = this.selected.some(({ nodes, touched }) => touched.has(slot) && !nodes.has(slot))
      if (!routed && !this.#admitted.has(slot)) this.#touched.delete(slot)
    }
  }

  #meets(slot: number): boolean {
    const node = this.#selection.node(slot)
    return node !== undefined && meetsOne(this.#policy, this.postures, node.attributes)
  }

  /** What is written apart from nodes' own addresses, and the nodes whose addresses are written. */
  #write(): { readonly literals: ReadonlySet<string>; readonly named: BitSet } {
    const literals = new Set<string>()
    const named = new BitSet()
    const anyDevice = this.postures.length === 0
    for (const { selector, addresses, nodes } of this.selected) {
      if (selector.kind === 'any') {
        if (anyDevice) for (const text of ANY_NODE_TEXTS) literals.add(text)
        for (const text of this.#routes.subnets) literals.add(text)
      }
      if (selector.kind === 'autogroup' && selector.autogroup === 'danger-all' && anyDevice)
        return { literals: new Set(['*']), named: new BitSet() }
      if (addresses !== undefined && anyDevice) {
        if (selector.kind === 'prefix') literals.add(literal(selector.prefix))
        else for (const range of addresses.ranges()) literals.add(formatRange(range))
      }
      if (!anyDevice || (addresses === undefined && selector.kind !== 'any')) named.addAll(nodes)
    }
    named.keepAll(this.#admitted)
    return { literals, named }
  }

  #addresses(slots: Iterable<number>): string[] {
    const texts: string[] = []
    for (const slot of slots)
      for (const ip of addressesOf(this.#selection.node(slot) as PolicyNode)) texts.push(formatIp(ip))
    return texts
  }
}

/** Literally what was written: a prefix with its length, an address without. */
export function literal(prefix: Prefix): string {
  return isSingleIp(prefix) ? formatIp(prefix.ip) : formatPrefix(maskPrefix(prefix))
}

export function addressesOf(node: PolicyNode): readonly PolicyNode['ipv4'][] {
  return [node.ipv4, node.ipv6]
}
