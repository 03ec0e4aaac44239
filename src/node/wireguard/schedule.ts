/**
 * Which of many things is due first: a binary heap of those that have a deadline at all.
 *
 * A deadline that moves later costs nothing: the entry stays where it is, comes up early, and is then asked again. So
 * packets, which move deadlines all the time, hardly ever move entries. What has no deadline is not in the heap.
 */

import { NEVER } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'

export interface Scheduled {
  /** When it next has something to do; `NEVER` for nothing. */
  deadline(): Mono
  /** Written by the schedule only. */
  readonly slot: Slot
}

/** Where in the heap something is, and until when it may be left alone. */
export interface Slot {
  index: number
  at: Mono
}

export const newSlot = (): Slot => ({ index: -1, at: NEVER })

export class Schedule<T extends Scheduled> {
  readonly #heap: T[] = []

  /** Not later than the earliest deadline of all. */
  deadline(): Mono {
    return this.#heap[0]?.slot.at ?? NEVER
  }

  /** To be called after a deadline may have come nearer. */
  refresh(item: T): void {
    const at = item.deadline()
    const { slot } = item
    if (at >= slot.at) return
    slot.at = at
    if (slot.index < 0) slot.index = this.#heap.push(item) - 1
    this.#up(item)
  }

  remove(item: T): void {
    const { index } = item.slot
    if (index < 0) return
    item.slot.index = -1
    item.slot.at = NEVER
    const last = this.#heap.pop() as T
    if (last === item) return
    this.#put(last, index)
    this.#up(last)
    this.#down(last)
  }

  /** Takes out one whose time has come; the caller does what is due and then calls `refresh`. */
  take(now: Mono): T | undefined {
    for (;;) {
      const first = this.#heap[0]
      if (first === undefined || first.slot.at > now) return undefined
      this.remove(first)
      if (first.deadline() <= now) return first
      this.refresh(first)
    }
  }

  #put(item: T, index: number): void {
    this.#heap[index] = item
    item.slot.index = index
  }

  #up(item: T): void {
    let { index } = item.slot
    while (index > 0) {
      const parent = this.#heap[(index - 1) >> 1] as T
      if (parent.slot.at <= item.slot.at) break
      this.#put(parent, index)
      index = (index - 1) >> 1
    }
    this.#put(item, index)
  }

  #down(item: T): void {
    let { index } = item.slot
    for (;;) {
      let child = 2 * index + 1
      if (child >= this.#heap.length) break
      const [left, right] = [this.#heap[child] as T, this.#heap[child + 1]]
      if (right !== undefined && right.slot.at < left.slot.at) child++
      const least = this.#heap[child] as T
      if (item.slot.at <= least.slot.at) break
      this.#put(least, index)
      index = child
    }
    this.#put(item, index)
  }
}
