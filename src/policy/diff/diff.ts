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
import { isSeen } from '../shared-in.ts'
import { finish } from '../steps.ts'
import type { Pace, Steps } from '../steps.ts'
import type { IsPrimary } from '../visibility.ts'
import { comparingPace, crossings } from './crossings.ts'
import type { Crossing, Question, Way } from './crossings.ts'
import { Terrain } from './ends.ts'
import { flowWays, untagged } from './flows.ts'
import { LoginLabels, loginWays } from './logins.ts'
import { without } from './open.ts'
import type { Open } from './open.ts'
import { routeChanges } from './routes.ts'
import type { RouteChange } from './routes.ts'
import { largestFirst, Room, SidesOf, sorted, told } from './sides.ts'
import type { Found, Sides } from './sides.ts'
import { TrafficLabels } from './traffic-labels.ts'

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

/** The same in steps. */
export function* diffInSteps(before: Engine, after: Engine, isPrimary?: IsPrimary): Steps<PolicyDiff> {
  const pace = comparingPace()
  const flows = yield* flowChanges(before, after, pace)
  const logins = yield* loginChanges(before, after, pace)
  const sight = yield* sightChanges(before, after, pace)
  const routes = yield* routeChanges(before, after, isPrimary, pace)
  return {
    flows: flows.found,
    logins: logins.found,
    sight: sight.found,
    routes: routes.found,
    complete: [flows, logins, sight, routes].every(({ complete }) => complete),
  }
}

function* flowChanges(before: Engine, after: Engine, pace: Pace): Steps<Found<FlowChange>> {
  const labels = new TrafficLabels()
  const changes: FlowChange[] = []
  let complete = true
  const room = new Room()
  const compare = function* ({ terrain, ways: [was, is] }: Layout, families: readonly Family[]): Steps<void> {
    const question = questionOf(terrain, was, is, (list) => labels.meaning(list))
    const result = yield* crossings(question, pace)
    complete &&= result.complete
    const sides = new SidesOf(terrain, question, pace)
    for (const crossing of largestFirst(result.crossings)) {
      if (room.isFull) break
      const [old, now] = [labels.open(crossing.before), labels.open(crossing.after)]
      const what = { opens: portsOf(without(now, old)), closes: portsOf(without(old, now)) }
      for (const some of yield* sides.of(crossing))
        if (room.takes(some.from) && room.takes(some.to)) changes.push({ families, ...some, ...what })
    }
  }
  const layouts: Layout[] = []
  for (const family of FAMILIES) {
    const terrain = yield* Terrain.of([after, before], family, pace)
    const was = yield* flowWays(before, terrain, labels, pace)
    layouts.push({ terrain, ways: [was, yield* flowWays(after, terrain, labels, pace)] })
  }
  const [v4, v6] = [yield* betweenNodes(layouts[0] as Layout, pace), yield* betweenNodes(layouts[1] as Layout, pace)]
  // Between nodes both are alike unless addresses are written.
  if (isAlike(v4, v6)) yield* compare(v4, FAMILIES)
  else
    for (const [together, families] of [
      [v4, [4]],
      [v6, [6]],
    ] as const)
      yield* compare(together, families)
  for (const layout of layouts)
    for (const beyond of yield* toAndFromPlaces(layout, pace)) yield* compare(beyond, [layout.terrain.family])
  return { found: yield* sorted(yield* merged(changes, pace), pace), complete: complete && !room.isFull }
}

const FAMILIES: readonly Family[] = [4, 6]

/** The ways of both policies, before and after, between the ends of one family. */
interface Layout {
  readonly terrain: Terrain
  readonly ways: readonly [readonly Way[], readonly Way[]]
}

function betweenNodes(layout: Layout, pace: Pace): Steps<Layout> {
  const { nodeSlots } = layout.terrain
  return within(layout, nodeSlots, nodeSlots, pace)
}

