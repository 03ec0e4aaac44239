/**
 * One destination's queue: packets wait in a lane of their own per source, and the lanes take turns.
 *
 * Turns are dealt by bytes (deficit round robin), so a source that floods a destination waits behind itself.
 * Bounds are kept in three ways, each with a counted reason:
 *
 *   queue_early  a lane whose packets wait longer than a target for a whole interval loses one now and then,
 *                ever more often (CoDel, RFC 8289): senders slow down while there is still room
 *   queue_age    what has waited too long is of no use to its receiver any more
 *   queue_head   no room: the longest lane loses its oldest packet, whoever's packet has just come
 *
 * Memory is shared by all destinations through a `Budget`: the fuller it is, the less each queue may hold;
 * what it refuses altogether is `queue_tail`. Time is handed in; nothing here knows keys or frames.
 */

import type { DropReason } from './metrics.ts'

/** What a waiting packet costs beyond its payload; keeps floods of empty packets within bounds, too. */
export const PACKET_OVERHEAD_BYTES = 128
/** One turn of a lane: a full-sized tunnel packet and a bit. */
const QUANTUM_BYTES = 2048
/** The longest lane is searched exactly among so many, and by sample beyond. */
const SEARCHED_LANES = 64

/** CoDel's two numbers. 25 ms is what a batch takes to leave on a fair link; 200 ms covers the round trip
 * through two tunnels and a relay, within which a sender can have reacted. */
const TARGET_MS = 25
const INTERVAL_MS = 200

/** Bytes that all queues together may hold. */
export class Budget {
  used = 0
  readonly limit: number

  constructor(limit: number) {
    this.limit = limit
  }

  /** How much one queue may hold now: an equal part of what is left keeps room for queues yet to fill. */
  share(most: number): number {
    return Math.min(most, (this.limit - this.used) / 2)
  }
}

export interface QueueLimits {
  readonly bytes: number
  readonly ageMs: number
  /** Drop early to slow senders down? Not for packets that are few and signal by themselves. */
  readonly early: boolean
}

/** The packets of one source to one destination. `S` is whatever the owner wants to find there. */
export class Lane<S> {
  readonly owner: S
  bytes = 0
  /** Turns left, in bytes. */
  credit = 0
  waiting = false

  #packets: (Uint8Array | undefined)[] = Array.from({ length: 8 }, () => undefined)
  #times: number[] = Array.from({ length: 8 }, () => 0)
  #head = 0
  #count = 0

  /** When the wait first was too long without a break; 0 for "it isn't". */
  tooLongSince = 0
  dropping = false
  dropNext = 0
  drops = 0

  constructor(owner: S) {
    this.owner = owner
  }

  get count(): number {
    return this.#count
  }

  get oldest(): number {
    return this.#times[this.#head] as number
  }

  push(packet: Uint8Array, now: number): void {
    if (this.#count === this.#packets.length) this.#grow()
    const at = (this.#head + this.#count) & (this.#packets.length - 1)
    this.#packets[at] = packet
    this.#times[at] = now
    this.#count++
    this.bytes += packet.length + PACKET_OVERHEAD_BYTES
  }

  shift(): Uint8Array {
    const packet = this.#packets[this.#head] as Uint8Array
    this.#packets[this.#head] = undefined
    this.#head = (this.#head + 1) & (this.#packets.length - 1)
    this.#count--
    this.bytes -= packet.length + PACKET_OVERHEAD_BYTES
    return packet
  }

  #grow(): void {
    const mask = this.#packets.length - 1
    const twice = Array.from({ length: (mask + 1) * 2 }, (_, i) => i)
    this.#packets = twice.map((i) => (i <= mask ? this.#packets[(this.#head + i) & mask] : undefined))
    this.#times = twice.map((i) => (i <= mask ? (this.#times[(this.#head + i) & mask] as number) : 0))
    this.#head = 0
  }
}

export class FairQueue<S> {
  bytes = 0
  /** So many bytes should wait at most, for now; memory limits are `limits.bytes` and the budget. */
  most: number
  /** The lane that the last packet from `take` waited in, and since when it had waited. */
  taken: Lane<S> | undefined
  takenSince = 0

  readonly #limits: QueueLimits
  readonly #budget: Budget
  readonly #dropped: (reason: DropReason, packet: Uint8Array, lane: Lane<S>) => void
  #lanes: Lane<S>[] = []
  #turn = 0
  #search = 0

  constructor(
    limits: QueueLimits,
    budget: Budget,
    dropped: (reason: DropReason, packet: Uint8Array, lane: Lane<S>) => void,
  ) {
    this.#limits = limits
    this.most = limits.bytes
    this.#budget = budget
    this.#dropped = dropped
  }

  /** How many sources have packets waiting. */
  get sources(): number {
    return this.#lanes.length
  }

