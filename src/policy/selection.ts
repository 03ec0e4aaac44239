/**
 * Which nodes every selector of a policy names, as bit sets that follow the tailnet: a node that changes flips its
 * bits in the selectors that it enters or leaves, and costs nothing in the others. Each node knows what names it, so
 * that whoever wants its rules needn't go through those of all others (by-selector.ts). (policy.md §3)
 *
 * A selector of addresses means something else in `src` than in `dst`, so each is watched by side.
 */

import { CGNAT } from '../base/address-plan.ts'
import { BitSet } from '../base/bit-set.ts'
import { formatIp, isSingleIp, prefix, prefixCovers, prefixOf } from '../base/ip.ts'
import type { Family, Ip, Prefix } from '../base/ip.ts'
import { listed } from '../base/listed.ts'
import { AddressSet, INTERNET, rangeFrom } from './address-set.ts'
import { IpSets } from './ipsets.ts'
import { domainOf, namesOf, People, syncedName } from './people.ts'
import type { Policy, Selector } from './policy.ts'
import { meetsOne } from './postures.ts'
import { addressesOf as addressesOfService, Services } from './services.ts'
import type { PolicyNode, PolicyUser } from './tailnet.ts'

export type Side = 'source' | 'destination'

/** The nodes that one selector names, on one side of a rule. The sets change in place. */
export class Selected {
  /** Its place among all there are, from 0. */
  readonly number: number
  readonly selector: Selector
  readonly side: Side
  /** For selectors of addresses: which. */
  readonly addresses: AddressSet | undefined
  /** By who they are, or because an own address is named. */
  readonly nodes = new BitSet()
  /** Routers behind which something is that is named. */
  readonly routed = new BitSet()
  /** Both of these. */
  readonly touched = new BitSet()

  constructor(number: number, selector: Selector, side: Side, addresses: AddressSet | undefined) {
    this.number = number
    this.selector = selector
    this.side = side
    this.addresses = addresses
  }
}

/** The nodes that meet one of some postures. */
export class Meeting {
  readonly postures: readonly string[]
  readonly nodes = new BitSet()

  constructor(postures: readonly string[]) {
    this.postures = postures
  }
}

export class Selection {
  readonly #policy: Policy
  readonly people: People
  readonly services: Services
  readonly #ipsets: IpSets
  readonly #nodes: (PolicyNode | undefined)[] = []
  /** By slot: the selectors that name the node, or something behind it. */
  readonly #namers: (readonly Selected[] | undefined)[] = []
  /** By slot: the texts of its addresses, once somebody has asked for them. */
  readonly #texts: (readonly string[] | undefined)[] = []
  /** Whose address it is: by family and value, the slot. */
  readonly #addresses: Readonly<Record<Family, Map<bigint, number>>> = { 4: new Map(), 6: new Map() }
  /** Untagged nodes, by the number of their user, as a set and, since they are few, as slots in rising order. */
  readonly #devices = new Map<number, { readonly set: BitSet; slots: readonly number[] }>()
  readonly #watched = new Map<string, Selected>()
  readonly #meetings = new Map<string, Meeting>()
  // Where a node may belong, by what it is.
  readonly #everywhere: Selected[] = []
  readonly #byLogin = new Map<string, Selected[]>()
  readonly #byDomain = new Map<string, Selected[]>()
  /** By group of an identity provider. */
  readonly #bySynced = new Map<string, Selected[]>()
  readonly #byTag = new Map<string, Selected[]>()
  /** Selectors of one address each, by its text of family and value. */
  readonly #byAddress = new Map<string, Selected[]>()
  readonly #singles: Selected[] = []
  readonly #ranges: Selected[] = []

  constructor(policy: Policy, services = new Services()) {
    this.#policy = policy
    this.services = services
    this.people = new People(policy)
    this.#ipsets = new IpSets(policy)
  }

  node(slot: number): PolicyNode | undefined {
    return this.#nodes[slot]
  }

  /** Whose own address it is. */
  at(ip: Ip): PolicyNode | undefined {
    const slot = this.#addresses[ip.family].get(ip.value)
    return slot === undefined ? undefined : this.#nodes[slot]
  }

  /** The selectors that name the node itself, or something behind it, on either side; each once. */
  namers(slot: number): readonly Selected[] {
    return this.#namers[slot] ?? []
  }

