/**
 * Do the members of one crowd meet those of another, some or all of them? Members whom the same rules admit, or to
 * whom the same ways lead, are taken together, so that the answer costs what the crowds differ in and not their size.
 */

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
export function meeting<R, W>(
  from: Senders<R>,
  to: Receivers<W>,
  counts: (way: W) => boolean,
  ruleOf: (way: W) => R,
): Meeting {
  const counting = new Set([...to.ways, ...to.own].filter(counts))
  const rules = (ways: Iterable<W>): Set<R> => new Set([...ways].filter((way) => counting.has(way)).map(ruleOf))
  const isOwn = (rulesOfKind: ReadonlySet<R>, owner: number): boolean =>
    !rulesOfKind.isDisjointFrom(from.own.get(owner) ?? new Set())

  const some =
    !rules(to.ways).isDisjointFrom(from.any) ||
    (rules(to.own).size > 0 &&
      to.kinds.some(({ alike, owners }) => {
        const own = rules(alike.own)
        return own.size > 0 && [...owners].some((owner) => isOwn(own, owner))
      }))
  const every =
    some &&
    to.kinds.every(({ alike, owners }) => {
      const open = rules(alike.ways)
      if (!open.isDisjointFrom(from.all)) return true
      const own = rules(alike.own)
      return from.kinds.every((sender) => {
        if (!open.isDisjointFrom(sender.alike.rules)) return true
        // By what is one's own, all of them meet only where all of them are one user's.
        const mine = !own.isDisjointFrom(sender.alike.own) && !sender.owners.isDisjointFrom(owners)
        return mine && sender.owners.size === 1 && owners.size === 1
      })
    })
  return { some, every }
}

interface Member<T> {
  /** The same object for those who are alike. */
  readonly alike: T
  readonly owner: number | undefined
}

export function gatherSenders<R>(members: readonly Member<Admitted<R>>[]): Senders<R> {
  const kinds = gather(members)
  const any = new Set<R>()
  const own = new Map<number, Set<R>>()
  for (const { alike, owners } of kinds) {
    for (const rule of alike.rules) any.add(rule)
    for (const owner of owners) for (const rule of alike.own) remembered(own, owner, () => new Set()).add(rule)
  }
  let all = kinds[0]?.alike.rules ?? new Set<R>()
  for (const { alike } of kinds) all = all.intersection(alike.rules)
  return { kinds, any, all, own }
}

export function gatherReceivers<W>(members: readonly Member<Reached<W>>[]): Receivers<W> {
  const kinds = gather(members)
  return {
    kinds,
    ways: new Set(kinds.flatMap(({ alike }) => alike.ways)),
    own: new Set(kinds.flatMap(({ alike }) => alike.own)),
  }
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
