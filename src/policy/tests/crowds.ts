/**
 * Do the members of one crowd meet those of another, some or all of them? Members whom the same rules admit, or to
 * whom the same rules lead, are taken together, so that the answer costs what the crowds differ in and not their size.
 */

/** Those whom the same rules admit. */
export interface Admitted<R> {
  readonly rules: ReadonlySet<R>
  /** Rules that admit them to the devices of their own user only. */
  readonly own: ReadonlySet<R>
  /** Their users, by number; tagged ones have none. */
  readonly owners: ReadonlySet<number>
}

/** A way in: the rule, and for access through which of its targets. */
export interface Way<R> {
  readonly part: R
}

/** Those to whom the same ways lead. */
export interface Reached<R, W extends Way<R>> {
  readonly ways: readonly W[]
  /** Ways that are open to devices of their own user only. */
  readonly own: readonly W[]
  readonly owners: ReadonlySet<number>
}

export interface Meeting {
  /** There is a pair that meets. */
  readonly some: boolean
  /** There are pairs, and all of them meet. */
  readonly every: boolean
}

/** By the ways that `counts` leaves. */
export function meeting<R, W extends Way<R>>(
  from: readonly Admitted<R>[],
  to: readonly Reached<R, W>[],
  counts: (way: W) => boolean,
): Meeting {
  let some = false
  let every = from.length > 0 && to.length > 0
  for (const { ways, own, owners } of to) {
    const open = ways.filter(counts)
    const ownOpen = own.filter(counts)
    for (const sources of from) {
      if (open.some(({ part }) => sources.rules.has(part))) {
        some = true
        continue
      }
      const mine = ownOpen.some(({ part }) => sources.own.has(part)) && !sources.owners.isDisjointFrom(owners)
      some ||= mine
      every &&= mine && sources.owners.size === 1 && owners.size === 1
    }
    if (some && !every) break
  }
  return { some, every }
}

/** What of a member decides in which crowd it is. */
export interface Traits<T> {
  readonly all: T[]
  readonly own: T[]
  /** `undefined` for a tagged node. */
  readonly owner: number | undefined
}

/** Puts members with the same traits together; traits are put in by number. */
export function gather(members: readonly Traits<number>[]): (Traits<number> & { readonly owners: Set<number> })[] {
  const gathered = new Map<string, Traits<number> & { readonly owners: Set<number> }>()
  for (const member of members) {
    const key = `${member.all.join()} ${member.own.join()}`
    let same = gathered.get(key)
    if (same === undefined) gathered.set(key, (same = { ...member, owners: new Set() }))
    if (member.owner !== undefined) same.owners.add(member.owner)
  }
  return [...gathered.values()]
}
