/**
 * Do the members of one crowd meet those of another, some or all of them? Members whom the same rules admit, or to
 * whom the same ways lead, are taken together, so that the answer costs what the crowds differ in and not their size.
 */

import type { Pace, Steps } from '../steps.ts'

/** Whom the same rules admit. */
export interface Admitted<R> {
  readonly rules: ReadonlySet<R>
  /** Rules that admit them to the devices of their own user only. */
  readonly own: ReadonlySet<R>
}

/** To whom the same ways lead. */
export interface Reached<W> {
  readonly ways: readonly W[]
  /** Ways that are open to devices of their own user only. */
  readonly own: readonly W[]
}

/** Members who are alike, and their users, by number; tagged ones have none. */
interface Kind<T> {
  readonly alike: T
  readonly owners: ReadonlySet<number>
}

/** Those who want something, and what is true of any, or of all, of them. */
export interface Senders<R> {
  readonly kinds: readonly Kind<Admitted<R>>[]
  readonly any: ReadonlySet<R>
  readonly all: ReadonlySet<R>
  /** By whose they are: the sets of rules that admit to what is that user's. */
  readonly own: ReadonlyMap<number, ReadonlySet<R>>
}

/** Those from whom something is wanted, and all the ways that lead to any of them. */
export interface Receivers<W> {
  readonly kinds: readonly Kind<Reached<W>>[]
  readonly ways: ReadonlySet<W>
  readonly own: ReadonlySet<W>
}

export interface Meeting {
  /** There is a pair that meets. */
  readonly some: boolean
  /** There are pairs, and all of them meet. */
  readonly every: boolean
}

/** By the ways that `counts` leaves; `ruleOf` tells whom a way admits. */
export function* meeting<R, W>(
  from: Senders<R>,
  to: Receivers<W>,
  counts: (way: W) => boolean,
  ruleOf: (way: W) => R,
  pace: Pace,
): Steps<Meeting> {
  const counting = new Set([...to.ways, ...to.own].filter(counts))
  const rules = (ways: Iterable<W>): Set<R> => new Set([...ways].filter((way) => counting.has(way)).map(ruleOf))
  const isOwn = (rulesOfKind: ReadonlySet<R>, owner: number): boolean =>
    !rulesOfKind.isDisjointFrom(from.own.get(owner) ?? new Set())

  if (pace.spent(to.ways.size + to.own.size)) yield
  let some = !rules(to.ways).isDisjointFrom(from.any)
  if (!some && rules(to.own).size > 0)
    for (const { alike, owners } of to.kinds) {
      if (pace.spent(alike.own.length + owners.size)) yield
      const own = rules(alike.own)
      some = own.size > 0 && [...owners].some((owner) => isOwn(own, owner))
      if (some) break
    }
  if (!some) return { some, every: false }
  for (const { alike, owners } of to.kinds) {
    if (pace.spent(alike.ways.length + alike.own.length)) yield
    const open = rules(alike.ways)
    if (!open.isDisjointFrom(from.all)) continue
    const own = rules(alike.own)
    for (const sender of from.kinds) {
      if (pace.spent(Math.min(open.size, sender.alike.rules.size))) yield
      if (!open.isDisjointFrom(sender.alike.rules)) continue
      // By what is one's own, all of them meet only where all of them are one user's.
      const mine = !own.isDisjointFrom(sender.alike.own) && !sender.owners.isDisjointFrom(owners)
      if (!mine || sender.owners.size !== 1 || owners.size !== 1) return { some, every: false }
    }
  }
  return { some, every: true }
}

interface Member<T> {
  /** The same object for those who are alike. */
  readonly alike: T
  readonly owner: number | undefined
}

export function* gatherSenders<R>(members: readonly Member<Admitted<R>>[], pace: Pace): Steps<Senders<R>> {
  const kinds = gather(members)
  const any = new Set<R>()
  const own = new Map<number, Set<R>>()
  let all = kinds[0]?.alike.rules ?? new Set<R>()
  for (const { alike, owners } of kinds) {
    if (pace.spent(alike.rules.size + owners.size * (1 + alike.own.size))) yield
    for (const rule of alike.rules) any.add(rule)
    for (const owner of owners) for (const rule of alike.own) remembered(own, owner, () => new Set()).add(rule)
    all = all.intersection(alike.rules)
  }
  return { kinds, any, all, own }
}

export function* gatherReceivers<W>(members: readonly Member<Reached<W>>[], pace: Pace): Steps<Receivers<W>> {
  const kinds = gather(members)
  const [ways, own] = [new Set<W>(), new Set<W>()]
  for (const { alike } of kinds) {
    if (pace.spent(alike.ways.length + alike.own.length)) yield
    for (const way of alike.ways) ways.add(way)
    for (const way of alike.own) own.add(way)
  }
  return { kinds, ways, own }
}

function gather<T>(members: readonly Member<T>[]): Kind<T>[] {
  const gathered = new Map<T, Set<number>>()
  for (const { alike, owner } of members) {
    const owners = remembered(gathered, alike, () => new Set<number>())
    if (owner !== undefined) owners.add(owner)
  }
  return [...gathered].map(([alike, owners]) => ({ alike, owners }))
}

/** Computes what isn't in the map yet. */
export function remembered<K, V>(map: Map<K, V>, key: K, compute: () => V): V {
  let value = map.get(key)
  if (value === undefined) map.set(key, (value = compute()))
  return value
}

/** The same where computing takes steps. */
export function* rememberedInSteps<K, V>(map: Map<K, V>, key: K, compute: () => Steps<V>): Steps<V> {
  let value = map.get(key)
  if (value === undefined) map.set(key, (value = yield* compute()))
  return value
}
