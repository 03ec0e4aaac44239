/**
 * Which nodes are online, as the tailnet is to see it: a node that has lost its stream has some seconds to come
 * back before anybody hears of it, and a restart of the server does not make the tailnet blink.
 *
 * Times are handed in; writing what is due is the caller's matter.
 */

import { later, NEVER } from '../../base/clock.ts'
import type { Mono, Wall } from '../../base/clock.ts'
import type { TailnetNum } from '../model/records.ts'

/** A stream that breaks is mostly followed by another at once. */
export const GRACE_MS = 10_000
/**
 * After a start, nodes that were online are given this long to come back. Official clients back off up to 30 s,
 * and over plain HTTP on private addresses wait another 10 s after a refused connection.
 */
export const RESTART_GRACE_MS = 60_000

export interface Leaving {
  readonly tailnet: TailnetNum
  readonly node: number
  /** When its stream ended. */
  readonly at: Wall
}

export class Leavers {
  readonly #leaving = new Map<string, Leaving & { due: Mono }>()

  /** A node has lost its stream, or has none after a start. */
  add(leaving: Leaving, due: Mono): void {
    this.#leaving.set(`${leaving.tailnet}/${leaving.node}`, { ...leaving, due })
  }

  /** It has a stream again, or is gone for good. */
  cancel(tailnet: TailnetNum, node: number): void {
    this.#leaving.delete(`${tailnet}/${node}`)
  }

  /** Those whose time is up, by tailnet. They stay on the list until cancelled, to be tried again. */
  due(now: Mono): Map<TailnetNum, Leaving[]> {
    const due = new Map<TailnetNum, Leaving[]>()
    for (const leaving of this.#leaving.values()) {
      if (leaving.due > now) continue
      const all = due.get(leaving.tailnet)
      if (all === undefined) due.set(leaving.tailnet, [leaving])
      else all.push(leaving)
      leaving.due = later(now, GRACE_MS)
    }
    return due
  }

  /** Everybody on the list, due or not: for a server that stops. */
  all(): Iterable<Leaving> {
    return this.#leaving.values()
  }

  deadline(): Mono {
    let next = NEVER
    for (const { due } of this.#leaving.values()) if (due < next) next = due
    return next
  }
}
