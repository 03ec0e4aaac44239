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

export class Filters {
  readonly #access: Access
  readonly #selection: Selection

  constructor(access: Access, selection: Selection) {
    this.#access = access
    this.#selection = selection
  }

  /** Empty: nothing is allowed. */
  of(node: PolicyNode): FilterRule[] {
    const rules: FilterRule[] = []
    const places = new Map<string, number>()
    for (const part of this.#access.parts) {
      if (part.reach.nodes.has(node.slot)) {
        const from = this.#sources(part, node)
        if (from.texts.length > 0)
          for (const traffic of protocols(part)) this.#allow(rules, places, part, node, from, traffic)
        this.#grant(rules, part, node, from)
      }
      this.#companions(rules, part, node)
    }
    return rules
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

  /** Rules with equal sources and protocol are one, where the first of them stands; nothing is left out. */
  #allow(
    rules: FilterRule[],
    places: Map<string, number>,
    part: Part,
    node: PolicyNode,
    from: From,
    protocol: number | undefined,
  ): void {
    const ports: WirePorts[] = []
    for (const target of part.targets) {
      if (!part.reach.leads(target, node)) continue
      const { destination } = target
      const allowed = destination.traffic.filter((t) => t.protocol === protocol).flatMap((t) => t.ports)
      for (const IP of targetTexts(destination.target, target.selected.addresses?.ranges().map(formatRange), node))
        for (const range of allowed) ports.push({ IP, Ports: wirePorts(range) })
    }
    if (ports.length === 0) return
    const key = `${protocol ?? ''} ${from.key}`
    const place = places.get(key)
    const before = place === undefined ? undefined : rules[place]
    const rule = {
      SrcIPs: from.texts,
      ...(protocol === undefined ? {} : { IPProto: [protocol] }),
      DstPorts: [...(before?.DstPorts ?? []), ...ports],
    }
    if (place !== undefined) rules[place] = rule
    else {
      places.set(key, rules.length)
      rules.push(rule)
    }
  }

  /** Capability grants are never put together; a `via` grant has none. (policy.md §15.3, §15.7) */
  #grant(rules: FilterRule[], part: Part, node: PolicyNode, from: From): void {
    const { app, sources } = part.rule
    if (app.size === 0 || part.reach.isVia || sources.length === 0) return
    rules.push({ SrcIPs: from.texts, CapGrant: [{ Dsts: grantDsts(part, node), CapMap: Object.fromEntries(app) }] })
  }

  #companions(rules: FilterRule[], part: Part, node: PolicyNode): void {
    const { app } = part.rule
    if (!hasCompanion(part) || !part.sources.admitted.has(node.slot)) return
    if (part.self && !part.reach.nodes.has(node.slot)) return
    const texts = part.self ? this.#addresses(this.#selection.devicesOfOwner(node)) : part.reversed.texts
    for (const capability of [...app.keys()].sort()) {
      const companion = COMPANIONS.get(capability)
      if (companion === undefined) continue
      const Dsts = addressesOf(node).map(single)
      rules.push({ SrcIPs: texts, CapGrant: [{ Dsts, CapMap: { [companion]: null } }] })
    }
  }
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
