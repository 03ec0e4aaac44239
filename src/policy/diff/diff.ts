/**
 * What changes between two policies over the same tailnet: flows that open and close, logins, who sees whom, and who is
 * told of which routes. Told by people, tags and ranges of addresses, as few lines as say it exactly.
 *
 * Flows are those that filters let pass; whether a sender is told of the route to what is behind a router is told apart.
 */

import { BitSet, intersection } from '../../base/bit-set.ts'
import type { Family } from '../../base/ip.ts'
import type { Engine } from '../engine.ts'
import type { PortRange } from '../policy.ts'
import type { PolicyNode } from '../tailnet.ts'
import type { IsPrimary } from '../visibility.ts'
import { crossings, Pairs } from './crossings.ts'
import type { Between, Crossing, Question, Way } from './crossings.ts'
import { Terrain } from './ends.ts'
import { flowWays, untagged } from './flows.ts'
import { LoginLabels, loginWays } from './logins.ts'
import { without } from './open.ts'
import type { Open } from './open.ts'
import { nodesIn, Parties, sourcePlaces, targetPlaces } from './parties.ts'
import type { Party } from './parties.ts'
import { routeChanges } from './routes.ts'
import type { RouteChange } from './routes.ts'
import { TrafficLabels } from './traffic-labels.ts'

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
  return finish(diffInSteps(before, after, isPrimary))
}

/** The same in steps of some milliseconds, for a server that has other things to do between them. */
export function* diffInSteps(before: Engine, after: Engine, isPrimary?: IsPrimary): Generator<undefined, PolicyDiff> {
  const flows = yield* flowChanges(before, after)
  const logins = yield* loginChanges(before, after)
  const sight = yield* sightChanges(before, after)
  const routes = yield* routeChanges(before, after, isPrimary)
  return {
    flows: flows.found,
    logins: logins.found,
    sight: sight.found,
    routes,
    complete: [flows, logins, sight].every(({ complete }) => complete),
  }
}

type Steps<T> = Generator<undefined, T>

/** What a generator comes to that is not waited for. */
export function finish<T>(steps: Steps<T>): T {
  let step = steps.next()
  while (step.done !== true) step = steps.next()
  return step.value
}

interface Found<T> {
  readonly found: readonly T[]
  readonly complete: boolean
}

function* flowChanges(before: Engine, after: Engine): Steps<Found<FlowChange>> {
  const labels = new TrafficLabels()
  const changes: FlowChange[] = []
  let complete = true
  const compare = function* ({ terrain, ways: [was, is] }: Layout, families: readonly Family[]): Steps<void> {
    const question = questionOf(terrain, was, is, (list) => labels.meaning(list))
    const result = yield* crossings(question)
    complete &&= result.complete
    const sides = new SidesOf(terrain, question)
    for (const crossing of result.crossings) {
      const [old, now] = [labels.open(crossing.before), labels.open(crossing.after)]
      const what = { opens: portsOf(without(now, old)), closes: portsOf(without(old, now)) }
      for (const some of sides.of(crossing)) changes.push({ families, ...some, ...what })
    }
  }
  const layouts: Layout[] = []
  for (const family of FAMILIES) {
    const terrain = new Terrain([after, before], family)
    yield
    const was = flowWays(before, terrain, labels)
    yield
    layouts.push({ terrain, ways: [was, flowWays(after, terrain, labels)] })
    yield
  }
  const [v4, v6] = layouts.map(betweenNodes) as [Layout, Layout]
  // Between nodes both are alike unless addresses are written.
  if (isAlike(v4, v6)) yield* compare(v4, FAMILIES)
  else
    for (const [together, families] of [
      [v4, [4]],
      [v6, [6]],
    ] as const)
      yield* compare(together, families)
  for (const layout of layouts)
    for (const beyond of toAndFromPlaces(layout)) yield* compare(beyond, [layout.terrain.family])
  return { found: merged(changes).sort(bySize), complete }
}

const FAMILIES: readonly Family[] = [4, 6]

/** The ways of both policies, before and after, between the ends of one family. */
interface Layout {
  readonly terrain: Terrain
  readonly ways: readonly [readonly Way[], readonly Way[]]
}

function betweenNodes(layout: Layout): Layout {
  const { nodeSlots } = layout.terrain
  return within(layout, nodeSlots, nodeSlots)
}

/** From everybody to what is behind routers, and from there to nodes. */
function toAndFromPlaces(layout: Layout): Layout[] {
  const { nodeSlots, sourceEnds, targetEnds, places } = layout.terrain
  if (places.length === 0) return []
  return [
    within(layout, sourceEnds, difference(targetEnds, nodeSlots)),
    within(layout, difference(sourceEnds, nodeSlots), nodeSlots),
  ]
}

function difference(set: BitSet, other: BitSet): BitSet {
  const rest = set.clone()
  rest.deleteAll(other)
  return rest
}

/** What of the ways leads from some ends to some others. */
function within({ terrain, ways }: Layout, from: BitSet, to: BitSet): Layout {
  const cut = (mask: BitSet): ((set: BitSet) => BitSet) => {
    const known = new Map<BitSet, BitSet>()
    return (set) => {
      let part = known.get(set)
      if (part === undefined) known.set(set, (part = intersection(set, mask)))
      return part
    }
  }
  const [cutFrom, cutTo] = [cut(from), cut(to)]
  const [was, is] = ways.map((list) => list.map((way) => ({ ...way, from: cutFrom(way.from), to: cutTo(way.to) }))) as [
    Way[],
    Way[],
  ]
  return { terrain, ways: [was, is] }
}

function isAlike(a: Layout, b: Layout): boolean {
  return a.ways.every((list, i) => {
    const other = b.ways[i] as readonly Way[]
    return (
      list.length === other.length &&
      list.every(({ from, to, own, label }, j) => {
        const way = other[j] as Way
        return own === way.own && label === way.label && from.equals(way.from) && to.equals(way.to)
      })
    )
  })
}

/** The same for both families is told once. */
function merged(changes: readonly FlowChange[]): FlowChange[] {
  const all = new Map<string, FlowChange>()
  for (const change of changes) {
    const { families, ...rest } = change
    const key = JSON.stringify(rest)
    const same = all.get(key)
    all.set(key, same === undefined ? change : { ...rest, families: [...same.families, ...families] })
  }
  return [...all.values()]
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

function* loginChanges(before: Engine, after: Engine): Steps<Found<LoginChange>> {
  const labels = new LoginLabels()
  const terrain = new Terrain([after, before], 4, false)
  const question = questionOf(terrain, loginWays(before, terrain, labels), loginWays(after, terrain, labels), (list) =>
    labels.meaning(list),
  )
  const { crossings: all, complete } = yield* crossings(question)
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

function* sightChanges(before: Engine, after: Engine): Steps<Found<SightChange>> {
  const terrain = new Terrain([after, before], 4, false)
  const meaning = (labels: ReadonlySet<number>): string => (labels.size > 0 ? 'sees' : '')
  const question = {
    ...questionOf(terrain, sightWays(before, terrain), sightWays(after, terrain), meaning),
    symmetric: true,
  }
  const { crossings: all, complete } = yield* crossings(question)
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

/** Most pairs first; then by who it is. */
function bySize(a: Sides, b: Sides): number {
  const [x, y] = [JSON.stringify(a), JSON.stringify(b)]
  return b.pairs - a.pairs || (x < y ? -1 : x > y ? 1 : 0)
}
