/** Finds what has to do with a node among much that has not, by the selectors that name the node. */

import { listed } from '../base/listed.ts'
import type { Selected } from './selection.ts'

export class BySelector<T> {
  readonly #things: T[] = []
  /** The places of things in their order. */
  readonly #places = new Map<Selected, number[]>()

  /** Adds something behind all others. It is found by each of the selectors. */
  add(thing: T, selectors: Iterable<Selected>): void {
    const place = this.#things.push(thing) - 1
    for (const selected of new Set(selectors)) listed(this.#places, selected).push(place)
  }

  /** What was added with one of the selectors: each once, in the order in which it was added. */
  of(selectors: Iterable<Selected>): T[] {
    if (this.#things.length === 0) return []
    let found: readonly number[] = []
    for (const selected of selectors) {
      const places = this.#places.get(selected)
      if (places !== undefined) found = found.length === 0 ? places : [...found, ...places].sort((a, b) => a - b)
    }
    const things: T[] = []
    let last = -1
    for (const place of found) {
      if (place !== last) things.push(this.#things[place] as T)
      last = place
    }
    return things
  }
}
