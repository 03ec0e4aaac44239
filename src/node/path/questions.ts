/**
 * What people ask and no peer has answered yet: each question is put again until its time is over, since the first way
 * to a peer may open only after it was asked. (disco.md §5.11)
 */

import { later, NEVER } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'
import type { NodeKey } from '../../base/keys.ts'
import { ASK_AGAIN_MS, PING_TIMEOUT_MS } from './timing.ts'

export interface Question {
  /** Names it; unique while it waits. */
  readonly asked: string
  readonly peer: NodeKey
  /** Size of IP packet to pad pings to; 0 for as small as they are. */
  readonly wireMtu: number
  readonly until: Mono
  nextAt: Mono
}

export class Questions {
  /** In the order in which they were asked, which is the order in which they end. */
  readonly #waiting = new Map<string, Question>()

  /** A new question, put for the first time now. */
  add(asked: string, peer: NodeKey, wireMtu: number, now: Mono): Question {
    const question = { asked, peer, wireMtu, until: later(now, PING_TIMEOUT_MS), nextAt: later(now, ASK_AGAIN_MS) }
    this.#waiting.set(asked, question)
    return question
  }

  /** It is answered. False when it waits no longer. */
  answered(asked: string): boolean {
    return this.#waiting.delete(asked)
  }

  /** Takes out those whose time is over. */
  expired(now: Mono): Question[] {
    const over = [...this.#waiting.values()].filter(({ until }) => now >= until)
    for (const { asked } of over) this.#waiting.delete(asked)
    return over
  }

  /** Those to put again now. */
  due(now: Mono): Question[] {
    const due = [...this.#waiting.values()].filter(({ nextAt }) => now >= nextAt)
    for (const question of due) question.nextAt = later(now, ASK_AGAIN_MS)
    return due
  }

  deadline(): Mono {
    let at = NEVER
    for (const { until, nextAt } of this.#waiting.values()) at = Math.min(at, until, nextAt) as Mono
    return at
  }
}