  /** Queues a packet; it, or older ones, may be dropped for it. The lane alone may hold `laneMost` bytes. */
  push(lane: Lane<S>, packet: Uint8Array, now: number, laneMost = Infinity): void {
    const cost = packet.length + PACKET_OVERHEAD_BYTES
    const memory = this.#budget.share(this.#limits.bytes)
    while (lane.count > 1 && lane.bytes > laneMost) this.#drop('queue_head', lane)
    // Memory is a hard limit; the others are judged before the packet, or one long packet would drive out all.
    while (this.bytes > 0 && (this.bytes > this.most || this.bytes + cost > memory)) {
      // A newcomer with the longest lane of all drops its own oldest: of two packets the fresh one is worth more.
      const at = this.#longest()
      const longest = this.#lanes[at] as Lane<S>
      this.#drop('queue_head', longest)
      if (longest.count === 0) this.#retire(at)
    }
    if (cost > memory) {
      this.#dropped('queue_tail', packet, lane)
      return
    }
    lane.push(packet, now)
    this.bytes += cost
    this.#budget.used += cost
    if (!lane.waiting) {
      lane.waiting = true
      lane.credit = 0
      this.#lanes.push(lane)
    }
  }

  /** The next packet whose turn it is; `undefined` when none is left. Its lane is then `taken`. */
  take(now: number): Uint8Array | undefined {
    for (;;) {
      if (this.#lanes.length === 0) return undefined
      if (this.#turn >= this.#lanes.length) this.#turn = 0
      const lane = this.#lanes[this.#turn] as Lane<S>
      if (lane.credit <= 0) {
        lane.credit += QUANTUM_BYTES
        if (this.#lanes.length > 1) {
          this.#turn++
          continue
        }
        // Alone, a lane needs no turns: it may always go on.
        if (lane.credit <= 0) lane.credit = QUANTUM_BYTES
      }
      this.#thin(lane, now)
      if (lane.count === 0) {
        this.#retire(this.#turn)
        continue
      }
      this.takenSince = lane.oldest
      this.taken = lane
      const packet = this.#shift(lane)
      lane.credit -= packet.length + PACKET_OVERHEAD_BYTES
      if (lane.count === 0) this.#retire(this.#turn)
      return packet
    }
  }

  /** Drops what is too old; for queues that nobody takes from. */
  expire(now: number): void {
    for (let i = this.#lanes.length - 1; i >= 0; i--) {
      const lane = this.#lanes[i] as Lane<S>
      this.#dropOld(lane, now)
      if (lane.count === 0) this.#retire(i)
    }
  }

  /** Drops everything. */
  clear(reason: DropReason): void {
    for (const lane of this.#lanes) {
      while (lane.count > 0) this.#drop(reason, lane)
      lane.waiting = false
    }
    this.#lanes = []
  }

  #shift(lane: Lane<S>): Uint8Array {
    const packet = lane.shift()
    const cost = packet.length + PACKET_OVERHEAD_BYTES
    this.bytes -= cost
    this.#budget.used -= cost
    return packet
  }

  #drop(reason: DropReason, lane: Lane<S>): void {
    this.#dropped(reason, this.#shift(lane), lane)
  }

  #dropOld(lane: Lane<S>, now: number): void {
    const eldest = now - this.#limits.ageMs
    while (lane.count > 0 && lane.oldest < eldest) this.#drop('queue_age', lane)
  }

  /** CoDel on one lane, before its head is taken (RFC 8289 §5). */
  #thin(lane: Lane<S>, now: number): void {
    this.#dropOld(lane, now)
    if (!this.#limits.early) return
    if (lane.count === 0 || now - lane.oldest < TARGET_MS) {
      lane.tooLongSince = 0
      lane.dropping = false
      return
    }
    if (lane.tooLongSince === 0) {
      lane.tooLongSince = now
      return
    }
    if (!lane.dropping) {
      if (now - lane.tooLongSince < INTERVAL_MS) return
      lane.dropping = true
      // Soon after the last time, the rate that worked then is a better start than the slowest.
      lane.drops = now - lane.dropNext < INTERVAL_MS && lane.drops > 2 ? lane.drops - 2 : 1
      lane.dropNext = now + INTERVAL_MS / Math.sqrt(lane.drops)
      // The last packet is never dropped: it may be the one that tells the receiver of the others.
      if (lane.count > 1) this.#drop('queue_early', lane)
      return
    }
    while (now >= lane.dropNext && lane.count > 1 && now - lane.oldest >= TARGET_MS) {
      this.#drop('queue_early', lane)
      lane.drops++
      lane.dropNext += INTERVAL_MS / Math.sqrt(lane.drops)
    }
  }

  /** Where the longest lane is; there must be one. Among equals another one each time, so that nobody always loses. */
  #longest(): number {
    const n = this.#lanes.length
    const start = this.#search++ % n
    let longest = start
    for (let i = 1; i < Math.min(n, SEARCHED_LANES); i++) {
      const other = (start + i) % n
      if ((this.#lanes[other] as Lane<S>).bytes > (this.#lanes[longest] as Lane<S>).bytes) longest = other
    }
    return longest
  }

  #retire(at: number): void {
    const lane = this.#lanes[at] as Lane<S>
    lane.waiting = false
    lane.tooLongSince = 0
    this.#lanes.splice(at, 1)
    if (this.#turn > at) this.#turn--
  }
}
