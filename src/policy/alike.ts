/**
 * Which lists of sources write the same at present, so that their rules can be one. (policy.md §15.3)
 *
 * Only lists of which somebody says that they have changed are looked at again.
 */

import type { Sources, Writing } from './sources.ts'

/** Lists that write the same. */
export interface Alike {
  readonly writing: Writing
  readonly lists: ReadonlySet<Sources>
}

interface Group extends Alike {
  readonly hash: number
  readonly lists: Set<Sources>
}

export class AlikeLists {
  readonly #groups = new Map<number, Group[]>()
  readonly #groupOf = new Map<Sources, Group>()
  readonly #stale = new Set<Sources>()

  /** From now on the list counts, and may write something else than it did. */
  reconsider(list: Sources): void {
    this.#stale.add(list)
  }

  /** The list with those that write the same. */
  of(list: Sources): Alike {
    this.settle()
    return this.#groupOf.get(list) as Group
  }

  /** Those that write these nodes and nothing else. */
  writing(slots: readonly number[]): Alike | undefined {
    this.settle()
    return this.#groups.get(hashOf(slots))?.find(({ writing: { literals, named } }) => {
      return literals === '' && named.size === slots.length && slots.every((slot) => named.has(slot))
    })
  }

  settle(): void {
    if (this.#stale.size > 0) for (const _list of this.settling());
  }

  /** Puts every list where it belongs, one by one. */
  *settling(): Generator<Sources, void> {
    for (const list of this.#stale) {
      this.#stale.delete(list)
      this.#leave(list)
      const { writing } = list
      const hash = hashOf(writing.named)
      let group = this.#find(writing, hash)
      if (group === undefined) {
        group = { writing, hash, lists: new Set() }
        const others = this.#groups.get(hash)
        if (others === undefined) this.#groups.set(hash, [group])
        else others.push(group)
      }
      group.lists.add(list)
      this.#groupOf.set(list, group)
      yield list
    }
  }

  #find({ literals, named }: Writing, hash: number): Group | undefined {
    return this.#groups.get(hash)?.find(({ writing: w }) => w.literals === literals && w.named.equals(named))
  }

  #leave(list: Sources): void {
    const group = this.#groupOf.get(list)
    if (group === undefined) return
    group.lists.delete(list)
    if (group.lists.size > 0) return
    const { hash } = group
    const others = (this.#groups.get(hash) ?? []).filter((other) => other !== group)
    if (others.length > 0) this.#groups.set(hash, others)
    else this.#groups.delete(hash)
  }
}

/** Equal for equal numbers in whatever order, and seldom for others. */
function hashOf(numbers: Iterable<number>): number {
  let hash = 0
  for (const n of numbers) hash = (hash + Math.imul(n ^ (n >>> 7) ^ 0x55555555, 0x9e3779b1)) | 0
  return hash
}
