/**
 * The race for one control connection: starts the targets of a dial when they are due, lets each make its handshake,
 * and keeps the first that completes it (control.md §3.2).
 */

import type { Bytes } from '../../base/bytes.ts'
import { later, NEVER } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'
import type { DialTarget } from './dial.ts'
import { ControlLink } from './link.ts'
import type { LinkEvent, LinkOptions } from './link.ts'

/** What the race wants done with sockets. */
export type DialAction =
  | {
      readonly kind: 'dial'
      readonly conn: number
      readonly host: string
      readonly port: number
      readonly tls: boolean
      readonly address?: string
    }
  | { readonly kind: 'send'; readonly conn: number; readonly bytes: Bytes }
  | { readonly kind: 'close'; readonly conn: number }

export interface Won {
  readonly conn: number
  readonly link: ControlLink
  readonly tls: boolean
  /** What has come with the end of the handshake. */
  readonly events: readonly LinkEvent[]
}

interface Attempt {
  readonly target: DialTarget
  readonly link: ControlLink
  readonly conn: number
  readonly giveUpAt: Mono
}

export class Dialling {
  readonly #targets: readonly DialTarget[]
  readonly #link: LinkOptions
  readonly #numberOf: () => number
  readonly #startAt: Mono[]
  readonly #attempts = new Map<number, Attempt>()
  readonly #endAt: Mono
  /** Why the last of the targets failed. */
  why = 'there is nobody to dial'

  /** @param numberOf gives each connection its number */
  constructor(
    targets: readonly DialTarget[],
    link: LinkOptions,
    numberOf: () => number,
    options: { readonly now: Mono; readonly budgetMs: number },
  ) {
    this.#targets = targets
    this.#link = link
    this.#numberOf = numberOf
    this.#startAt = targets.map((target) => later(options.now, target.startMs))
    this.#endAt = later(options.now, options.budgetMs)
  }

  /** No target is left that might still answer. */
  get isLost(): boolean {
    return this.#attempts.size === 0 && this.#startAt.every((at) => at === NEVER)
  }

  has(conn: number): boolean {
    return this.#attempts.has(conn)
  }

  tick(now: Mono): DialAction[] {
    const actions: DialAction[] = []
    for (const attempt of this.#attempts.values())
      if (now >= attempt.giveUpAt || now >= this.#endAt) actions.push(...this.#drop(attempt, 'no answer in time', now))
    if (now >= this.#endAt) this.#startAt.fill(NEVER)
    for (const [i, at] of this.#startAt.entries()) {
      if (now < at || at === NEVER) continue
      this.#startAt[i] = NEVER
      const target = this.#targets[i] as DialTarget
      const conn = this.#numberOf()
      const giveUpAt = later(now, target.timeoutMs)
      this.#attempts.set(conn, { target, conn, giveUpAt, link: new ControlLink(this.#link) })
      const { host, port, tls, address } = target
      actions.push({ kind: 'dial', conn, host, port, tls, ...(address === undefined ? {} : { address }) })
    }
    return actions
  }

  deadline(): Mono {
    let first = Math.min(...this.#startAt, Infinity)
    for (const attempt of this.#attempts.values()) first = Math.min(first, attempt.giveUpAt, this.#endAt)
    return first as Mono
  }

  connected(conn: number, now: Mono): DialAction[] {
    const attempt = this.#attempts.get(conn)
    if (attempt === undefined) return []
    const bytes = attempt.link.upgrade()
    return bytes === undefined
      ? this.#drop(attempt, 'the server has no usable key', now)
      : [{ kind: 'send', conn, bytes }]
  }

  closed(conn: number, why: string, now: Mono): DialAction[] {
    const attempt = this.#attempts.get(conn)
    if (attempt === undefined) return []
    this.#attempts.delete(conn)
    return this.#failed(attempt, why, now)
  }

  received(conn: number, bytes: Bytes, now: Mono): { readonly won?: Won; readonly actions: readonly DialAction[] } {
    const attempt = this.#attempts.get(conn)
    if (attempt === undefined) return { actions: [] }
    const [first, ...events] = attempt.link.receive(bytes, now)
    if (first === undefined) return { actions: [] }
    if (first.kind !== 'up') return { actions: this.#drop(attempt, first.kind === 'down' ? first.why : '', now) }
    this.#attempts.delete(conn)
    this.#startAt.fill(NEVER)
    return { won: { conn, link: attempt.link, tls: attempt.target.tls, events }, actions: this.end() }
  }

  /** Gives up whatever is under way. */
  end(): DialAction[] {
    const actions = [...this.#attempts.keys()].map((conn) => ({ kind: 'close', conn }) as const)
    this.#attempts.clear()
    this.#startAt.fill(NEVER)
    return actions
  }

  #drop(attempt: Attempt, why: string, now: Mono): DialAction[] {
    this.#attempts.delete(attempt.conn)
    return [{ kind: 'close', conn: attempt.conn }, ...this.#failed(attempt, why, now)]
  }

  /** Whoever waits for this one to fail has its turn. */
  #failed(attempt: Attempt, why: string, now: Mono): DialAction[] {
    this.why = why
    const index = this.#targets.indexOf(attempt.target)
    for (const [i, target] of this.#targets.entries())
      if (target.after === index && this.#startAt[i] !== NEVER) this.#startAt[i] = now
    // A target that waits for a failure alone starts at infinity, which is also where the done ones stand.
    const next = this.#targets.findIndex((target) => target.after === index && target.startMs === Infinity)
    if (next >= 0) this.#startAt[next] = now
    return this.tick(now)
  }
}
