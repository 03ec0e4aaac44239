/**
 * Do the members of one crowd meet those of another, some or all of them? Members whom the same rules admit, or to
 * whom the same ways lead, are taken together, so that the answer costs what the crowds differ in and not their size.
 */

/** Those whom the same rules admit. */
export interface Admitted<R> {
  readonly rules: ReadonlySet<R>
  /** Rules that admit them to the devices of their own user only. */
  readonly own: ReadonlySet<R>
}

/** Those to whom the same ways lead. */
export interface Reached<W> {
  readonly ways: readonly W[]
  /** Ways that are open to devices of their own user only. */
  readonly own: readonly W[]
}

/** Members who are alike, and their users, by number; tagged ones have none. */
export type Crowd<T> = readonly { readonly alike: T; readonly owners: ReadonlySet<number> }[]

export interface Meeting {
  /** There is a pair that meets. */
  readonly some: boolean
  /** There are pairs, and all of them meet. */
  readonly every: boolean
}

/** By the ways that `counts` leaves; `ruleOf` tells whom a way admits. */
export function meeting<R, W>(
  from: Crowd<Admitted<R>>,
  to: Crowd<Reached<W>>,
  counts: (way: W) => boolean,
  ruleOf: (way: W) => R,
): Meeting {
  let some = false
  let every = from.length > 0 && to.length > 0
  for (const { alike: target, owners } of to) {
    const open = new Set(target.ways.filter(counts).map(ruleOf))
    const own = new Set(target.own.filter(counts).map(ruleOf))
    for (const { alike: source, owners: theirs } of from) {
      if (!open.isDisjointFrom(source.rules)) {
        some = true
        continue
      }
      const mine = !own.isDisjointFrom(source.own) && !theirs.isDisjointFrom(owners)
      some ||= mine
      every &&= mine && theirs.size === 1 && owners.size === 1
    }
    if (some && !every) break
  }
  return { some, every }
}

/** Puts those together who are alike: the same object says so. */
export function gather<T>(members: Iterable<{ readonly alike: T; readonly owner: number | undefined }>): Crowd<T> {
  const gathered = new Map<T, Set<number>>()
  for (const { alike, owner } of members) {
    const owners = remembered(gathered, alike, () => new Set())
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
