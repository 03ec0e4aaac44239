/** Simulated time: what is to happen, in the order of its time, and among equals in the order it was said. */

import type { Mono } from '../../../src/base/clock.ts'

interface Event {
  readonly at: number
  readonly order: number
  readonly act: () => void
}

/** So much at one moment is a machine that asks to be woken for nothing. */
const STANDSTILL = 100_000

/** Time goes in grains of a power of two, so that sums of times are exact, and nothing happens a rounding too soon. */
const GRAINS = 1024

export class SimClock {
  #now = 0
  #said = 0
  /** How much has happened at this very moment. */
  #atOnce = 0
  readonly #heap: Event[] = []

  get now(): Mono {
    return this.#now as Mono
  }

  /** @param inMs from now */
  after(inMs: number, act: () => void): void {
    this.at(this.#now + inMs, act)
  }

  /** At that very moment, or at once when it is past. */
  at(time: number, act: () => void): void {
    this.#push({ at: Math.max(this.#now, Math.ceil(time * GRAINS) / GRAINS), order: this.#said++, act })
  }

  /** Lets the next thing happen. False when there is none up to `limit`; then it is `limit`. */
  step(limit: number): boolean {
    const next = this.#heap[0]
    if (next === undefined || next.at > limit) {
      this.#now = Math.max(this.#now, limit)
      return false
    }
    this.#pop()
    this.#atOnce = next.at > this.#now ? 0 : this.#atOnce + 1
    if (this.#atOnce > STANDSTILL) throw new Error(`Time stands still at ${this.#now} simulated ms`)
    this.#now = next.at
    next.act()
    return true
  }

  #push(event: Event): void {
    const heap = this.#heap
    let i = heap.push(event) - 1
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (!isBefore(event, heap[parent] as Event)) break
      heap[i] = heap[parent] as Event
      i = parent
    }
    heap[i] = event
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop() as Event
    if (heap.length === 0) return
    let i = 0
    for (;;) {
      let child = 2 * i + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child++
      if (!isBefore(heap[child] as Event, last)) break
      heap[i] = heap[child] as Event
      i = child
    }
    heap[i] = last
  }
}

const isBefore = (a: Event, b: Event): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)
