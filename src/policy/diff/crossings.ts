/**
 * Compares two lists of ways from some ends to others, without looking at every pair: ends to which the same ways lead
 * are one class, and of two classes only those are looked at between which some way has changed. What has changed
 * alike is told once, as everybody on the one side and everybody on the other.
 *
 * What ways carry is nothing to this file: a label by number, and a function that says what several come to.
 */

import { BitSet, intersection } from '../../base/bit-set.ts'
import { Pace } from '../steps.ts'
import type { Steps } from '../steps.ts'

/** Leads from everybody in `from` to everybody in `to`, or to the ends of the same owner only. */
export interface Way {
  readonly from: BitSet
  readonly to: BitSet
  readonly own: boolean
  readonly label: number
}

export interface Ends {
  /** How many ends there are: they are numbered from 0. */
  readonly count: number
  /** Whose it is; `undefined`: nobody's. */
  readonly ownerOf: (end: number) => number | undefined
}

/** Between which of the pairs: all of them, those of one owner, or all others. */
export type Between = 'all' | 'own' | 'others'

export interface Crossing {
  readonly from: BitSet
  readonly to: BitSet
  readonly between: Between
  /** What `meaning` made of the labels. */
  readonly before: string
  readonly after: string
  /** How many pairs of two different nodes. */
  readonly pairs: number
}

export interface Crossings {
  readonly crossings: readonly Crossing[]
  /** False: there was too much to look at, and some is left out. */
  readonly complete: boolean
}

/** Looked at: classes against classes, with what leads between them. Some seconds' worth. */
const MOST_STEPS = 8_000_000

/** Looks at one end or way, of which a step has so many: some milliseconds' worth. */
const LOOKS_PER_STEP = 50_000

/** What it takes to put two sets together, in looks. */
const SET_LOOKS = 30

/** Sets are compared by a text that costs a look for so many ends. */
const ENDS_PER_LOOK = 20

/** What it takes to find out what some labels come to, in steps. */
const MEANING_STEPS = 8

export interface Question {
  readonly sources: Ends
  readonly targets: Ends
  /** The target that is the same node as a source; `undefined`: none is. */
  readonly sameAs: (source: number) => number | undefined
  readonly before: readonly Way[]
  readonly after: readonly Way[]
  /** It is the same whichever end is the source: each pair is told once. */
  readonly symmetric?: boolean
  /** Equal for sets of labels that come to the same; there may be none. */
  readonly meaning: (labels: ReadonlySet<number>) => string
}

/** For all that is compared of two policies. */
export function comparingPace(): Pace {
  return new Pace(LOOKS_PER_STEP)
}

