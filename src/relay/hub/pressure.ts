/**
 * Back-pressure: which senders wait for which destinations, and for how long.
 *
 * A sender with too much waiting for one destination is not read from until half of that has left: dropping what
 * has been carried this far would waste everybody's work, and its TCP connection tells the sender at once. A wait
 * holds up the sender's packets to others, too, so it is bounded:
 *   - only who has sent mostly to congested destinations of late is made to wait; of a mixed sender the excess to
 *     the slow destination is dropped, early and fairly, by its queue, and the rest goes on;
 *   - a destination that takes nothing at all makes nobody wait;
 *   - no wait lasts longer than `WAIT_MS`; after one that ran out there is none for as long, unless the backlog has
 *     halved before, and what exceeds the backlog meanwhile is dropped.
 */

import { later } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'
import type { Conn, Pair } from './peer.ts'
import { PACKET_OVERHEAD_BYTES } from './queue.ts'

/** The longest that a sender waits for one destination. */
export const WAIT_MS = 100
/** A backlog below this makes nobody wait, however slow the destination is. */
const LEAST_BACKLOG_BYTES = 4 * 1024
/** Over how many of a sender's bytes "mostly" is judged. */
const RECENT_BYTES = 64 * 1024

export class Pressure {
  /** How often a sender was asked to wait. */
  pauses = 0
  readonly #waiting = new Set<Conn>()

  /** How much of a pair's packets may wait. */
  room(pair: Pair, now: Mono): number {
    return now < pair.tiredUntil ? backlogOf(pair.to) : Infinity
  }

  /** A packet of `length` bytes from `from` now waits in `pair`: must the sender wait, too? */
  queued(from: Conn, pair: Pair, length: number, now: Mono): void {
    const to = pair.to
    const cost = length + PACKET_OVERHEAD_BYTES
    const most = backlogOf(to)
    from.recent += cost
    if (pair.other.bytes > most / 2) from.recentToBusy += cost
    if (from.recent > RECENT_BYTES) {
      from.recent /= 2
      from.recentToBusy /= 2
    }
    if (pair.other.bytes <= most || now < pair.tiredUntil || from.waitsFor.has(pair)) return
    if (from.recentToBusy * 4 < from.recent * 3) return
    if (to.writing && now - to.wroteAt > WAIT_MS) return
    pair.waiting.push(from)
    from.waitsFor.add(pair)
    if (this.#waiting.has(from)) return
    this.#waiting.add(from)
    from.resumeAt = later(now, WAIT_MS)
    this.pauses++
    from.line.pause()
  }

  /** Packets have left `pair`, one way or the other. */
  shrunk(pair: Pair): void {
    if (pair.waiting.length === 0 && pair.tiredUntil === 0) return
    if (pair.other.bytes > backlogOf(pair.to) / 2) return
    pair.tiredUntil = 0 as Mono
    this.release(pair)
  }

  /** Lets go whoever waits for `pair`. */
  release(pair: Pair): void {
    for (const conn of pair.waiting) {
      conn.waitsFor.delete(pair)
      if (conn.waitsFor.size === 0 && this.#waiting.delete(conn)) conn.line.resume()
    }
    pair.waiting.length = 0
  }

  /** The connection has closed and waits for nobody any more. */
  forget(conn: Conn): void {
    this.#waiting.delete(conn)
    for (const pair of conn.waitsFor) pair.waiting.splice(pair.waiting.indexOf(conn), 1)
    conn.waitsFor.clear()
  }

  /** Ends the waits that have lasted long enough. */
  tick(now: Mono): void {
    for (const conn of this.#waiting) {
      if (now < conn.resumeAt) continue
      for (const pair of conn.waitsFor) pair.tiredUntil = later(now, WAIT_MS)
      this.forget(conn)
      conn.line.resume()
    }
  }

  /** When a wait next ends by time, if that is before `otherwise`. */
  deadline(otherwise: Mono): Mono {
    let at = otherwise
    for (const conn of this.#waiting) if (conn.resumeAt < at) at = conn.resumeAt
    return at
  }
}

/** How much of one sender may wait for a connection before the sender does. */
function backlogOf(to: Conn): number {
  return Math.max(LEAST_BACKLOG_BYTES, (2 * to.burst) / Math.max(1, to.other.sources))
}
