/**
 * What a node reports of itself, and when (control.md §5.1 lite updates, §15 items 6 and 9): changes are gathered, a
 * report that is overtaken while under way is given up, and nothing is said twice on one connection.
 */

import type { Bytes, Dice } from '../../base/bytes.ts'
import { sameBytes } from '../../base/bytes.ts'
import { later, NEVER, SECOND_MS } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'
import { Backoff } from './backoff.ts'

/** Endpoints and host facts change in bursts; this long after the first of a burst they are told together. */
const GATHER_MS = 100
/** Reports are not closer together than this. */
const APART_MS = SECOND_MS

export class Reporter {
  #dueAt: Mono = NEVER
  #sentAt = -Infinity as Mono
  /** The report that the server has, or that is on its way to it. */
  #sent: Bytes | undefined
  #call: number | undefined
  readonly #backoff: Backoff

  constructor(dice: Dice) {
    this.#backoff = new Backoff(dice)
  }

  /** Something that is reported has changed. */
  changed(now: Mono): void {
    if (this.#dueAt === NEVER) this.#dueAt = later(now, GATHER_MS)
  }

  /** A new connection: the server gets a report before anything else. */
  restart(): void {
    this.#call = undefined
    this.#sent = undefined
    this.#sentAt = -Infinity as Mono
    this.#backoff.reset()
    this.#dueAt = 0 as Mono
  }

  deadline(): Mono {
    return this.#dueAt === NEVER ? NEVER : (Math.max(this.#dueAt, this.#sentAt + APART_MS, this.#backoff.until) as Mono)
  }

  /**
   * The report to send now, if one is due; then say its call by `sentAs`.
   *
   * @returns the body, and the call that it overtakes
   */
  take(body: () => Bytes, now: Mono): { readonly body: Bytes; readonly overtakes: number | undefined } | undefined {
    if (now < this.deadline()) return undefined
    this.#dueAt = NEVER
    const bytes = body()
    if (this.#sent !== undefined && sameBytes(bytes, this.#sent)) return undefined
    const overtakes = this.#call
    this.#sent = bytes
    this.#sentAt = now
    this.#call = undefined
    return { body: bytes, overtakes }
  }

  /** @param call `undefined`: it could not be sent, and has to be tried again */
  sentAs(call: number | undefined, now: Mono): void {
    this.#call = call
    if (call === undefined) this.failed(now)
  }

  isCall(call: number): boolean {
    return call === this.#call
  }

  /** The report under way was not taken: it is due again. */
  failed(now: Mono): void {
    this.#call = undefined
    this.#sent = undefined
    this.#backoff.fail(now)
    if (this.#dueAt === NEVER) this.#dueAt = now
  }

  done(): void {
    this.#call = undefined
    this.#backoff.reset()
  }
}