export function* crossings(question: Question, pace = comparingPace()): Steps<Crossings> {
  const { sources, targets, before, after } = question
  const [froms, reached] = [new Interned(), new Interned()]
  const ways: (Way & { readonly fromId: number })[][] = [[], []]
  for (const [i, list] of [before, after].entries())
    for (const way of list) {
      ways[i]?.push({ ...way, fromId: froms.idOf(way.from) })
      reached.idOf(way.to)
      if (pace.spent(SET_LOOKS + (sources.count + targets.count) / ENDS_PER_LOOK)) yield
    }
  const sourceClasses = yield* classesOf(sources, froms.sets, pace)
  const targetClasses = yield* classesOf(targets, reached.sets, pace)
  const { meaning } = question
  const counts = new Pairs(question)
  // For each class of sources, which of the lists it is on.
  const lists: BitSet[] = []
  for (const { first } of sourceClasses) {
    lists.push(BitSet.of(froms.sets.flatMap((set, id) => (set.has(first) ? [id] : []))))
    if (pace.spent(froms.sets.length)) yield
  }

  let steps = 0
  let complete = true
  const found = new Map<string, Map<number, number[]>>()
  const put = (between: Between, was: string, is: string, from: number, to: number): void => {
    const key = JSON.stringify([between, was, is])
    let rows = found.get(key)
    if (rows === undefined) found.set(key, (rows = new Map()))
    const row = rows.get(from)
    if (row === undefined) rows.set(from, [to])
    else row.push(to)
  }
  const akin = yield* kinship(question, sourceClasses, targetClasses, pace)
  for (const [to, target] of targetClasses.entries()) {
    if (pace.spent(before.length + after.length)) yield
    const [was, is] = ways.map((list) => leadingTo(list, target.first)) as [Leading, Leading]
    const changed = changedLists(was, is)
    if (changed.general.isEmpty && changed.own.isEmpty) continue
    const leading = BitSet.of([...was.labels.keys(), ...is.labels.keys()].map((at) => at >>> 1))
    const known = new Map<string, Meanings>()
    const candidates = changed.general.isEmpty ? (akin[to] as BitSet) : sourceClasses.keys()
    for (const from of candidates) {
      if (pace.spent(SET_LOOKS)) yield
      const source = sourceClasses[from] as Class
      const member = lists[from] as BitSet
      const isAkin = (akin[to] as BitSet).has(from)
      if (!member.intersects(changed.general) && !(isAkin && member.intersects(changed.own))) continue
      if (question.symmetric === true && source.first > target.first) continue
      const both = intersection(member, leading)
      const key = both.key
      let meanings = known.get(key)
      if (++steps > MOST_STEPS) {
        complete = false
        break
      }
      if (meanings === undefined) {
        const on = [...both]
        steps += MEANING_STEPS + on.length
        pace.add((MEANING_STEPS + on.length) * SET_LOOKS)
        known.set(key, (meanings = meaningsOf(was, is, on, meaning)))
      }
      const { general, own, generalNow, ownNow } = meanings
      if (!isAkin || (general === own && generalNow === ownNow)) {
        if (general !== generalNow) put('all', general, generalNow, from, to)
        continue
      }
      pace.add(source.members.size + target.members.size)
      if (general !== generalNow && counts.between(source.members, target.members, 'others') > 0)
        put('others', general, generalNow, from, to)
      if (own !== ownNow && counts.between(source.members, target.members, 'own') > 0) put('own', own, ownNow, from, to)
    }
  }
  return { crossings: yield* rectangles(found, sourceClasses, targetClasses, counts, pace), complete }
}

/** What leads from one class to another, for pairs of different owners and for those of one. */
interface Meanings {
  readonly general: string
  readonly own: string
  readonly generalNow: string
  readonly ownNow: string
}

function meaningsOf(was: Leading, is: Leading, on: readonly number[], meaning: Question['meaning']): Meanings {
  const [general, generalNow] = [meaning(was.of(on, false)), meaning(is.of(on, false))]
  return {
    general,
    own: was.hasOwn ? meaning(was.of(on, true)) : general,
    generalNow,
    ownNow: is.hasOwn ? meaning(is.of(on, true)) : generalNow,
  }
}

/** For each class of targets, the classes of sources in which something is of the same owner. */
function* kinship(
  { sources, targets }: Question,
  from: readonly Class[],
  to: readonly Class[],
  pace: Pace,
): Steps<BitSet[]> {
  const byOwner = new Map<number, BitSet>()
  for (const [i, { members }] of from.entries())
    for (const end of members) {
      if (pace.spent(4)) yield
      const owner = sources.ownerOf(end)
      if (owner === undefined) continue
      let classes = byOwner.get(owner)
      if (classes === undefined) byOwner.set(owner, (classes = new BitSet(from.length)))
      classes.add(i)
    }
  const all: BitSet[] = []
  for (const { members } of to) {
    const akin = new BitSet(from.length)
    for (const end of members) {
      const classes = byOwner.get(targets.ownerOf(end) ?? Number.NaN)
      if (classes !== undefined) akin.addAll(classes)
      if (pace.spent(SET_LOOKS)) yield
    }
    all.push(akin)
  }
  return all
}

interface Class {
  readonly members: BitSet
  readonly first: number
}

/** Splits by each of the sets in turn. */
function* classesOf({ count }: Ends, sets: readonly BitSet[], pace: Pace): Steps<Class[]> {
  const classOf = new Int32Array(count)
  let next = 1
  for (const set of sets) {
    const split = new Map<number, number>()
    if (pace.spent(set.size)) yield
    for (const end of set) {
      const old = classOf[end] as number
      let now = split.get(old)
      if (now === undefined) split.set(old, (now = next++))
      classOf[end] = now
    }
  }
  const classes = new Map<number, Class>()
  for (let end = 0; end < count; end++) {
    if (pace.spent(4)) yield
    const id = classOf[end] as number
    let one = classes.get(id)
    if (one === undefined) classes.set(id, (one = { members: new BitSet(), first: end }))
    one.members.add(end)
  }
  return [...classes.values()]
}

