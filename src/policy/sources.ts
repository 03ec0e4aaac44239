/**
 * The source side of rules: whom a list of selectors admits, as bit sets and as filters write it. (policy.md §15.1)
 *
 * Rules with the same list share one `Sources`. What it holds is computed when it is asked for; of later changes
 * `Access` tells it, node by node.
 */

import { BitSet } from '../base/bit-set.ts'
import { CGNAT, CHROMEOS, ULA } from '../base/address-plan.ts'
import { formatIp, formatPrefix, isSingleIp, maskPrefix, parseIp } from '../base/ip.ts'
import type { Ip, Prefix } from '../base/ip.ts'
import { AddressSet, formatRange, rangeFrom } from './address-set.ts'
import type { Selector } from './policy.ts'
import type { Routes } from './routes.ts'
import { addressesOf, isDangerAll, isEverything } from './selection.ts'
import type { Meeting, Selected, Selection } from './selection.ts'
import type { PolicyNode } from './tailnet.ts'

/** What `*` stands for, as clients are told it: all addresses that nodes can have. */
const ANY_NODE: AddressSet = (() => {
  const set = AddressSet.of(CGNAT, ULA)
  set.remove(rangeFrom(CHROMEOS))
  return set
})()
const ANY_NODE_TEXTS = ANY_NODE.ranges().map(formatRange)

/** How a node stands in a list of sources; bits. */
export const WRITES_IPV4 = 1
export const WRITES_IPV6 = 2
export const ADMITTED = 4
/** As the first two, of what is written where names are read. */
export const UNNAMED_IPV4 = 8
export const UNNAMED_IPV6 = 16

/** What a list of sources comes to; lists of which both are equal write the same. */
export interface Writing {
  /** Texts, sorted, in one. */
  readonly literals: string
  /** The nodes of which both addresses are meant. */
  readonly named: BitSet
}

/** Literally what is written, and the nodes of which both addresses are. */
interface Written {
  readonly literals: ReadonlySet<string>
  readonly named: BitSet
}

export class Sources {
  readonly selected: readonly Selected[]
  readonly postures: readonly string[]
  /** Its text changes with the subnets that there are. */
  readonly readsSubnets: boolean
  readonly #selection: Selection
  readonly #routes: Routes
  /** Absent: no posture is asked for. */
  readonly meeting: Meeting | undefined
  #admitted: BitSet | undefined
  #touched: BitSet | undefined
  #written: Written | undefined
  #texts: readonly string[] | undefined
  /** Names of capabilities that the nodes of a selector go by. (capability-sources.ts) */
  readonly #names = new Map<Selected, string>()
  #namedTexts: readonly string[] | undefined
  #writing: Writing | undefined

  constructor(selection: Selection, routes: Routes, selectors: readonly Selector[], postures: readonly string[]) {
    this.#selection = selection
    this.#routes = routes
    this.selected = selectors.map((selector) => selection.watch(selector, 'source'))
    this.postures = postures
    this.meeting = postures.length === 0 ? undefined : selection.meeting(postures)
    this.readsSubnets =
      this.meeting === undefined
        ? this.selected.some(({ selector }) => selector.kind === 'any') &&
          !this.selected.some(({ selector }) => isDangerAll(selector))
        : this.selected.some(({ selector, addresses }) => isEverything(selector) || addresses !== undefined)
  }

  /** Nodes that may send: one of their own addresses is a source. */
  get admitted(): BitSet {
    if (this.#admitted === undefined) {
      this.#admitted = new BitSet()
      for (const { nodes } of this.selected) this.#admitted.addAll(nodes)
      if (this.meeting !== undefined) this.#admitted.keepAll(this.meeting.nodes)
    }
    return this.#admitted
  }

  /** Those, and routers behind which a source is: both ends must know of each other. (policy.md §15.8) */
  get touched(): BitSet {
    if (this.#touched === undefined) {
      this.#touched = this.admitted.clone()
      // A posture is asked of the device, not of what is behind it.
      for (const { routed } of this.selected) this.#touched.addAll(routed)
    }
    return this.#touched
  }

