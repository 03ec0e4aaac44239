/**
 * Who is told of which routes by one policy and not by another: what visibility.ts answers for two nodes, for all
 * viewers of a route at once. (policy.md §15.6 to §15.8)
 */

import { BitSet, intersection } from '../../base/bit-set.ts'
import { formatPrefix } from '../../base/ip.ts'
import type { Prefix } from '../../base/ip.ts'
import type { Access, Part } from '../access.ts'
import type { Engine } from '../engine.ts'
import { primaryBy } from '../explain/routes.ts'
import type { Pace, Steps } from '../steps.ts'
import { sharedRoutes } from '../shared-in.ts'
import type { PolicyNode } from '../tailnet.ts'
import { leadsOut, leadsToRoute } from '../visibility.ts'
import type { IsPrimary } from '../visibility.ts'
import { Terrain } from './ends.ts'
import { nodesIn, Parties } from './parties.ts'
import type { Party } from './parties.ts'
import { Room } from './sides.ts'
import type { Found } from './sides.ts'

/** Who is told of a route, or no more. `node`: the router's number. */
export interface RouteChange {
  readonly viewers: readonly Party[]
  readonly node: number
  readonly route: string
  readonly told: boolean
}

/** What it takes to ask whether a rule leads to a route, in looks. */
const RULE_LOOKS = 10

export function* routeChanges(
  before: Engine,
  after: Engine,
  isPrimary: IsPrimary | undefined,
  pace: Pace,
): Steps<Found<RouteChange>> {
  const terrain = yield* Terrain.of([after, before], 4, pace, false)
  const parties = new Parties(terrain)
  const carriers = carriersOf(terrain.nodes.filter(({ slot }) => !terrain.sharees.has(slot)))
  const [told, tellsNow] = [before, after].map(
    (engine) => new Told(engine, isPrimary ?? primaryBy(engine), carriers),
  ) as [Told, Told]
  const found: RouteChange[] = []
  const room = new Room()
  for (const peer of terrain.nodes) {
    if (peer.routes.length === 0 || terrain.sharees.has(peer.slot) || room.isFull) continue
    for (const route of peer.routes) {
      if (pace.spent((told.rules + tellsNow.rules) * RULE_LOOKS + terrain.nodes.length)) yield
      const [was, is] = [told.of(peer, route), tellsNow.of(peer, route)]
      const both = intersection(was, is)
      for (const [viewers, isTold] of [
        [is, true],
        [was, false],
      ] as const) {
        viewers.deleteAll(both)
        if (viewers.isEmpty) continue
        const nodes = nodesIn(viewers, terrain)
        const some = parties.ofNodes(nodes)
        if (room.takes(some)) found.push({ viewers: some, node: peer.id, route: formatPrefix(route), told: isTold })
      }
    }
  }
  return { found, complete: !room.isFull }
}

type Carriers = ReadonlyMap<string, readonly PolicyNode[]>

/** Those who carry each route, whoever is there first and then whoever joined first. */
function carriersOf(nodes: readonly PolicyNode[]): Carriers {
  const carriers = new Map<string, PolicyNode[]>()
  for (const node of nodes)
    for (const route of node.routes) {
      const text = formatPrefix(route)
      const list = carriers.get(text)
      if (list === undefined) carriers.set(text, [node])
      else list.push(node)
    }
  for (const list of carriers.values()) list.sort((a, b) => Number(b.online) - Number(a.online) || a.id - b.id)
  return carriers
}

/** Who is told of a route by one policy. */
class Told {
  readonly #access: Access
  readonly #parts: readonly Part[]
  readonly #isPrimary: IsPrimary
  readonly #carriers: Carriers

  constructor({ access }: Engine, isPrimary: IsPrimary, carriers: Carriers) {
    this.#access = access
    this.#parts = access.parts.filter(({ self }) => !self)
    this.#isPrimary = isPrimary
    this.#carriers = carriers
  }

  get rules(): number {
    return this.#parts.length
  }

  of(peer: PolicyNode, route: Prefix): BitSet {
    const told = route.bits === 0 ? this.#exit(peer) : this.#subnet(peer, route)
    told.delete(peer.slot)
    return told
  }

  #exit(peer: PolicyNode): BitSet {
    const told = new BitSet()
    for (const { reach, targets, sources } of this.#parts)
      if (reach.nodes.has(peer.slot) && targets.some((target) => leadsOut(target) && reach.leads(target, peer)))
        told.addAll(sources.admitted)
    for (const shared of this.#access.sharees.of(peer))
      if (sharedRoutes(this.#access, peer, shared).length > 0) told.add(shared.device.slot)
    return told
  }

  /** Whoever may send there or is sent to from there knows the primary router; `via` alone may name another one. */
  #subnet(peer: PolicyNode, route: Prefix): BitSet {
    const text = formatPrefix(route)
    const carriers = this.#carriers.get(text) ?? []
    const primary = BitSet.of(carriers.map(({ slot }) => slot))
    const chosen = new BitSet()
    for (const part of this.#parts) {
      const { reach, sources } = part
      if (sources.includesRoute(route)) primary.addAll(reach.nodes)
      if (!reach.nodes.has(peer.slot) || !leadsToRoute(part, route)) continue
      if (!reach.isVia) primary.addAll(sources.touched)
      else if (carriers.find(({ slot }) => reach.nodes.has(slot)) === peer) chosen.addAll(sources.touched)
    }
    if (this.#isPrimary(peer, route)) chosen.addAll(primary)
    else chosen.deleteAll(primary)
    return chosen
  }
}
