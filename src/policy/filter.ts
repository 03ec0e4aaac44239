/** The packet filter of one node: the parts of the policy that lead to it, as clients read rules. (policy.md §15) */

import { formatIp, formatPrefix } from '../base/ip.ts'
import { inOrder } from './access.ts'
import type { Access, Part, Target } from './access.ts'
import { formatRange, prefixesOf } from './address-set.ts'
import { AlikeLists } from './alike.ts'
import type { Alike } from './alike.ts'
import { goesByName } from './capability-sources.ts'
import type { CapabilitySources } from './capability-sources.ts'
import { COMPANIONS, hasCompanion } from './companions.ts'
import type { PortRange, Traffic } from './policy.ts'
import { addressesOf, isInternet } from './selection.ts'
import type { Selection } from './selection.ts'
import { literal } from './sources.ts'
import type { Sources } from './sources.ts'
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

/** Where rules come from. */
interface From {
  readonly texts: readonly string[]
  /** The lists that write the same; absent: none, or they don't matter. */
  readonly alike: Alike | undefined
  /** Where rules between one's own devices that have the same sources stand, by protocol. */
  readonly own: Map<number | undefined, number> | undefined
}
/** The same of some of one's own devices. */
interface FromOwn extends From {
  readonly slots: readonly number[]
}

/** Places by protocol. */
type Places = ReadonlyMap<number | undefined, number>
/** A protocol, the place of its rules, and what they open. */
type Opened = readonly [protocol: number | undefined, place: number, ports: WirePorts[]]

/** A rule and where it stands among all that the policy comes to. */
interface Placed {
  readonly place: number
  readonly rule: FilterRule
}

export class Filters {
  readonly #access: Access
  readonly #selection: Selection
  readonly #capabilities: CapabilitySources
  /** Of each part, where its rules of each protocol would stand if they were the only ones. */
  readonly #places = new Map<Part, Places>()
  /** Of each list of sources, where its first rules of each protocol do. */
  readonly #first = new Map<Sources, Map<number | undefined, number>>()
  readonly #alike = new AlikeLists()

  constructor(access: Access, selection: Selection, capabilities: CapabilitySources) {
    this.#access = access
    this.#selection = selection
    this.#capabilities = capabilities
  }

  /** Takes in a part that was added behind all others. */
  add(part: Part): void {
    const places = new Map([...protocols(part)].map((protocol, i) => [protocol, part.index * STEP + i]))
    this.#places.set(part, places)
    if (!isOrdinary(part)) return
    let first = this.#first.get(part.sources)
    if (first === undefined) {
      this.#first.set(part.sources, (first = new Map()))
      this.#alike.reconsider(part.sources)
    }
    for (const [protocol, place] of places) if (!first.has(protocol)) first.set(protocol, place)
  }