/** Sets, each once, by number. */
class Interned {
  readonly sets: BitSet[] = []
  readonly #ids = new Map<string, number>()
  readonly #known = new Map<BitSet, number>()

  idOf(set: BitSet): number {
    let id = this.#known.get(set)
    if (id === undefined) {
      const { key } = set
      id = this.#ids.get(key)
      if (id === undefined) {
        this.#ids.set(key, (id = this.sets.length))
        this.sets.push(set)
      }
      this.#known.set(set, id)
    }
    return id
  }
}

/** The ways to one target: labels by list of sources, general ones and those of one owner. */
class Leading {
  /** By twice the number of the list, and one more where it is for the same owner only. */
  readonly labels = new Map<number, Set<number>>()

  hasOwn = false

  add(list: number, own: boolean, label: number): void {
    this.hasOwn ||= own
    const at = list * 2 + Number(own)
    let labels = this.labels.get(at)
    if (labels === undefined) this.labels.set(at, (labels = new Set()))
    labels.add(label)
  }

  /** Of somebody who is on these lists. */
  of(on: readonly number[], own: boolean): Set<number> {
    const all = new Set<number>()
    for (const list of on) {
      for (const label of this.labels.get(list * 2) ?? NONE) all.add(label)
      if (own) for (const label of this.labels.get(list * 2 + 1) ?? NONE) all.add(label)
    }
    return all
  }
}

const NONE: ReadonlySet<number> = new Set()

function leadingTo(ways: readonly (Way & { readonly fromId: number })[], target: number): Leading {
  const leading = new Leading()
  for (const { to, own, label, fromId } of ways) if (to.has(target)) leading.add(fromId, own, label)
  return leading
}

/** The lists by which something else leads there now: generally, and for the same owner. */
function changedLists(was: Leading, is: Leading): { readonly general: BitSet; readonly own: BitSet } {
  const changed = { general: new BitSet(), own: new BitSet() }
  for (const [a, b] of [
    [was, is],
    [is, was],
  ] as const)
    for (const [at, labels] of a.labels) {
      const others = b.labels.get(at)
      if (others?.size === labels.size && labels.isSubsetOf(others)) continue
      ;(at % 2 === 0 ? changed.general : changed.own).add(at >>> 1)
    }
  return changed
}

/** Sources with the same row of targets are told together. */
function* rectangles(
  found: ReadonlyMap<string, ReadonlyMap<number, readonly number[]>>,
  sources: readonly Class[],
  targets: readonly Class[],
  counts: Pairs,
  pace: Pace,
): Steps<Crossing[]> {
  const all: Crossing[] = []
  for (const [key, rows] of found) {
    const [between, before, after] = JSON.parse(key) as [Between, string, string]
    const byRow = new Map<string, { readonly from: BitSet; readonly to: readonly number[] }>()
    for (const [from, to] of rows) {
      if (pace.spent(SET_LOOKS + to.length * 4)) yield
      const row = to.join()
      let same = byRow.get(row)
      if (same === undefined) byRow.set(row, (same = { from: new BitSet(), to }))
      same.from.addAll((sources[from] as Class).members)
    }
    for (const { from, to: row } of byRow.values()) {
      const to = new BitSet()
      for (const target of row) to.addAll((targets[target] as Class).members)
      if (pace.spent(row.length * SET_LOOKS + from.size + to.size)) yield
      const pairs = counts.between(from, to, between)
      if (pairs > 0) all.push({ from, to, between, before, after, pairs })
    }
  }
  return all
}

/** Counts pairs; a node and itself are none. */
export class Pairs {
  readonly #question: Question

  constructor(question: Question) {
    this.#question = question
  }

  between(from: BitSet, to: BitSet, between: Between): number {
    const { sources, targets, sameAs } = this.#question
    let same = 0
    let sameOwned = 0
    const bySource = new Map<number, number>()
    for (const source of from) {
      const owner = sources.ownerOf(source)
      if (owner !== undefined) bySource.set(owner, (bySource.get(owner) ?? 0) + 1)
      const itself = sameAs(source)
      if (itself === undefined || !to.has(itself)) continue
      same++
      if (owner !== undefined) sameOwned++
    }
    const all = from.size * to.size - same
    if (between === 'all') return all
    let own = -sameOwned
    for (const target of to) own += bySource.get(targets.ownerOf(target) ?? Number.NaN) ?? 0
    return between === 'own' ? own : all - own
  }
}