  /** Its addresses as texts, IPv4 first. */
  texts(slot: number): readonly string[] {
    return (this.#texts[slot] ??= addressesOf(this.#nodes[slot]).map(formatIp))
  }

  /** Those who are there. */
  *all(): Generator<PolicyNode> {
    for (const node of this.#nodes) if (node !== undefined) yield node
  }

  /** The untagged nodes of the user whose node this is; none for a tagged one. */
  devicesOfOwner(node: PolicyNode): BitSet {
    return (node.tags.length === 0 ? this.#devices.get(node.user.id)?.set : undefined) ?? NO_NODES
  }

  /** Their slots, in rising order. */
  slotsOfOwner(node: PolicyNode): readonly number[] {
    return (node.tags.length === 0 ? this.#devices.get(node.user.id)?.slots : undefined) ?? NOTHING
  }

  /** The nodes that a selector names; the same object for selectors that mean the same. */
  watch(selector: Selector, side: Side): Selected {
    const key = `${side} ${meaning(selector)}`
    let selected = this.#watched.get(key)
    if (selected === undefined) {
      selected = new Selected(this.#watched.size, selector, side, this.#addressesOf(selector, side))
      this.#watched.set(key, selected)
      this.#register(selected)
      for (const { slot } of this.all())
        if (this.#put(selected, slot)) this.#namers[slot] = [...this.namers(slot), selected]
    }
    return selected
  }

  /** The nodes that meet one of the postures; the same object for the same postures. */
  meeting(postures: readonly string[]): Meeting {
    const key = postures.join()
    let meeting = this.#meetings.get(key)
    if (meeting === undefined) {
      this.#meetings.set(key, (meeting = new Meeting(postures)))
      for (const node of this.all()) this.#meet(meeting, node.slot, node)
    }
    return meeting
  }

  /** A node came, changed or (`undefined`) went. Returns what names it otherwise than before. */
  set(slot: number, after: PolicyNode | undefined): Flipped {
    const before = this.#nodes[slot]
    this.#nodes[slot] = after
    this.#readdress(slot, before, after)
    this.#own(before, slot, false)
    this.#own(after, slot, true)
    const selected: Selected[] = []
    if (before === undefined || after === undefined || !isNamedAlike(before, after)) {
      const namers: Selected[] = []
      const possible = this.#candidates(after)
      for (const one of possible) {
        if (this.#put(one, slot)) selected.push(one)
        if (one.touched.has(slot)) namers.push(one)
      }
      for (const one of this.namers(slot)) if (!possible.has(one) && this.#put(one, slot)) selected.push(one)
      this.#namers[slot] = namers
    }
    const meetings: Meeting[] = []
    if (before?.attributes !== after?.attributes)
      for (const meeting of this.#meetings.values()) if (this.#meet(meeting, slot, after)) meetings.push(meeting)
    return { selected, meetings }
  }

  /** Would everything name the node, as it is then, that names it now? And is it the same person's? */
  leavesAlone(slot: number, after: PolicyNode | undefined): boolean {
    const before = this.#nodes[slot]
    if (before === undefined || after === undefined) return before === after
    if (!isNamedAlike(before, after) || before.user.id !== after.user.id) return false
    for (const { nodes, postures } of this.#meetings.values())
      if (nodes.has(slot) !== meetsOne(this.#policy, postures, after.attributes)) return false
    return true
  }

  /** Returns whether it was otherwise before. */
  #meet({ nodes, postures }: Meeting, slot: number, node: PolicyNode | undefined): boolean {
    const meets = node !== undefined && meetsOne(this.#policy, postures, node.attributes)
    if (nodes.has(slot) === meets) return false
    if (meets) nodes.add(slot)
    else nodes.delete(slot)
    return true
  }

  #readdress(slot: number, before: PolicyNode | undefined, after: PolicyNode | undefined): void {
    if (before !== undefined && after !== undefined && !hasMoved(before, after)) return
    this.#texts[slot] = undefined
    for (const { family, value } of addressesOf(before))
      if (this.#addresses[family].get(value) === slot) this.#addresses[family].delete(value)
    for (const { family, value } of addressesOf(after)) this.#addresses[family].set(value, slot)
  }

  #own(node: PolicyNode | undefined, slot: number, has: boolean): void {
    if (node === undefined || node.tags.length > 0) return
    let devices = this.#devices.get(node.user.id)
    if (devices === undefined) this.#devices.set(node.user.id, (devices = { set: new BitSet(), slots: [] }))
    const others = devices.slots.filter((other) => other !== slot)
    devices.slots = has ? [...others, slot].sort((a, b) => a - b) : others
    if (has) devices.set.add(slot)
    else devices.set.delete(slot)
  }

  #addressesOf(selector: Selector, side: Side): AddressSet | undefined {
    if (selector.kind === 'prefix') return AddressSet.of(selector.prefix)
    if (selector.kind === 'ipset') return this.#ipsets.addresses(selector.ipset)
    if (selector.kind === 'autogroup' && selector.autogroup === 'internet') return INTERNET
    // A Service opens no connections.
    if (selector.kind === 'service' && side === 'destination') return this.services.addresses(selector.service)
    return undefined
  }

  #register(selected: Selected): void {
    const { selector, addresses } = selected
    if (selector.kind === 'prefix' && isSingleIp(selector.prefix)) {
      listed(this.#byAddress, addressKey(selector.prefix.ip)).push(selected)
      this.#singles.push(selected)
    } else if (addresses !== undefined) this.#ranges.push(selected)
    else if (selector.kind === 'tag') listed(this.#byTag, selector.tag).push(selected)
    else if (selector.kind === 'any' || selector.kind === 'autogroup') this.#everywhere.push(selected)
    const { logins, domains, synced } = this.people.named(selector)
    for (const login of logins) listed(this.#byLogin, login).push(selected)
    for (const domain of domains) listed(this.#byDomain, domain).push(selected)
    for (const group of synced) listed(this.#bySynced, group).push(selected)
  }

  /** Every selector that may have to do with a node as it is. */
  #candidates(node: PolicyNode | undefined): Set<Selected> {
    const into = new Set<Selected>()
    if (node === undefined) return into
    const take = (list: readonly Selected[] | undefined): void => {
      for (const selected of list ?? NOTHING) into.add(selected)
    }
    take(this.#everywhere)
    if (this.#singles.length > 0) for (const ip of addressesOf(node)) take(this.#byAddress.get(addressKey(ip)))
    take(this.#ranges)
    if (node.routes.length > 0 || this.services.hostedBy(node).length > 0) take(this.#singles)
    for (const tag of node.tags) take(this.#byTag.get(tag))
    if (node.tags.length > 0) return into
    for (const name of namesOf(node.user)) take(this.#byLogin.get(name))
    take(this.#byDomain.get(domainOf(node.user.login.toLowerCase())))
    if (this.#bySynced.size > 0) for (const group of node.user.groups ?? NOTHING) take(this.#bySynced.get(group))
    return into
  }

  #match({ selector, addresses, side }: Selected, node: PolicyNode): Match {
    const hosted = side === 'destination' ? this.services.hostedBy(node) : NOTHING
    if (selector.kind === 'service')
      return { nodes: false, routed: hosted.some(({ name }) => name === selector.service) }
    if (addresses === undefined) {
      const routed = isEverything(selector) && (routesAnything(node, side) || hosted.length > 0)
      return { nodes: this.#isMember(selector, node), routed }
    }
    const match = addressMatch(addresses, selector, side, node)
    if (match.routed || !hosted.some((service) => addressesOfService(service).some((ip) => addresses.contains(ip))))
      return match
    return { nodes: match.nodes, routed: true }
  }

  #isMember(selector: Selector, node: PolicyNode): boolean {
    const tagged = node.tags.length > 0
    if (selector.kind === 'any') return true
    if (selector.kind === 'tag') return node.tags.includes(selector.tag)
    if (selector.kind === 'autogroup') {
      if (isDangerAll(selector)) return true
      if (selector.autogroup === 'tagged') return tagged
      if (selector.autogroup === 'self') return !tagged
    }
    return !tagged && this.people.includes(selector, node.user)
  }

  /** Sees to it that the selector names the node of this slot as it should. Returns whether it did not before. */
  #put(selected: Selected, slot: number): boolean {
    const node = this.#nodes[slot]
    const { nodes, routed } = node === undefined ? NEITHER : this.#match(selected, node)
    if (selected.nodes.has(slot) === nodes && selected.routed.has(slot) === routed) return false
    if (nodes) selected.nodes.add(slot)
    else selected.nodes.delete(slot)
    if (routed) selected.routed.add(slot)
    else selected.routed.delete(slot)
    if (nodes || routed) selected.touched.add(slot)
    else selected.touched.delete(slot)
    return true
  }
}

/** What has come to name a node, or no longer does. */
export interface Flipped {
  readonly selected: readonly Selected[]
  readonly meetings: readonly Meeting[]
}

/** A node's own addresses; none of one that isn't there. */
export function addressesOf(node: PolicyNode | undefined): readonly Ip[] {
  return node === undefined ? [] : [node.ipv4, node.ipv6]
}

/** True only where nothing differs by which selectors go. */
function isNamedAlike(a: PolicyNode, b: PolicyNode): boolean {
  const isSame = (x: readonly unknown[], y: readonly unknown[]): boolean => x === y || x.length + y.length === 0
  const { login, role } = a.user
  return (
    a.id === b.id &&
    !hasMoved(a, b) &&
    isSame(a.routes, b.routes) &&
    isSame(a.tags, b.tags) &&
    login === b.user.login &&
    role === b.user.role &&
    hasSameGroups(a.user, b.user)
  )
}

/** Do identity providers put both in the same groups? */
export function hasSameGroups({ groups: a = NOTHING }: PolicyUser, { groups: b = NOTHING }: PolicyUser): boolean {
  return a === b || (a.length === b.length && a.every((group, i) => group === b[i]))
}

/** Do the two have other addresses? */
export function hasMoved(before: PolicyNode, after: PolicyNode): boolean {
  return before.ipv4.value !== after.ipv4.value || before.ipv6.value !== after.ipv6.value
}

interface Match {
  readonly nodes: boolean
  readonly routed: boolean
}
const NOTHING: readonly never[] = []
const NO_NODES = new BitSet()
const NEITHER: Match = { nodes: false, routed: false }
const LOOPBACK = [prefix('127.0.0.0/8'), prefix('::1/128')]

/** policy.md §15.4 for destinations, §15.8 for sources. */
function addressMatch(addresses: AddressSet, selector: Selector, side: Side, node: PolicyNode): Match {
  const own = !isInternet(selector) && (addresses.contains(node.ipv4) || addresses.contains(node.ipv6))
  return { nodes: own, routed: node.routes.some((route) => leadsTo(route, selector, addresses, side)) }
}

/** Does a node with this route stand for some of the addresses? */
function leadsTo(route: Prefix, selector: Selector, addresses: AddressSet, side: Side): boolean {
  if (route.bits > 0) return !isInternet(selector) && isUsefulRoute(route) && addresses.overlaps(rangeFrom(route))
  // An exit node carries what is in the internet, and only towards it.
  return side === 'destination' && isPublic(addresses, route.ip.family)
}

/** Is something behind the node, of which it is enough that it is there? Nothing is sent from behind an exit node. */
function routesAnything({ routes }: PolicyNode, side: Side): boolean {
  return side === 'destination' ? routes.length > 0 : routes.some(isUsefulRoute)
}

/** Does the selector name all addresses there are? */
export function isEverything(selector: Selector): boolean {
  return selector.kind === 'any' || isDangerAll(selector)
}

export function isDangerAll(selector: Selector): boolean {
  return selector.kind === 'autogroup' && selector.autogroup === 'danger-all'
}

export function isInternet(selector: Selector): boolean {
  return selector.kind === 'autogroup' && selector.autogroup === 'internet'
}

function isPublic(addresses: AddressSet, family: 4 | 6): boolean {
  return addresses.ranges().some((range) => range.family === family && INTERNET.overlaps(range))
}

/** Routes inside the range of the nodes' own addresses, or to the machine itself, never become rules. (policy.md §15.8) */
export function isUsefulRoute(route: Prefix): boolean {
  return route.bits > 0 && ![CGNAT, ...LOOPBACK].some((own) => prefixCovers(own, route))
}

/** Equal for selectors that mean the same, however they are written. */
export function meaning(selector: Selector): string {
  switch (selector.kind) {
    case 'any':
      return '*'
    case 'user':
      return `user ${selector.login.toLowerCase()}`
    case 'domain':
      return `domain ${selector.domain.toLowerCase()}`
    case 'group':
      return selector.group
    case 'synced-group':
      return `synced ${syncedName(selector.group)}`
    case 'tag':
      return selector.tag
    case 'autogroup':
      return `autogroup:${selector.autogroup}`
    case 'prefix':
      return `${addressKey(prefixOf(selector.prefix.ip).ip)}/${selector.prefix.bits}`
    case 'ipset':
      return selector.ipset
    default:
      return selector.service
  }
}

function addressKey(ip: Ip): string {
  return `${ip.family} ${ip.value}`
}
