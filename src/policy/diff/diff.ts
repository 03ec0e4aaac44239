/**
 * What changes between two policies over the same tailnet: flows that open and close, logins, who sees whom, and who is
 * told of which routes. Told by people, tags and ranges of addresses, as few lines as say it exactly.
 *
 * Flows are those that filters let pass; whether a sender is told of the route to what is behind a router is told apart.
 */

import { BitSet } from '../../base/bit-set.ts'
import { formatPrefix } from '../../base/ip.ts'
import type { Family } from '../../base/ip.ts'
import type { Engine } from '../engine.ts'
import { primaryBy } from '../explain/routes.ts'
import type { PortRange } from '../policy.ts'
import type { PolicyNode } from '../tailnet.ts'
import type { IsPrimary } from '../visibility.ts'
import { crossings, Pairs } from './crossings.ts'
import type { Between, Crossing, Question, Way } from './crossings.ts'
import { Terrain } from './ends.ts'
import { flowWays, TrafficLabels, untagged } from './flows.ts'
import { LoginLabels, loginWays } from './logins.ts'
import { without } from './open.ts'
import type { Open } from './open.ts'
import { nodesIn, Parties, sourcePlaces, targetPlaces } from './parties.ts'
import type { Party } from './parties.ts'

/** From everybody in `from` to everybody in `to`; a node and itself are no pair. */
export interface Sides {
  readonly from: readonly Party[]
  readonly to: readonly Party[]
  /** Of these pairs all, those of one person's devices only, or all but those. */
  readonly between: Between
  /** Pairs of nodes; 0 where one side is addresses behind routers. */
  readonly pairs: number
}

export interface Ports {
  /** 1 stands for both ICMPs. */
  readonly protocol: number
  readonly ports: readonly PortRange[]
}

export interface FlowChange extends Sides {
  /** Over which of the two the change is. */
  readonly families: readonly Family[]
  readonly opens: readonly Ports[]
  readonly closes: readonly Ports[]
}

export type SshAction = 'accept' | 'check'

export interface LoginChange extends Sides {
  readonly accounts: readonly AccountChange[]
}

export interface AccountChange {
  /** `*`: any but root, those that are listed beside it, and those that it excepts. */
  readonly account: string
  readonly except?: readonly string[]
  /** Absent: refused. */
  readonly before?: SshAction
  readonly after?: SshAction
}

/** Pairs that see each other now and did not, or the other way round. Each pair is in it once, in either order. */
export interface SightChange extends Sides {
  readonly sees: boolean
}

/** Who is told of a route, or no more. `node`: the router's number. */
export interface RouteChange {
  readonly viewers: readonly Party[]
  readonly node: number
  readonly route: string
  readonly told: boolean
}

export interface PolicyDiff {
  readonly flows: readonly FlowChange[]
  readonly logins: readonly LoginChange[]
  readonly sight: readonly SightChange[]
  readonly routes: readonly RouteChange[]
  /** False: the tailnet or the change is too large to be looked at whole, and some is left out. */
  readonly complete: boolean
}

/** Both engines hold the same nodes. @param isPrimary which router everybody uses; absent: who is there and joined first */
export function diff(before: Engine, after: Engine, isPrimary?: IsPrimary): PolicyDiff {
  const parts = [
    flowChanges(before, after),
    loginChanges(before, after),
    sightChanges(before, after),
    routeChanges(before, after, isPrimary),
  ] as const
  const [flows, logins, sight, routes] = parts
  return {
    flows: flows.found,
    logins: logins.found,
    sight: sight.found,
    routes: routes.found,
    complete: parts.every(({ complete }) => complete),
  }
}

interface Found<T> {
  readonly found: readonly T[]
  readonly complete: boolean
}

function flowChanges(before: Engine, after: Engine): Found<FlowChange> {
  const labels = new TrafficLabels()
  let complete = true
  const changes = new Map<string, FlowChange>()
  for (const family of [4, 6] as const) {
    const terrain = new Terrain([after, before], family)
    const question = questionOf(terrain, flowWays(before, terrain, labels), flowWays(after, terrain, labels), (list) =>
      labels.meaning(list),
    )
    const result = crossings(question)
    complete &&= result.complete
    const sides = new SidesOf(terrain, question)
    for (const crossing of result.crossings) {
      const [was, is] = [labels.open(crossing.before), labels.open(crossing.after)]
      const what = { opens: portsOf(without(is, was)), closes: portsOf(without(was, is)) }
      for (const some of sides.of(crossing)) {
        const key = JSON.stringify([some, what])
        const same = changes.get(key)
        changes.set(key, { families: [...(same?.families ?? []), family], ...some, ...what })
      }
    }
  }
  return { found: [...changes.values()].sort(bySize), complete }
}

