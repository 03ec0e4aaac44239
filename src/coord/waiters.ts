/** Requests that are held open until something is decided, has expired, or it is time to say something anyway. */

import { later, NEVER } from '../base/clock.ts'
import type { Mono, Wall } from '../base/clock.ts'
import type { ControlReply } from './control.ts'

interface Waiter {
  readonly until: Wall
  readonly again: () => void
}

export class Waiters {
  readonly #waiters = new Map<string, Set<Waiter>>()

  /** Calls `again` once: at the next `wake` of this id, or at `until`; never when the client is gone before. */
  hold(id: string, until: Wall, reply: ControlReply, again: () => void): void {
    const waiters = this.#waiters.get(id) ?? new Set()
    this.#waiters.set(id, waiters)
    const leave = (): void => {
      waiters.delete(waiter)
      if (waiters.size === 0 && this.#waiters.get(id) === waiters) this.#waiters.delete(id)
    }
    const waiter: Waiter = {
      until,
      again: () => {
        leave()
        again()
      },
    }
    waiters.add(waiter)
    reply.onClose(leave)
  }

  /** Something has become of it: whoever waits looks again. */
  wake(id: string): void {
    // Whoever has to wait on comes back while this goes through them.
    const waiting = [...(this.#waiters.get(id) ?? [])]
    for (const waiter of waiting) waiter.again()
  }

  expire(now: Wall): void {
    const due = [...this.#waiters.values()].flatMap((waiters) => [...waiters].filter(({ until }) => until <= now))
    for (const waiter of due) waiter.again()
  }

  /** When the first of them is due. */
  deadline(wall: Wall, now: Mono): Mono {
    let next = NEVER
    for (const waiters of this.#waiters.values())
      for (const { until } of waiters) next = Math.min(next, later(now, Math.max(0, until - wall))) as Mono
    return next
  }
}
