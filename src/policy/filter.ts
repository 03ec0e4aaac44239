/** The packet filter of one node: the parts of the policy that lead to it, as clients read rules. (policy.md §15) */

import { formatIp, formatPrefix } from '../base/ip.ts'
import type { Access, Part } from './access.ts'
import { formatRange, prefixesOf } from './address-set.ts'
import type { PortRange, Selector, Traffic } from './policy.ts'
import type { Selection } from './selection.ts'
import { isInternet } from './selection.ts'
import { addressesOf, keyOf, literal } from './sources.ts'
import type { PolicyNode } from './tailnet.ts'

/** As it goes over the wire (control.md §7.1): `DstPorts` or `CapGrant`, never both. */
export interface FilterRule {
  readonly SrcIPs: readonly string[]
  readonly IPProto?: readonly number[]
  readonly DstPorts?: readonly WirePorts[]
  readonly CapGrant?: readonly {
    readonly Dsts: readonly string[]
    readonly CapMap: Readonly<Record<string, readonly unknown[] | null>>
  }[]
}
export interface WirePorts {
  readonly IP: string
  readonly Ports: { readonly First: number; readonly Last: number }
}

/** Capabilities that the other side is told of too, under another name. (policy.md §5) */
const COMPANIONS: ReadonlyMap<string, string> = new Map([
  ['tailscale.com/cap/drive', 'tailscale.com/cap/drive-sharer'],
  ['tailscale.com/cap/relay', 'tailscale.com/cap/relay-target'],
])

/** Where rules of one node come from: texts and their key, so that rules with the same sources become one. */
interface From {
  readonly key: string
  readonly texts: readonly string[]
}

/** Places by protocol. */
type Places = Map<number | undefined, number>

/** A rule and where it stands among all that the policy comes to. */
interface Placed {
  readonly place: number
  readonly rule: FilterRule
}

export class Filters {
  readonly #access: Access
  readonly #selection: Selection
  /** Of each part, where its rules of each protocol stand. */
  readonly #places = new Map<Part, Places>()
  /** By what `Sources.key` gives: where rules with these sources stand first. */
  readonly #first = new Map<string, Places>()
  /** The selection that the places are those of. */
  #version = -1

  constructor(access: Access, selection: Selection) {
    this.#access = access
    this.#selection = selection
  }

