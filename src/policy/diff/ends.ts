/**
 * Between what flows are compared: the nodes of a tailnet by slot, and behind them ranges of addresses that routers
 * carry, cut where any rule or route begins or ends, so that one address of a range speaks for all of it.
 */

import { BitSet } from '../../base/bit-set.ts'
import { widthOf } from '../../base/ip.ts'
import type { Family, Ip } from '../../base/ip.ts'
import type { Part, Target } from '../access.ts'
import { INTERNET, rangeFrom } from '../address-set.ts'
import type { AddressRange, AddressSet } from '../address-set.ts'
import type { Engine } from '../engine.ts'
import { carries, NEVER_THROUGH_EXITS } from '../explain/routes.ts'
import { isUsefulRoute } from '../selection.ts'
import type { Sources } from '../sources.ts'
import type { Pace, Steps } from '../steps.ts'
import type { PolicyNode, PolicyService } from '../tailnet.ts'
import { isFor } from '../verdict.ts'
import type { Ends } from './crossings.ts'

/** A range behind routers. `ip` is one of it that is no node's own. */
export interface Place {
  readonly range: AddressRange
  readonly ip: Ip
  /** Some subnet router carries it, so that it may send too; else exit nodes only, or hosts of a Service. */
  readonly sends: boolean
  /** It is an address of this Service. */
  readonly service?: PolicyService
}

/** A place at one of the routers that carry it. */
export interface Arrival {
  readonly node: PolicyNode
  readonly place: Place
}

/** What it takes to take note of a node, and to ask whether a route carries an address, in looks. */
const NODE_LOOKS = 5
const ROUTE_LOOKS = 10

/** The ends of one family, numbered: nodes by slot, then places as sources, or arrivals as targets. */
export class Terrain {
  readonly family: Family
  /** Devices of other tailnets included. */
  readonly nodes: readonly PolicyNode[]
  /** By slot: which of them are. */
  readonly sharees: BitSet
  /** The first number that is no slot. */
  readonly slots: number
  readonly places: readonly Place[]
  readonly arrivals: readonly Arrival[]
  readonly #bySlot: ReadonlyMap<number, PolicyNode>;

  /**
   * Nodes are those of the first engine, and of the others where it lacks one.
   *
   * @param hasPlaces false: what is behind routers, and Services, are left out
   * @param hasSharees false: so are devices of other tailnets
   */
  static *of(
    engines: readonly Engine[],
    family: Family,
    pace: Pace,
    hasPlaces = true,
    hasSharees = true,
  ): Steps<Terrain> {
    const bySlot = new Map<number, PolicyNode>()
    for (const engine of engines)
      for (const node of engine.selection.all()) {
        if (!bySlot.has(node.slot)) bySlot.set(node.slot, node)
        if (pace.spent(NODE_LOOKS)) yield
      }
    const sharees = new BitSet()
    for (const device of hasSharees ? engines.flatMap((engine) => [...engine.sharees.devices]) : []) {
      bySlot.set(device.slot, device)
      sharees.add(device.slot)
    }
    const nodes = [...bySlot.values()].sort((a, b) => a.slot - b.slot)
    const own = nodes.filter(({ slot }) => !sharees.has(slot))
    const routers = own.filter(({ routes }) => routes.some((route) => route.ip.family === family))
    const places = hasPlaces ? yield* placesOf(engines, routers, family, pace) : []
    const arrivals: Arrival[] = []
    for (const place of places)
      for (const node of routers) {
        if (node.routes.some((route) => carries(route, place.ip))) arrivals.push({ node, place })
        if (pace.spent(node.routes.length * ROUTE_LOOKS)) yield
      }
    const vips = hasPlaces ? servicePlaces(engines, family) : []
    for (const place of vips)
      for (const node of own) {
        if (engines.some(({ services }) => services.isHost(node, place.service.name))) arrivals.push({ node, place })
        if (pace.spent(NODE_LOOKS)) yield
      }
    return new Terrain(family, nodes, sharees, bySlot, [...places, ...vips], arrivals)
  }

  private constructor(
    family: Family,
    nodes: readonly PolicyNode[],
    sharees: BitSet,
    bySlot: ReadonlyMap<number, PolicyNode>,
    places: readonly Place[],
    arrivals: readonly Arrival[],
  ) {
    this.family = family
    this.nodes = nodes
    this.sharees = sharees
    this.#bySlot = bySlot
    this.slots = (nodes.at(-1)?.slot ?? -1) + 1
    this.places = places
    this.arrivals = arrivals
  }

  /** The ends that are nodes, on both sides. */
  get nodeSlots(): BitSet {
    return BitSet.of(this.nodes.map(({ slot }) => slot))
  }

  get sourceEnds(): BitSet {
    return upTo(this.sources.count)
  }

  get targetEnds(): BitSet {
    return upTo(this.targets.count)
  }

