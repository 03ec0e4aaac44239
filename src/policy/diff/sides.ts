/**
 * Who they are on the two sides of what changes: people, tags and addresses for sets of ends, the largest change first,
 * and no more of them than anybody reads.
 */

import { BitSet } from '../../base/bit-set.ts'
import type { Pace, Steps } from '../steps.ts'
import type { PolicyNode } from '../tailnet.ts'
import { crossings, Pairs } from './crossings.ts'
import type { Between, Crossing, Question } from './crossings.ts'
import type { Terrain } from './ends.ts'
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

export interface Found<T> {
  readonly found: readonly T[]
  readonly complete: boolean
}

/** Nobody reads more: parties and single nodes of one kind of change, some 2 MB of JSON. */
const MOST_TOLD = 20_000

/** What it takes to find out who a node belongs to, in looks. */
const PARTY_LOOKS = 50

/** Who they are on both sides of each crossing, and what `say` says of it. */
export function* told<T>(
  terrain: Terrain,
  question: Question,
  pace: Pace,
  say: (crossing: Crossing) => T,
): Steps<Found<Sides & T>> {
  const { crossings: all, complete } = yield* crossings(question, pace)
  const sides = new SidesOf(terrain, question, pace)
  const room = new Room()
  const found: (Sides & T)[] = []
  for (const crossing of largestFirst(all)) {
    if (room.isFull) break
    for (const some of yield* sides.of(crossing))
      if (room.takes(some.from) && room.takes(some.to)) found.push({ ...some, ...say(crossing) })
  }
  return { found: yield* sorted(found, pace), complete: complete && !room.isFull }
}

/** How much more may be told. */
export class Room {
  #left = MOST_TOLD
  /** Something did not fit, and is left out. */
  isFull = false

  /** Is there room for these as well? */
  takes(parties: readonly Party[]): boolean {
    for (const party of parties) this.#left -= 1 + ('nodes' in party ? (party.nodes?.length ?? 0) : 0)
    this.isFull = this.#left < 0
    return !this.isFull
  }
}

/** Nodes and what is behind routers are told apart, each with its counterpart of either kind. */
export class SidesOf {
  readonly #terrain: Terrain
  readonly #parties: Parties
  readonly #pairs: Pairs
  readonly #pace: Pace

  constructor(terrain: Terrain, question: Question, pace: Pace) {
    this.#terrain = terrain
    this.#pace = pace
    this.#parties = new Parties(terrain)
    this.#pairs = new Pairs(question)
  }

  *of({ from, to, between }: Crossing): Steps<Sides[]> {
    const terrain = this.#terrain
    if (this.#pace.spent((from.size + to.size) * PARTY_LOOKS)) yield
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

export function largestFirst(all: readonly Crossing[]): Crossing[] {
  return all.toSorted((a, b) => b.pairs - a.pairs)
}

/** Most pairs first; then by who it is. */
export function* sorted<T extends Sides>(changes: readonly T[], pace: Pace): Steps<T[]> {
  const texts = new Map<T, string>()
  for (const change of changes) {
    const text = JSON.stringify(change)
    texts.set(change, text)
    if (pace.spent(text.length)) yield
  }
  const byText = (a: T, b: T): number => {
    const [x, y] = [texts.get(a) as string, texts.get(b) as string]
    return x < y ? -1 : x > y ? 1 : 0
  }
  return changes.toSorted((a, b) => b.pairs - a.pairs || byText(a, b))
}