function questionOf(
  terrain: Terrain,
  before: readonly Way[],
  after: readonly Way[],
  meaning: Question['meaning'],
): Question {
  const sameAs = (end: number): number | undefined => (end < terrain.slots ? end : undefined)
  return { sources: terrain.sources, targets: terrain.targets, sameAs, before, after, meaning }
}

function portsOf(open: Open): Ports[] {
  return [...open].map(([protocol, ports]) => ({ protocol, ports }))
}

/** Nodes and what is behind routers are told apart, each with its counterpart of either kind. */
class SidesOf {
  readonly #terrain: Terrain
  readonly #parties: Parties
  readonly #pairs: Pairs

  constructor(terrain: Terrain, question: Question) {
    this.#terrain = terrain
    this.#parties = new Parties(terrain.nodes)
    this.#pairs = new Pairs(question)
  }

  of({ from, to, between }: Crossing): Sides[] {
    const terrain = this.#terrain
    const [senders, receivers] = [nodesIn(from, terrain), nodesIn(to, terrain)]
    const [fromNodes, toNodes] = [this.#parties.ofNodes(senders), this.#parties.ofNodes(receivers)]
    const [fromPlaces, toPlaces] = [sourcePlaces(from, terrain), targetPlaces(to, terrain)]
    const pairs = this.#pairs.between(setOf(senders), setOf(receivers), between)
    const all: Sides[] = pairs > 0 ? [{ from: fromNodes, to: toNodes, between, pairs }] : []
    if (between === 'own') return all
    // What is behind routers is nobody's own.
    for (const [some, others] of [
      [fromNodes, toPlaces],
      [fromPlaces, toNodes],
      [fromPlaces, toPlaces],
    ] as const)
      if (some.length > 0 && others.length > 0) all.push({ from: some, to: others, between: 'all', pairs: 0 })
    return all
  }
}

function setOf(nodes: readonly PolicyNode[]): BitSet {
  return BitSet.of(nodes.map(({ slot }) => slot))
}

function loginChanges(before: Engine, after: Engine): Found<LoginChange> {
  const labels = new LoginLabels()
  const terrain = new Terrain([after, before], 4, false)
  const question = questionOf(terrain, loginWays(before, terrain, labels), loginWays(after, terrain, labels), (list) =>
    labels.meaning(list),
  )
  const { crossings: all, complete } = crossings(question)
  const sides = new SidesOf(terrain, question)
  const found = all.flatMap((crossing) =>
    sides.of(crossing).map((some) => ({ ...some, accounts: accountsOf(crossing) })),
  )
  return { found: found.sort(bySize), complete }
}

function accountsOf({ before, after }: Crossing): LoginChange['accounts'] {
  const [was, is] = [before, after].map((text) => new Map(JSON.parse(text) as [string, SshAction][])) as [
    Map<string, SshAction>,
    Map<string, SshAction>,
  ]
  const of = (actions: Map<string, SshAction>, account: string): SshAction | undefined =>
    actions.get(account) ?? (account === 'root' ? undefined : actions.get('*'))
  const named = [...new Set([...was.keys(), ...is.keys()])].sort()
  const isSame = (account: string): boolean => of(was, account) === of(is, account)
  const except = named.filter((account) => account !== '*' && account !== 'root' && isSame(account))
  return named.flatMap((account) => {
    const [old, now] = [of(was, account), of(is, account)]
    if (old === now) return []
    return [
      {
        account,
        ...(account === '*' && except.length > 0 ? { except } : {}),
        ...(old === undefined ? {} : { before: old }),
        ...(now === undefined ? {} : { after: now }),
      },
    ]
  })
}

function sightChanges(before: Engine, after: Engine): Found<SightChange> {
  const terrain = new Terrain([after, before], 4, false)
  const meaning = (labels: readonly number[]): string => (labels.length > 0 ? 'sees' : '')
  const question = {
    ...questionOf(terrain, sightWays(before, terrain), sightWays(after, terrain), meaning),
    symmetric: true,
  }
  const { crossings: all, complete } = crossings(question)
  const sides = new SidesOf(terrain, question)
  const found = all.flatMap((crossing) => sides.of(crossing).map((some) => ({ ...some, sees: crossing.after !== '' })))
  return { found: found.sort(bySize), complete }
}

/** Whoever one of the two sees, sees it: every way counts both ways. (policy.md §15.8) */
function sightWays({ access }: Engine, terrain: Terrain): Way[] {
  return access.parts.flatMap(({ self, sources, reach }) => {
    const from = self ? untagged(sources.admitted, terrain) : sources.touched.clone()
    const to = reach.nodes.clone()
    return [
      { from, to, own: self, label: 0 },
      { from: to, to: from, own: self, label: 0 },
    ]
  })
}

/** Viewers times routers times rules. Some seconds' worth. */
const MOST_ROUTE_STEPS = 40_000_000

function routeChanges(before: Engine, after: Engine, isPrimary: IsPrimary | undefined): Found<RouteChange> {
  const terrain = new Terrain([after, before], 4, false)
  const routers = terrain.nodes.filter(({ routes }) => routes.length > 0)
  if (routers.length === 0) return { found: [], complete: true }
  const engines = [before, after] as const
  const primaries = engines.map((engine) => isPrimary ?? remembered(primaryBy(engine))) as [IsPrimary, IsPrimary]
  const viewers = alike(engines, terrain)
  const parties = new Parties(terrain.nodes)
  const steps = before.access.parts.length + after.access.parts.length
  const changes = new Map<string, { readonly change: Omit<RouteChange, 'viewers'>; readonly nodes: PolicyNode[] }>()
  let left = MOST_ROUTE_STEPS
  for (const peer of routers)
    for (const group of viewers) {
      const viewer = group[0] as PolicyNode
      if (viewer === peer) continue
      if ((left -= steps) < 0) return { found: routesSorted(changes, parties), complete: false }
      const [was, is] = engines.map(
        (engine, i) =>
          new Set(engine.routes(viewer.slot, peer.slot, primaries[i] as IsPrimary).map((route) => formatPrefix(route))),
      ) as [Set<string>, Set<string>]
      for (const route of was.symmetricDifference(is)) {
        const change = { node: peer.id, route, told: is.has(route) }
        const key = JSON.stringify(change)
        const same = changes.get(key)
        if (same === undefined) changes.set(key, { change, nodes: [...group] })
        else same.nodes.push(...group)
      }
    }
  return { found: routesSorted(changes, parties), complete: true }
}

function routesSorted(
  changes: ReadonlyMap<string, { readonly change: Omit<RouteChange, 'viewers'>; readonly nodes: PolicyNode[] }>,
  parties: Parties,
): RouteChange[] {
  return [...changes.values()].map(({ change, nodes }) => ({ viewers: parties.ofNodes(nodes), ...change }))
}

/** Nodes that are told the same of everybody's routes; a router is told apart, since its own routes count. */
function alike(engines: readonly Engine[], terrain: Terrain): PolicyNode[][] {
  const classOf = new Map<number, number>()
  let next = 1
  const split = (slots: Iterable<number>): void => {
    const parts = new Map<number, number>()
    for (const slot of slots) {
      const old = classOf.get(slot) ?? 0
      let now = parts.get(old)
      if (now === undefined) parts.set(old, (now = next++))
      classOf.set(slot, now)
    }
  }
  const seen = new Set<string>()
  for (const { access } of engines)
    for (const { self, sources, reach } of access.parts)
      for (const set of self ? [] : [sources.admitted, reach.nodes]) {
        const { key } = set
        if (seen.has(key)) continue
        seen.add(key)
        split(set)
      }
  for (const { slot, routes } of terrain.nodes) if (routes.length > 0) split([slot])
  const groups = new Map<number, PolicyNode[]>()
  for (const node of terrain.nodes) {
    const id = classOf.get(node.slot) ?? 0
    const group = groups.get(id)
    if (group === undefined) groups.set(id, [node])
    else group.push(node)
  }
  return [...groups.values()]
}

function remembered(isPrimary: IsPrimary): IsPrimary {
  const known = new Map<string, boolean>()
  return (node, route) => {
    const key = `${node.id} ${formatPrefix(route)}`
    let is = known.get(key)
    if (is === undefined) known.set(key, (is = isPrimary(node, route)))
    return is
  }
}

/** Most pairs first; then by who it is. */
function bySize(a: Sides, b: Sides): number {
  const [x, y] = [JSON.stringify(a), JSON.stringify(b)]
  return b.pairs - a.pairs || (x < y ? -1 : x > y ? 1 : 0)
}