  get sources(): Ends {
    return { count: this.slots + this.places.length, ownerOf: (end) => this.#ownerOf(end) }
  }

  get targets(): Ends {
    return { count: this.slots + this.arrivals.length, ownerOf: (end) => this.#ownerOf(end) }
  }

  node(slot: number): PolicyNode | undefined {
    return this.#bySlot.get(slot)
  }

  addressOf(node: PolicyNode): Ip {
    return this.family === 4 ? node.ipv4 : node.ipv6
  }

  /** Whoever a list admits by an address of this family. */
  admitted(sources: Sources): BitSet {
    const ends = new BitSet()
    const byAddress = sources.selected.some(({ addresses }) => addresses !== undefined)
    for (const slot of sources.admitted) {
      const node = this.node(slot)
      if (node !== undefined && (!byAddress || sources.includes(this.addressOf(node), node))) ends.add(slot)
    }
    for (const [i, { ip, sends }] of this.places.entries()) if (sends && sources.includes(ip)) ends.add(this.slots + i)
    return ends
  }

  /** Of those, the ends that are addresses of Services, by Service, and the rest. */
  splitServices(ends: BitSet): { readonly rest: BitSet; readonly services: ReadonlyMap<PolicyService, BitSet> } {
    const services = new Map<PolicyService, BitSet>()
    const rest = ends.clone()
    for (const [i, { place }] of this.arrivals.entries()) {
      const end = this.slots + i
      if (place.service === undefined || !ends.has(end)) continue
      rest.delete(end)
      let some = services.get(place.service)
      if (some === undefined) services.set(place.service, (some = new BitSet()))
      some.add(end)
    }
    return { rest, services }
  }

  /** Where a target of a part leads, for flows to addresses of this family. */
  reached({ reach }: Part, target: Target): BitSet {
    const ends = new BitSet()
    const reached = reach.nodes
    for (const slot of reached) {
      const node = this.node(slot)
      if (node !== undefined && reach.leads(target, node) && isFor(target, node, this.addressOf(node))) ends.add(slot)
    }
    const { selector, addresses } = target.selected
    if (selector.kind !== 'any' && addresses === undefined) return ends
    for (const [i, { node, place }] of this.arrivals.entries())
      if (reached.has(node.slot) && reach.leads(target, node) && isFor(target, node, place.ip)) ends.add(this.slots + i)
    return ends
  }

  #ownerOf(slot: number): number | undefined {
    const node = this.#bySlot.get(slot)
    return node === undefined || node.tags.length > 0 ? undefined : node.user.id
  }
}

function upTo(count: number): BitSet {
  const all = new BitSet(count)
  for (let end = 0; end < count; end++) all.add(end)
  return all
}

function* placesOf(
  engines: readonly Engine[],
  routers: readonly PolicyNode[],
  family: Family,
  pace: Pace,
): Steps<Place[]> {
  const routes = routers.flatMap((node) => node.routes).filter((route) => route.ip.family === family)
  if (routes.length === 0) return []
  const edges = new Set<bigint>([0n])
  const cut = (ranges: Iterable<AddressRange>): void => {
    for (const range of ranges)
      if (range.family === family) {
        edges.add(range.first)
        edges.add(range.last + 1n)
      }
  }
  cut(routes.map(rangeFrom))
  if (routes.some(({ bits }) => bits === 0)) cut([...INTERNET.ranges(), ...NEVER_THROUGH_EXITS.map(rangeFrom)])
  for (const addresses of written(engines)) {
    const ranges = addresses.ranges()
    cut(ranges)
    if (pace.spent(ranges.length * ROUTE_LOOKS)) yield
  }
  const sorted = [...edges].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  const end = 1n << BigInt(widthOf(family))
  const distinct = [...new Map(routes.map((route) => [`${route.ip.value}/${route.bits}`, route])).values()]
  const places: Place[] = []
  for (const [i, first] of sorted.entries()) {
    const last = (sorted[i + 1] ?? end) - 1n
    if (first >= end) continue
    if (pace.spent(distinct.length * ROUTE_LOOKS)) yield
    const ip = freeAddress(engines, { family, first, last })
    const carrying = ip === undefined ? [] : distinct.filter((route) => carries(route, ip))
    if (ip !== undefined && carrying.length > 0)
      places.push({ range: { family, first, last }, ip, sends: carrying.some(isUsefulRoute) })
  }
  return places
}

/** Each address of a Service is a place of its own. */
function servicePlaces(engines: readonly Engine[], family: Family): (Place & { readonly service: PolicyService })[] {
  const all = new Map(engines.flatMap(({ services }) => services.all.map((service) => [service.name, service])))
  return [...all.values()].map((service) => {
    const ip = family === 4 ? service.ipv4 : service.ipv6
    return { range: { family, first: ip.value, last: ip.value }, ip, sends: false, service }
  })
}

/** What the sides of rules say as addresses. */
function written(engines: readonly Engine[]): Set<AddressSet> {
  const all = new Set<AddressSet>()
  for (const { access } of engines)
    for (const { sources, targets } of access.parts)
      for (const { addresses } of [...sources.selected, ...targets.map(({ selected }) => selected)])
        if (addresses !== undefined) all.add(addresses)
  return all
}

/** One that is no node's own; `undefined`: all of them are. */
function freeAddress(engines: readonly Engine[], { family, first, last }: AddressRange): Ip | undefined {
  for (let value = first; value <= last; value++) {
    const ip = { family, value }
    const isFree = ({ selection, services, sharees }: Engine): boolean =>
      selection.at(ip) === undefined && services.at(ip) === undefined && sharees.at(ip) === undefined
    if (engines.every(isFree)) return ip
  }
  return undefined
}
