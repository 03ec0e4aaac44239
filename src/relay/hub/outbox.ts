/**
 * Builds one connection's next write: small notes first, then disco packets, then the others.
 *
 * A connection has one write under way at most; meanwhile packets wait in its queues, where they can be managed.
 * How much a write takes (`burst`) follows what leaves in some milliseconds, so that a slow connection's backlog
 * isn't hidden in buffers that nobody can drop from.
 */

import type { Mono } from '../../base/clock.ts'
import { FRAME, HEADER_BYTES, KEY_BYTES, putHeader } from '../../wire/derp/frame.ts'
import { encodeServerMessage } from '../../wire/derp/messages.ts'
import type { Conn, Pair } from './peer.ts'

export const FIRST_BURST_BYTES = 16 * 1024
const LEAST_BURST_BYTES = 8 * 1024
const MOST_BURST_BYTES = 128 * 1024
/** A full write that is done sooner leaves room for a larger one; one that takes longer was too large. */
const QUICK_WRITE_MS = 10
const SLOW_WRITE_MS = 40
/** So many bursts may wait, 40 to 160 ms: longer queues only make everybody late. */
const QUEUED_BURSTS = 4
/** But never fewer bytes than these: some packets each for a dozen senders. */
const LEAST_QUEUE_BYTES = 48 * 1024
/** Disco packets go first, but with at most this part of a write when others wait. */
const DISCO_PART = 4

const KEEP_ALIVE = encodeServerMessage({ kind: 'keep-alive' })

export class Outbox {
  /** Sources of the last write's packets, packet by packet. */
  readonly from: Pair[] = []
  /** Average wait of a packet in milliseconds; each new one weighs a tenth. */
  queueMs = 0
  readonly #packets: Uint8Array[] = []
  readonly #allocate: (length: number) => Uint8Array

  constructor(allocate: (length: number) => Uint8Array) {
    this.#allocate = allocate
  }

  /** The next write of `conn`; `undefined` when nothing waits. Fills `from`. */
  compose(conn: Conn, now: Mono): Uint8Array | undefined {
    this.from.length = 0
    this.#packets.length = 0
    // Taken out first: a drop below may leave another note, which then goes with the next write.
    const notes = takeNotes(conn)
    const noted = notes.reduce((sum, note) => sum + note.length, 0)
    const disco = this.#fill(conn.disco, conn.other.bytes > 0 ? conn.burst / DISCO_PART : conn.burst, now)
    const other = this.#fill(conn.other, conn.burst - disco, now)
    const length = noted + disco + other
    if (length === 0) return undefined
    const out = this.#allocate(length)
    let at = 0
    for (const note of notes) {
      out.set(note, at)
      at += note.length
    }
    for (let i = 0; i < this.#packets.length; i++) {
      const packet = this.#packets[i] as Uint8Array
      at = putHeader(out, at, FRAME.recvPacket, KEY_BYTES + packet.length)
      out.set((this.from[i] as Pair).source.raw, at)
      out.set(packet, at + KEY_BYTES)
      at += KEY_BYTES + packet.length
    }
    this.#packets.length = 0
    return out
  }

  /** Moves packets into the batch until it holds `most` bytes; returns what they take as frames. */
  #fill(queue: Conn['other'], most: number, now: Mono): number {
    let length = 0
    while (queue.bytes > 0 && length < most) {
      const packet = queue.take(now)
      if (packet === undefined) break
      this.queueMs += (now - queue.takenSince - this.queueMs) * 0.1
      this.#packets.push(packet)
      this.from.push((queue.taken as { owner: Pair }).owner)
      length += HEADER_BYTES + KEY_BYTES + packet.length
    }
    return length
  }
}

/** Is there anything to write? */
export function hasMail(conn: Conn): boolean {
  return (
    conn.other.bytes > 0 ||
    conn.disco.bytes > 0 ||
    conn.notes.length > 0 ||
    conn.gone.size > 0 ||
    conn.pong !== undefined ||
    conn.keepAliveDue
  )
}

/** Learns from a write that took `ms` how much the next one should hold, and how much may wait for it. */
export function learnBurst(conn: Conn, ms: number): void {
  if (ms >= SLOW_WRITE_MS) conn.burst = Math.max(conn.burst / 2, LEAST_BURST_BYTES)
  // A small write says nothing about large ones.
  else if (ms <= QUICK_WRITE_MS && conn.wroteBytes * 2 >= conn.burst)
    conn.burst = Math.min(conn.burst * 2, MOST_BURST_BYTES)
  conn.other.most = Math.max(LEAST_QUEUE_BYTES, conn.burst * QUEUED_BURSTS)
}

function takeNotes(conn: Conn): Uint8Array[] {
  const notes = conn.notes.splice(0)
  for (const gone of conn.gone.values()) notes.push(gone)
  conn.gone.clear()
  if (conn.pong !== undefined) notes.push(conn.pong)
  conn.pong = undefined
  if (conn.keepAliveDue) notes.push(KEEP_ALIVE)
  conn.keepAliveDue = false
  return notes
}