/** From everybody to what is behind routers, and from there to nodes. */
function* toAndFromPlaces(layout: Layout, pace: Pace): Steps<Layout[]> {
  const { nodeSlots, sourceEnds, targetEnds, places } = layout.terrain
  if (places.length === 0) return []
  return [
    yield* within(layout, sourceEnds, difference(targetEnds, nodeSlots), pace),
    yield* within(layout, difference(sourceEnds, nodeSlots), nodeSlots, pace),
  ]
}

function difference(set: BitSet, other: BitSet): BitSet {
  const rest = set.clone()
  rest.deleteAll(other)
  return rest
}

/** Sets are cut at a look for so many ends. */
const ENDS_PER_LOOK = 20

/** What of the ways leads from some ends to some others. */
function* within({ terrain, ways }: Layout, from: BitSet, to: BitSet, pace: Pace): Steps<Layout> {
  const cut = (mask: BitSet): ((set: BitSet) => BitSet) => {
    const known = new Map<BitSet, BitSet>()
    return (set) => {
      let part = known.get(set)
      if (part === undefined) known.set(set, (part = intersection(set, mask)))
      return part
    }
  }
  const [cutFrom, cutTo] = [cut(from), cut(to)]
  const [was, is]: [Way[], Way[]] = [[], []]
  for (const [i, list] of [was, is].entries())
    for (const way of ways[i] as readonly Way[]) {
      list.push({ ...way, from: cutFrom(way.from), to: cutTo(way.to) })
      if (pace.spent(terrain.slots / ENDS_PER_LOOK)) yield
    }
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
function* merged(changes: readonly FlowChange[], pace: Pace): Steps<FlowChange[]> {
  const all = new Map<string, FlowChange>()
  for (const change of changes) {
    const { families, ...rest } = change
    const key = JSON.stringify(rest)
    if (pace.spent(key.length)) yield
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

function* loginChanges(before: Engine, after: Engine, pace: Pace): Steps<Found<LoginChange>> {
  const labels = new LoginLabels()
  const terrain = yield* Terrain.of([after, before], 4, pace, false)
  const was = yield* loginWays(before, terrain, labels, pace)
  const is = yield* loginWays(after, terrain, labels, pace)
  const question = questionOf(terrain, was, is, (list) => labels.meaning(list))
  return yield* told(terrain, question, pace, (crossing) => ({ accounts: accountsOf(crossing) }))
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

function* sightChanges(before: Engine, after: Engine, pace: Pace): Steps<Found<SightChange>> {
  const terrain = yield* Terrain.of([after, before], 4, pace, false)
  const was = yield* sightWays(before, terrain, pace)
  const is = yield* sightWays(after, terrain, pace)
  const meaning = (labels: ReadonlySet<number>): string => (labels.size > 0 ? 'sees' : '')
  const question = { ...questionOf(terrain, was, is, meaning), symmetric: true }
  return yield* told(terrain, question, pace, ({ after }) => ({ sees: after !== '' }))
}

/** What it takes to copy a node from set to set, in looks. */
const NODE_LOOKS = 4

/** Whoever one of the two sees, sees it: every way counts both ways. (policy.md §15.8) */
function* sightWays({ access }: Engine, terrain: Terrain, pace: Pace): Steps<Way[]> {
  const ways: Way[] = []
  for (const { self, sources, reach } of access.parts) {
    const from = self ? untagged(sources.admitted, terrain) : sources.touched.clone()
    const to = reach.nodes.clone()
    ways.push({ from, to, own: self, label: 0 }, { from: to, to: from, own: self, label: 0 })
    if (pace.spent((from.size + to.size) * NODE_LOOKS)) yield
  }
  for (const node of terrain.nodes)
    for (const shared of terrain.sharees.has(node.slot) ? [] : access.sharees.of(node)) {
      if (pace.spent(access.parts.length)) yield
      if (!isSeen(access, node, shared)) continue
      const [from, to] = [BitSet.of([shared.device.slot]), BitSet.of([node.slot])]
      ways.push({ from, to, own: false, label: 0 }, { from: to, to: from, own: false, label: 0 })
    }
  return ways
}