  /** Empty: nothing is allowed. */
  of(node: PolicyNode): FilterRule[] {
    this.#refresh()
    const rules: Placed[] = []
    const open = new Map<number, WirePorts[]>()
    /** Where rules between one's own devices stand, by the devices. */
    const own = new Map<string, Places>()
    for (const [index, part] of this.#access.parts.entries()) {
      // What is not about ports stands behind what is, and comes once.
      const behind = (index + 1) * STEP
      if (part.reach.nodes.has(node.slot)) {
        const from = this.#sources(part, node)
        if (from.texts.length > 0)
          for (const [protocol, usual] of this.#places.get(part) ?? []) {
            const place = part.reach.isVia ? usual : this.#placeAmong(own, part, from.key, protocol, usual)
            const ports = portsOf(part, node, protocol)
            const before = open.get(place)
            if (ports.length === 0) continue
            if (before === undefined) {
              open.set(place, ports)
              rules.push({ place, rule: allow(from.texts, protocol, ports) })
            } else before.push(...ports)
          }
        const grant = grantOf(part, node, from.texts)
        if (grant !== undefined) rules.push({ place: behind - 1, rule: grant })
      }
      for (const rule of this.#companions(part, node)) rules.push({ place: behind - 1, rule })
    }
    return rules.sort((a, b) => a.place - b.place).map(({ rule }) => rule)
  }

  /** Rules between one's own devices are one with those whose sources happen to be the same. */
  #placeAmong(own: Map<string, Places>, part: Part, key: string, protocol: number | undefined, usual: number): number {
    const before = own.get(key)?.get(protocol)
    if (before !== undefined) return Math.min(before, usual)
    if (!part.self) return usual
    const place = Math.min(usual, this.#first.get(key)?.get(protocol) ?? usual)
    known(own, key).set(protocol, place)
    return place
  }

  /**
   * Rules with equal sources and protocol are one, and stand where the first of them does in the whole policy,
   * whether or not that one leads to the node. Those with `via` keep to themselves. (policy.md §15.3)
   */
  #refresh(): void {
    if (this.#version === this.#selection.version) return
    this.#version = this.#selection.version
    this.#first.clear()
    for (const [index, part] of this.#access.parts.entries()) {
      const places: Places = new Map()
      const shared: Places = part.self || part.reach.isVia ? new Map() : known(this.#first, part.sources.key)
      let place = index * STEP
      for (const protocol of protocols(part)) {
        const before = shared.get(protocol)
        if (before === undefined) shared.set(protocol, place)
        places.set(protocol, before ?? place++)
      }
      this.#places.set(part, places)
    }
  }

  #sources(part: Part, node: PolicyNode): From {
    if (!part.self) return { key: part.sources.key, texts: part.sources.texts }
    const admitted = this.#access.admitted(part, node)
    return { key: keyOf([], admitted), texts: this.#addresses(admitted) }
  }

  #addresses(slots: Iterable<number>): string[] {
    const texts: string[] = []
    for (const slot of slots)
      texts.push(...addressesOf(this.#selection.node(slot) as PolicyNode).map((ip) => formatIp(ip)))
    return texts
  }

  /** What those who may use something are told of who serves it, by the names of what they use. */
  #companions(part: Part, node: PolicyNode): FilterRule[] {
    const { app } = part.rule
    if (!hasCompanion(part) || !part.sources.admitted.has(node.slot)) return []
    if (part.self && !part.reach.nodes.has(node.slot)) return []
    const texts = part.self ? this.#addresses(this.#selection.devicesOfOwner(node)) : part.reversed.texts
    return [...app.keys()].sort().flatMap((capability) => {
      const companion = COMPANIONS.get(capability)
      if (companion === undefined) return []
      return [{ SrcIPs: texts, CapGrant: [{ Dsts: addressesOf(node).map(single), CapMap: { [companion]: null } }] }]
    })
  }
}

/** More than a part has protocols. */
const STEP = 512

function known<K, V>(maps: Map<K, Map<V, number>>, key: K): Map<V, number> {
  let map = maps.get(key)
  if (map === undefined) maps.set(key, (map = new Map()))
  return map
}

function allow(texts: readonly string[], protocol: number | undefined, ports: readonly WirePorts[]): FilterRule {
  return { SrcIPs: texts, ...(protocol === undefined ? {} : { IPProto: [protocol] }), DstPorts: ports }
}

/** Nothing is left out, duplicates included. */
function portsOf(part: Part, node: PolicyNode, protocol: number | undefined): WirePorts[] {
  const ports: WirePorts[] = []
  for (const target of part.targets) {
    if (!part.reach.leads(target, node)) continue
    const { destination } = target
    const allowed = destination.traffic.filter((t) => t.protocol === protocol).flatMap((t) => t.ports)
    for (const IP of targetTexts(destination.target, target.selected.addresses?.ranges().map(formatRange), node))
      for (const range of allowed) ports.push({ IP, Ports: wirePorts(range) })
  }
  return ports
}

/** Capability grants are never put together; a `via` grant has none. (policy.md §15.3, §15.7) */
function grantOf(part: Part, node: PolicyNode, texts: readonly string[]): FilterRule | undefined {
  const { app, sources } = part.rule
  if (app.size === 0 || part.reach.isVia || sources.length === 0) return undefined
  return { SrcIPs: texts, CapGrant: [{ Dsts: grantDsts(part, node), CapMap: Object.fromEntries(app) }] }
}

/** Are those who may use something told of by whom they are served? */
export function hasCompanion({ rule: { app }, reach }: Part): boolean {
  return !reach.isVia && [...COMPANIONS.keys()].some((capability) => app.has(capability))
}

/** In order of first appearance. */
function protocols(part: Part): Set<number | undefined> {
  return new Set(part.targets.flatMap(({ destination }) => destination.traffic.map((t: Traffic) => t.protocol)))
}

/** Identities come to the node's own addresses; what was written as an address stays as written. (policy.md §15.2) */
function targetTexts(target: Selector, ranges: readonly string[] | undefined, node: PolicyNode): readonly string[] {
  if (target.kind === 'any') return ['*']
  if (target.kind === 'prefix') return [literal(target.prefix)]
  if (ranges !== undefined) return ranges
  return addressesOf(node).map(formatIp)
}

/** The node's own addresses, and subnets that are behind it as they were written. (policy.md §15.4) */
function grantDsts(part: Part, node: PolicyNode): string[] {
  const dsts = new Set<string>()
  for (const target of part.targets) {
    if (!part.reach.leads(target, node)) continue
    const { selector, addresses, routed } = target.selected
    if (isInternet(selector)) continue
    for (const ip of addressesOf(node)) if (addresses?.contains(ip) ?? true) dsts.add(single(ip))
    // Clients take nothing but prefixes here.
    if (addresses !== undefined && routed.has(node.slot))
      for (const p of addresses.ranges().flatMap(prefixesOf)) dsts.add(formatPrefix(p))
  }
  return [...dsts]
}

function single(ip: PolicyNode['ipv4']): string {
  return `${formatIp(ip)}/${ip.family === 4 ? 32 : 128}`
}

function wirePorts({ first, last }: PortRange): WirePorts['Ports'] {
  return { First: first, Last: last }
}