  /** The list may write something else than it did. */
  reconsider(list: Sources): void {
    if (this.#first.has(list)) this.#alike.reconsider(list)
  }

  /** Finds out now, list by list, what the first to ask would have to wait for. */
  settling(): Iterable<unknown> {
    return this.#alike.settling()
  }

  /** Empty: nothing is allowed. */
  of(node: PolicyNode): FilterRule[] {
    const rules: Placed[] = []
    const open = new Map<number, WirePorts[]>()
    const put = (place: number, texts: readonly string[], protocol: number | undefined, ports: WirePorts[]): void => {
      const before = open.get(place)
      if (before !== undefined) before.push(...ports)
      else if (ports.length > 0) {
        open.set(place, ports)
        rules.push({ place, rule: allow(texts, protocol, ports) })
      }
    }
    const owns: FromOwn[] = []
    for (const part of inOrder(this.#access.receiving(node), this.#access.telling(node))) {
      // What is not about ports stands behind what is, and comes once.
      const behind = (part.index + 1) * STEP
      if (part.reach.includes(node.slot)) {
        for (const [protocol, place, ports] of this.#byName(part, node))
          put(place, part.sources.namedTexts, protocol, ports)
        const addressed = this.#byAddress(part, node)
        if (addressed.length > 0 || part.rule.app.size > 0) {
          const from = this.#from(part, node, owns)
          if (from.texts.length > 0)
            for (const [protocol, alone, ports] of addressed)
              put(this.#place(part, from, protocol, alone), from.texts, protocol, ports)
          const grant = grantOf(part, node, from.texts)
          if (grant !== undefined) rules.push({ place: behind - 1, rule: grant })
        }
      }
      for (const rule of this.#companions(part, node)) rules.push({ place: behind - 1, rule })
    }
    return rules.sort((a, b) => a.place - b.place).map(({ rule }) => rule)
  }

  /** What of the part is by address at this node: each protocol, where its rules would stand, and what they open. */
  #byAddress(part: Part, node: PolicyNode): Opened[] {
    const opened: Opened[] = []
    for (const [protocol, alone] of this.#places.get(part) as Places) {
      const ports = this.#ports(part, node, protocol, false)
      // Also without ports, rules between one's own devices decide where later ones stand.
      if (ports.length > 0 || part.self) opened.push([protocol, alone, ports])
    }
    return opened
  }

  /** What is by name: one with what has the same list of sources, and nothing else. */
  #byName(part: Part, node: PolicyNode): Opened[] {
    const opened: Opened[] = []
    if (!this.#capabilities.isByName(part, node)) return opened
    for (const [protocol, alone] of this.#places.get(part) as Places) {
      const first = this.#first.get(part.sources)?.get(protocol) ?? alone
      const ports = this.#ports(part, node, protocol, true)
      if (ports.length > 0) opened.push([protocol, first + BY_NAME, ports])
    }
    return opened
  }

  /**
   * Rules with equal sources and protocol are one, and stand where the first of them does in the whole policy,
   * whether or not that one leads to the node. Those with `via` keep to themselves. (policy.md §15.3)
   * Those between one's own devices are one with whatever happens to have the same sources.
   *
   * @param alone where the rules of the part would stand
   */
  #place({ self }: Part, { alike, own }: From, protocol: number | undefined, alone: number): number {
    let place = Math.min(alone, own?.get(protocol) ?? alone)
    for (const list of alike?.lists ?? []) place = Math.min(place, this.#first.get(list)?.get(protocol) ?? place)
    if (self) own?.set(protocol, place)
    return place
  }

  #from(part: Part, node: PolicyNode, owns: FromOwn[]): From {
    if (part.self) return this.#fromOwn(this.#access.ownSources(part, node), owns)
    const { texts } = part.sources
    if (!isOrdinary(part)) return { texts, alike: undefined, own: undefined }
    const alike = this.#alike.of(part.sources)
    return { texts, alike, own: owns.find((other) => other.alike === alike)?.own }
  }

  #fromOwn(slots: readonly number[], owns: FromOwn[]): From {
    let from = owns.find((other) => other.slots.length === slots.length && slots.every((n, i) => n === other.slots[i]))
    if (from === undefined) {
      from = { slots, texts: this.#addresses(slots), alike: this.#alike.writing(slots), own: new Map() }
      owns.push(from)
    }
    return from
  }

  #addresses(slots: Iterable<number>): string[] {
    const texts: string[] = []
    for (const slot of slots) texts.push(...this.#selection.texts(slot))
    return texts
  }

  /** What is opened by name, or by address. Nothing is left out, duplicates included. */
  #ports(part: Part, node: PolicyNode, protocol: number | undefined, byName: boolean): WirePorts[] {
    const ports: WirePorts[] = []
    const named = this.#capabilities.isByName(part, node)
    for (const target of part.targets) {
      if (!part.reach.leads(target, node) || byName !== (named && goesByName(target, protocol))) continue
      const allowed = target.destination.traffic.filter((t) => t.protocol === protocol).flatMap((t) => t.ports)
      for (const IP of this.#texts(target, node))
        for (const range of allowed) ports.push({ IP, Ports: wirePorts(range) })
    }
    return ports
  }

  /** Identities come to the node's own addresses; what was written as an address stays as written. (policy.md §15.2) */
  #texts({ destination: { target }, selected: { addresses } }: Target, { slot }: PolicyNode): readonly string[] {
    if (target.kind === 'any') return ['*']
    if (target.kind === 'prefix') return [literal(target.prefix)]
    return addresses?.ranges().map(formatRange) ?? this.#selection.texts(slot)
  }

  /** What those who may use something are told of who serves it, by the names of what they use. */
  #companions(part: Part, node: PolicyNode): FilterRule[] {
    const { app } = part.rule
    if (!hasCompanion(part) || !part.sources.admits(node.slot)) return []
    if (part.self && !part.reach.includes(node.slot)) return []
    const texts = part.self ? this.#addresses(this.#selection.slotsOfOwner(node)) : part.reversed.texts
    return [...app.keys()].sort().flatMap((capability) => {
      const companion = COMPANIONS.get(capability)
      if (companion === undefined) return []
      return [{ SrcIPs: texts, CapGrant: [{ Dsts: addressesOf(node).map(single), CapMap: { [companion]: null } }] }]
    })
  }
}

/** More than a part has protocols. */
const STEP = 512
/** Rules by name stand right behind those by address that have the same list of sources. */
const BY_NAME = 0.5

function allow(texts: readonly string[], protocol: number | undefined, ports: readonly WirePorts[]): FilterRule {
  return { SrcIPs: texts, ...(protocol === undefined ? {} : { IPProto: [protocol] }), DstPorts: ports }
}

/** Capability grants are never put together; a `via` grant has none. (policy.md §15.3, §15.7) */
function grantOf(part: Part, node: PolicyNode, texts: readonly string[]): FilterRule | undefined {
  const { app, sources } = part.rule
  if (app.size === 0 || part.reach.isVia || sources.length === 0) return undefined
  return { SrcIPs: texts, CapGrant: [{ Dsts: grantDsts(part, node), CapMap: Object.fromEntries(app) }] }
}

/** Is it one with others that have the same sources? */
function isOrdinary({ self, reach }: Part): boolean {
  return !self && !reach.isVia
}

/** In order of first appearance. */
function protocols(part: Part): Set<number | undefined> {
  return new Set(part.targets.flatMap(({ destination }) => destination.traffic.map((t: Traffic) => t.protocol)))
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
