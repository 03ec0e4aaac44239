/**
 * When each of many things next needs attention: a heap, so that ten thousand that sleep cost nothing.
 *
 * Putting a deadline off is free: the old entry stays and, when it comes up, its owner is asked again.
 */

import { NEVER } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'

interface Entry<T> {
  readonly at: Mono
  readonly item: T
}

export class Deadlines<T> {
  readonly #heap: Entry<T>[] = []
  /** The earliest entry of each item that counts; others in the heap are left over. */
  readonly #earliest = new Map<T, Mono>()

  /** The item wants attention at `at`, or earlier if it said so before. */
  set(item: T, at: Mono): void {
    if (at === NEVER || at >= (this.#earliest.get(item) ?? NEVER)) return
    this.#earliest.set(item, at)
    this.#push({ at, item })
  }

  delete(item: T): void {
    this.#earliest.delete(item)
  }

  next(): Mono {
    this.#dropStale()
    return this.#heap[0]?.at ?? NEVER
  }

  /** Takes out all whose time has come. Each must be set again. */
  due(now: Mono): T[] {
    const items: T[] = []
    for (this.#dropStale(); this.#heap[0] !== undefined && this.#heap[0].at <= now; this.#dropStale()) {
      const { item } = this.#pop()
      this.#earliest.delete(item)
      items.push(item)
    }
    return items
  }

  #dropStale(): void {
    while (this.#heap[0] !== undefined && this.#earliest.get(this.#heap[0].item) !== this.#heap[0].at) this.#pop()
  }

  #push(entry: Entry<T>): void {
    const heap = this.#heap
    let i = heap.push(entry) - 1
    while (i > 0) {
      const parent = (i - 1) >> 1
      if ((heap[parent] as Entry<T>).at <= entry.at) break
      heap[i] = heap[parent] as Entry<T>
      i = parent
    }
    heap[i] = entry
  }

  #pop(): Entry<T> {
    const heap = this.#heap
    const top = heap[0] as Entry<T>
    const last = heap.pop() as Entry<T>
    if (heap.length === 0) return top
    let i = 0
    for (;;) {
      let child = 2 * i + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && (heap[child + 1] as Entry<T>).at < (heap[child] as Entry<T>).at) child++
      if ((heap[child] as Entry<T>).at >= last.at) break
      heap[i] = heap[child] as Entry<T>
      i = child
    }
    heap[i] = last
    return top
  }
}
