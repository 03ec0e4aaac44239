/**
 * Notices that a node's map stream is taken from it again and again, as by a copy of the node on another machine: a
 * server serves the newest stream of a key and ends the one before, so two copies would take it from each other for ever
 * and as fast as they can. Says how long to wait before the next stream, and when to tell a person.
 */

import type { Dice } from '../../base/bytes.ts'
import { later, MINUTE_MS, NEVER, SECOND_MS } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'
import { fraction } from './backoff.ts'

/** A stream that has stood so long was not taken. Longer than any wait, or a copy that waits would end the count. */
const LASTING_MS = MINUTE_MS
/** The wait before the stream that follows the second such end; it doubles with each further one. */
const FIRST_WAIT_MS = SECOND_MS
const WAIT_MAX_MS = 30 * SECOND_MS
/** So many in a row are no chance: a server that is restarted ends a stream once. */
const TELLING = 3

/** A server that is stopped ends its streams, and its connections so soon after. */
const STOPPING_MS = 10 * SECOND_MS

export class Contention {
  readonly #dice: Dice
  /** Streams in a row that were ended soon after their map. */
  #taken = 0
  /** When the stream that stands has brought its map. */
  #since: Mono | undefined
  /** The last end that was counted, and how many there were before. */
  #last: { readonly at: Mono; readonly before: number } | undefined

  constructor(dice: Dice) {
    this.#dice = dice
  }

  /** Somebody else seems to use this node's key. */
  get isTold(): boolean {
    return this.#taken >= TELLING
  }

  /** When the stream has stood long enough to forget what was before it. */
  deadline(): Mono {
    return this.#since === undefined || this.#taken === 0 ? NEVER : later(this.#since, LASTING_MS)
  }

  /** Time has passed. */
  tick(now: Mono): void {
    if (now >= this.deadline()) this.#taken = 0
  }

  /** The stream has brought something. */
  brought(now: Mono): void {
    this.#since ??= now
  }

  /** There is no stream any more, and it was not the server that ended it. */
  gone(): void {
    this.#since = undefined
  }

  /**
   * The server has ended the stream, over a connection that goes on.
   *
   * @returns until when to wait with the next; `undefined`: it was not taken from us before
   */
  ended(now: Mono): Mono | undefined {
    this.tick(now)
    const since = this.#since
    this.#since = undefined
    if (since === undefined) return undefined
    this.#last = { at: now, before: this.#taken }
    this.#taken = now - since < LASTING_MS ? this.#taken + 1 : 0
    if (this.#taken < 2) return undefined
    const most = Math.min(WAIT_MAX_MS, FIRST_WAIT_MS * 2 ** (this.#taken - 2))
    return later(now, most * (0.5 + fraction(this.#dice) / 2))
  }

  /** The connection has gone, too: then the server was on its way out, and nobody has taken anything. */
  cutOff(now: Mono): void {
    if (this.#last !== undefined && now - this.#last.at < STOPPING_MS) this.#taken = this.#last.before
    this.#last = undefined
  }

  /** The node has another key. */
  reset(): void {
    this.#taken = 0
    this.#last = undefined
    this.#since = undefined
  }
}