  /** The node of this slot is named otherwise than before. */
  update(slot: number): void {
    if (this.#admitted !== undefined) put(this.#admitted, slot, this.admits(slot))
    if (this.#touched !== undefined) put(this.#touched, slot, this.touches(slot))
    this.rewrite()
  }

  /** What is written may be something else now. */
  rewrite(): void {
    this.#texts = this.#namedTexts = this.#written = this.#writing = undefined
  }

  /** From now on the nodes that the selector, one of its own, admits carry this name. */
  callByName(selected: Selected, name: string): void {
    this.#names.set(selected, name)
    this.#namedTexts = undefined
  }

  isNamed(selected: Selected): boolean {
    return this.#names.has(selected)
  }

  get hasNames(): boolean {
    return this.#names.size > 0
  }

  /** What `admitted` says of one node, and costs less while nobody has asked for all of them. */
  admits(slot: number): boolean {
    return (this.meeting?.nodes.has(slot) ?? true) && this.selected.some(({ nodes }) => nodes.has(slot))
  }

  /** The same of `touched`. */
  touches(slot: number): boolean {
    return this.admits(slot) || this.selected.some(({ routed }) => routed.has(slot))
  }

  /** `SrcIPs`: addresses, prefixes, ranges; without repetition. */
  get texts(): readonly string[] {
    if (this.#texts === undefined) {
      const { literals, named } = this.#write()
      this.#texts = this.#textsOf(literals, named)
    }
    return this.#texts
  }

  /** The same for those who read names: by address only what has none. */
  get namedTexts(): readonly string[] {
    if (this.#namedTexts === undefined) {
      const unnamed = new BitSet()
      for (const selected of this.selected)
        if (this.#meansNodes(selected) && !this.isNamed(selected)) unnamed.addAll(selected.nodes)
      if (this.meeting !== undefined) unnamed.keepAll(this.meeting.nodes)
      const names = [...this.#names.values()].map((name) => `cap:${name}`)
      this.#namedTexts = this.#textsOf([...names, ...this.#write().literals], unnamed)
    }
    return this.#namedTexts
  }

  /** Equal for two that admit the same, so that their rules can be one. (policy.md §15.3) */
  get writing(): Writing {
    return (this.#writing ??= this.#gathered(this.#write()))
  }

  /** Is a packet from this address one of its own? What `texts` says, for one address, and whose it is if known. */
  includes(ip: Ip, own: PolicyNode | undefined = this.#selection.at(ip)): boolean {
    const admitted = own !== undefined && this.admits(own.slot)
    if (admitted && this.selected.some(({ addresses, nodes }) => addresses === undefined && nodes.has(own.slot)))
      return true
    // By an address; of a node whose other address alone is named, this one is none of it.
    const isWritten = this.selected.some(({ selector, addresses }) => {
      if (selector.kind === 'any') return ANY_NODE.contains(ip) || this.#routes.include(ip)
      return isDangerAll(selector) || (addresses?.contains(ip) ?? false)
    })
    if (!isWritten || this.meeting === undefined) return isWritten
    return own === undefined ? this.#routes.behind.contains(ip) : admitted
  }

  /** Is the route among the sources, in whole or in part? */
  includesRoute(route: Prefix): boolean {
    return this.selected.some(({ selector, addresses }) => {
      if (isEverything(selector)) return true
      return addresses?.overlaps(rangeFrom(route)) ?? false
    })
  }

  /** Does its text say that there is this subnet? */
  writesSubnet(route: Prefix): boolean {
    return this.readsSubnets && this.includesRoute(route)
  }

  /** What of the node's own is written for its sake, and whether it may send: the bits above. */
  standing(slot: number): number {
    if (!this.admits(slot)) return 0
    let bits = ADMITTED
    for (const selected of this.selected) {
      const { selector, addresses, nodes } = selected
      if (!nodes.has(slot)) continue
      if (this.meeting === undefined && isDangerAll(selector)) return ADMITTED
      if (addresses === undefined) {
        if (!this.#meansNodes(selected)) continue
        bits |= WRITES_IPV4 | WRITES_IPV6
        if (!this.isNamed(selected)) bits |= UNNAMED_IPV4 | UNNAMED_IPV6
      } else if (this.meeting !== undefined) {
        const { ipv4, ipv6 } = this.#selection.node(slot) as PolicyNode
        if (addresses.contains(ipv4)) bits |= WRITES_IPV4 | UNNAMED_IPV4
        if (addresses.contains(ipv6)) bits |= WRITES_IPV6 | UNNAMED_IPV6
      }
    }
    return bits
  }

  /** Is what it writes the own addresses of its nodes? */
  #meansNodes({ selector, addresses }: Selected): boolean {
    return addresses === undefined && (this.meeting !== undefined || !isEverything(selector))
  }

  #textsOf(literals: Iterable<string>, nodes: BitSet): readonly string[] {
    const texts = new Set(literals)
    for (const slot of nodes) for (const text of this.#selection.texts(slot)) texts.add(text)
    return [...texts]
  }

  #write(): Written {
    return (this.#written ??= this.meeting === undefined ? this.#writeAll() : this.#writeMeeting())
  }

  #writeAll(): Written {
    const literals = new Set<string>()
    const named = new BitSet()
    for (const { selector, addresses, nodes } of this.selected) {
      if (isDangerAll(selector)) return { literals: new Set(['*']), named: new BitSet() }
      if (selector.kind === 'any') for (const text of [...ANY_NODE_TEXTS, ...this.#routes.subnets]) literals.add(text)
      else if (selector.kind === 'prefix') literals.add(literal(selector.prefix))
      else if (addresses === undefined) named.addAll(nodes)
      else for (const range of addresses.ranges()) literals.add(formatRange(range))
    }
    return { literals, named }
  }

  /** Where a posture is asked for: the devices that meet it one by one, and what is behind routers. */
  #writeMeeting(): Written {
    const literals = new Set<string>()
    const named = new BitSet()
    const { behind } = this.#routes
    for (const { selector, addresses, nodes } of this.selected) {
      const routed = isEverything(selector) ? behind : addresses?.intersection(behind)
      for (const range of routed?.ranges() ?? []) literals.add(formatRange(range))
      if (addresses === undefined) named.addAll(nodes)
      else
        for (const slot of nodes)
          if (this.admits(slot))
            for (const ip of addressesOf(this.#selection.node(slot) as PolicyNode))
              if (addresses.contains(ip)) literals.add(formatIp(ip))
    }
    named.keepAll(this.admitted)
    return { literals, named }
  }

  /** With nodes of which both addresses are literally there among those that are named. */
  #gathered({ literals, named }: Written): Writing {
    if (literals.size === 0) return { literals: '', named }
    const all = named.clone()
    const others = [...literals].filter((text) => {
      const ip = parseIp(text)
      const own = ip && this.#selection.at(ip)
      if (own === undefined) return true
      if (addressesOf(own).every((address) => literals.has(formatIp(address)))) all.add(own.slot)
      return !all.has(own.slot)
    })
    return { literals: others.sort().join(), named: all }
  }
}

function put(set: BitSet, slot: number, is: boolean): void {
  if (is) set.add(slot)
  else set.delete(slot)
}

/** Literally what was written: a prefix with its length, an address without. */
export function literal(prefix: Prefix): string {
  return isSingleIp(prefix) ? formatIp(prefix.ip) : formatPrefix(maskPrefix(prefix))
}
