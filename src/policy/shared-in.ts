/**
 * What devices of other tailnets may do with the nodes that are shared to them, by the rules that there are. Admitted
 * by `autogroup:shared`, `*` or their login, and by their addresses where these are written; only to the node itself,
 * and out through it where the invitation says so; whatever postures ask; and never the other way. (policy.md §15.11)
 *
 * Such a device is on no list of sources. In the filter of a shared node it stands in rules of its own, and is left
 * out of those for everybody else: a range that happens to have its address would let it in to what is behind the node.
 */

import { parseIp, parsePrefix, prefixOf } from '../base/ip.ts'
import type { Ip, Prefix } from '../base/ip.ts'
import type { Access, Part, Target } from './access.ts'
import { AddressSet, formatRange, INTERNET, prefixesOf, rangeFrom } from './address-set.ts'
import type { FilterRule, WirePorts } from './filter.ts'
import { formatIp, formatPrefix } from '../base/ip.ts'
import type { Selector } from './policy.ts'
import { isDangerAll, isInternet } from './selection.ts'
import type { SharedTo } from './sharees.ts'
import type { PolicyNode } from './tailnet.ts'
import { leadsOut } from './visibility.ts'

/** Does the part name the device, by this address? Nothing is asked of it besides. */
export function admitsDevice({ self, sources }: Part, { login }: SharedTo, ip: Ip): boolean {
  if (self) return false
  return sources.selected.some(({ selector, addresses }) => {
    if (addresses !== undefined) return addresses.contains(ip)
    return isNamedSharee(selector, login)
  })
}

/** Does a selector, not one of addresses, name the devices of this person of another tailnet? */
export function isNamedSharee(selector: Selector, login: string): boolean {
  if (selector.kind === 'user') return selector.login.toLowerCase() === login.toLowerCase()
  return (
    selector.kind === 'any' ||
    isDangerAll(selector) ||
    (selector.kind === 'autogroup' && selector.autogroup === 'shared')
  )
}

/** What of the node is shared: its own addresses, and as an exit node the internet. */
export function sharedAddresses({ ipv4, ipv6, routes }: PolicyNode, { exitNode }: SharedTo): AddressSet {
  const set = AddressSet.of(prefixOf(ipv4), prefixOf(ipv6))
  if (exitNode)
    for (const range of INTERNET.ranges())
      if (routes.some(({ bits, ip }) => bits === 0 && ip.family === range.family)) set.add(range)
  return set
}

/** What of that a target of a part leads to. */
export function ledTo(part: Part, target: Target, node: PolicyNode, shared: SharedTo): AddressSet {
  const { selector, addresses } = target.selected
  if (!part.reach.leads(target, node)) return new AddressSet()
  const all = sharedAddresses(node, shared)
  if (addresses !== undefined) return all.intersection(addresses)
  return selector.kind === 'any' ? all : AddressSet.of(prefixOf(node.ipv4), prefixOf(node.ipv6))
}

/** Do the node and the device know of each other? They do when some rule leads from the device to what is shared. */
export function isSeen(access: Access, node: PolicyNode, shared: SharedTo): boolean {
  return access
    .receiving(node)
    .some(
      (part) =>
        admitsSome(part, shared) &&
        part.targets.some((target) => ledTo(part, target, node, shared).ranges().length > 0),
    )
}

/** The exit routes of the node that the device is told of; subnets are not shared. */
export function sharedRoutes(access: Access, node: PolicyNode, shared: SharedTo): Prefix[] {
  if (!shared.exitNode) return []
  const mayExit = access
    .receiving(node)
    .some(
      (part) =>
        admitsSome(part, shared) && part.targets.some((target) => leadsOut(target) && part.reach.leads(target, node)),
    )
  return mayExit ? node.routes.filter(({ bits }) => bits === 0) : []
}

/** The same of any of its addresses. */
export function admitsSome(part: Part, shared: SharedTo): boolean {
  return admittedIps(part, shared).length > 0
}

function admittedIps(part: Part, shared: SharedTo): Ip[] {
  return [shared.device.ipv4, shared.device.ipv6].filter((ip) => admitsDevice(part, shared, ip))
}

/** The rules of a shared node, with those to whom it is shared in rules of their own. */
export function withSharees(
  access: Access,
  node: PolicyNode,
  rules: readonly FilterRule[],
  shared: readonly SharedTo[],
): FilterRule[] {
  const theirs = AddressSet.of(...shared.flatMap(({ device }) => [prefixOf(device.ipv4), prefixOf(device.ipv6)]))
  const parts = access.receiving(node)
  // Whoever may do the same stands in the same rules.
  const all = [false, true].flatMap((exits) => {
    const some = shared.filter(({ exitNode }) => exitNode === exits)
    return some.length === 0 ? [] : parts.flatMap((part) => shareeRules(part, node, some))
  })
  return [...rules.flatMap((rule) => withoutThem(rule, theirs)), ...merged(all)]
}

/** @param shared to all of them the same is shared */
function shareeRules(part: Part, node: PolicyNode, shared: readonly SharedTo[]): FilterRule[] {
  const SrcIPs = shared.flatMap((one) => admittedIps(part, one)).map(formatIp)
  const [first] = shared
  if (SrcIPs.length === 0 || first === undefined) return []
  const byProtocol = new Map<number | undefined, WirePorts[]>()
  const dsts = new Set<string>()
  for (const target of part.targets) {
    const ranges = ledTo(part, target, node, first).ranges()
    for (const { protocol, ports } of target.destination.traffic) {
      const open = byProtocol.get(protocol) ?? []
      byProtocol.set(protocol, open)
      for (const IP of ranges.map(formatRange))
        for (const { first: First, last: Last } of ports) open.push({ IP, Ports: { First, Last } })
    }
    if (!isInternet(target.selected.selector))
      for (const one of ranges.flatMap(prefixesOf)) if (isOwn(node, one)) dsts.add(formatPrefix(one))
  }
  const rules: FilterRule[] = [...byProtocol].flatMap(([protocol, DstPorts]) =>
    DstPorts.length === 0 ? [] : [{ SrcIPs, ...(protocol === undefined ? {} : { IPProto: [protocol] }), DstPorts }],
  )
  if (part.rule.app.size > 0 && !part.reach.isVia && dsts.size > 0)
    rules.push({ SrcIPs, CapGrant: [{ Dsts: [...dsts], CapMap: Object.fromEntries(part.rule.app) }] })
  return rules
}

function isOwn({ ipv4, ipv6 }: PolicyNode, { ip }: Prefix): boolean {
  return [ipv4, ipv6].some((own) => own.family === ip.family && own.value === ip.value)
}

/** Those of ports with equal sources and protocol are one. (policy.md §15.3) */
function merged(rules: readonly FilterRule[]): FilterRule[] {
  const first = new Map<string, { rule: FilterRule; ports: WirePorts[] }>()
  const all: { rule: FilterRule; ports: WirePorts[] }[] = []
  for (const rule of rules) {
    const key = JSON.stringify([rule.SrcIPs, rule.IPProto])
    const before = rule.DstPorts === undefined ? undefined : first.get(key)
    if (before !== undefined) before.ports.push(...(rule.DstPorts ?? []))
    else {
      const one = { rule, ports: [...(rule.DstPorts ?? [])] }
      all.push(one)
      if (rule.DstPorts !== undefined) first.set(key, one)
    }
  }
  return all.map(({ rule, ports }) => (rule.DstPorts === undefined ? rule : { ...rule, DstPorts: ports }))
}

/** The rule with these addresses cut out of its sources; nothing where no source is left. */
function withoutThem(rule: FilterRule, theirs: AddressSet): FilterRule[] {
  let isCut = false
  const SrcIPs = rule.SrcIPs.flatMap((text) => {
    const set = addressesIn(text)
    if (set === undefined || !theirs.ranges().some((range) => set.overlaps(range))) return [text]
    isCut = true
    for (const range of theirs.ranges()) set.remove(range)
    return set.ranges().map(formatRange)
  })
  if (!isCut) return [rule]
  return SrcIPs.length === 0 ? [] : [{ ...rule, SrcIPs }]
}

/** What a source in a filter stands for; `undefined`: a name. */
function addressesIn(text: string): AddressSet | undefined {
  if (text === '*') return AddressSet.of(...EVERYTHING)
  const whole = parsePrefix(text)
  if (whole !== undefined) return AddressSet.of(whole)
  const [first, last] = text.split('-').map((end) => parseIp(end))
  if (first === undefined) return undefined
  const set = new AddressSet()
  set.add(
    last === undefined ? rangeFrom(prefixOf(first)) : { family: first.family, first: first.value, last: last.value },
  )
  return set
}

const EVERYTHING = (['0.0.0.0', '::'] as const).map((text): Prefix => ({ ip: parseIp(text) as Ip, bits: 0 }))
