/**
 * The UDP and SCTP flows that went out lately, so that answers may come in: the 512 used last, without timeout, as
 * official clients keep them (node.md §2.4). One table in memory that threads may share.
 *
 *   word   0      1       2       4              2052
 *          | lock | clock | count | index (2048) | 512 slots: tag, last use, protocol, ports, local (4), remote (4) |
 *
 * The index is a hash table of slot numbers plus one. Writers take the lock; readers don't. What may happen when
 * threads meet: a flow is not found once, so that an answer is dropped as on a lossy line, or is thrown out a little
 * too early. A reader never takes a slot for a flow while it is being written: the tag, which is a hash of all the
 * rest, is cleared first and written last, and is looked at before and after comparing.
 */

import type { PacketHeader } from '../../wire/ip-packet.ts'

/** How many flows are remembered. */
export const FLOWS = 512

const LOCK = 0
const CLOCK = 1
const COUNT = 2
const INDEX = 4
/** A quarter taken at most: searches are short. A power of two. */
const INDEX_SIZE = 2048
const INDEX_MASK = INDEX_SIZE - 1
const SLOTS = INDEX + INDEX_SIZE
const TAG = 0
const LAST_USE = 1
const PROTOCOL = 2
const PORTS = 3
const LOCAL = 4
const REMOTE = 8
const SLOT_SIZE = 12
/** The lock is held for about a microsecond. Whoever waits longer than this goes on without noting the flow. */
const SPINS = 10_000

export class FlowTable {
  /** How large its memory is. */
  static readonly BYTES = 4 * (SLOTS + FLOWS * SLOT_SIZE)
  readonly #words: Int32Array

  /** @param buffer zeroed or another table's memory, `BYTES` long at least; a SharedArrayBuffer where threads share it */
  constructor(buffer: ArrayBufferLike = new ArrayBuffer(FlowTable.BYTES)) {
    this.#words = new Int32Array(buffer, 0, FlowTable.BYTES / 4)
  }

  get buffer(): ArrayBufferLike {
    return this.#words.buffer
  }

  /** Notes the flow of a packet that goes out. */
  note(h: PacketHeader): void {
    const tag = tagOf(h, h.srcPort, h.dstPort, h.src0, h.src1, h.src2, h.src3, h.dst0, h.dst1, h.dst2, h.dst3)
    const slot = this.#findOut(h, tag)
    if (slot >= 0) this.#touch(slot)
    else this.#add(h, tag)
  }

  /** Does the packet that came in answer a flow that went out? If so, that is used anew. */
  answers(h: PacketHeader): boolean {
    const tag = tagOf(h, h.dstPort, h.srcPort, h.dst0, h.dst1, h.dst2, h.dst3, h.src0, h.src1, h.src2, h.src3)
    const slot = this.#findIn(h, tag)
    if (slot < 0) return false
    this.#touch(slot)
    return true
  }

  /** Forgets all flows. Frees the lock too, should a thread have died with it. */
  clear(): void {
    this.#words.fill(0)
  }

  #findOut(h: PacketHeader, tag: number): number {
    const ports = (h.srcPort << 16) | h.dstPort
    return this.#find(tag, h, ports, h.src0, h.src1, h.src2, h.src3, h.dst0, h.dst1, h.dst2, h.dst3)
  }

  #findIn(h: PacketHeader, tag: number): number {
    const ports = (h.dstPort << 16) | h.srcPort
    return this.#find(tag, h, ports, h.dst0, h.dst1, h.dst2, h.dst3, h.src0, h.src1, h.src2, h.src3)
  }

  /** The slot's place among the words; -1 for none. */
  #find(
    tag: number,
    h: PacketHeader,
    ports: number,
    l0: number,
    l1: number,
    l2: number,
    l3: number,
    r0: number,
    r1: number,
    r2: number,
    r3: number,
  ): number {
    const w = this.#words
    let i = tag & INDEX_MASK
    for (let steps = 0; steps < INDEX_SIZE; steps++, i = (i + 1) & INDEX_MASK) {
      const entry = w[INDEX + i] as number
      if (entry === 0) return -1
      const at = SLOTS + (entry - 1) * SLOT_SIZE
      if (
        Atomics.load(w, at + TAG) === tag &&
        w[at + PORTS] === ports &&
        w[at + PROTOCOL] === protocolWord(h) &&
        w[at + REMOTE + 3] === r3 &&
        w[at + REMOTE + 2] === r2 &&
        w[at + REMOTE + 1] === r1 &&
        w[at + REMOTE] === r0 &&
        w[at + LOCAL + 3] === l3 &&
        w[at + LOCAL + 2] === l2 &&
        w[at + LOCAL + 1] === l1 &&
        w[at + LOCAL] === l0 &&
        Atomics.load(w, at + TAG) === tag
      )
        return at
    }
    return -1
  }

  #touch(at: number): void {
    const w = this.#words
    // Of a burst only the first packet ticks the clock.
    if (w[at + LAST_USE] !== w[CLOCK]) w[at + LAST_USE] = this.#tick()
  }

  #tick(): number {
    const now = ((this.#words[CLOCK] as number) + 1) | 0
    this.#words[CLOCK] = now
    return now
  }

  #add(h: PacketHeader, tag: number): void {
    const w = this.#words
    for (let spins = 0; Atomics.compareExchange(w, LOCK, 0, 1) !== 0; spins++) if (spins === SPINS) return
    // Another thread may have noted it while this one waited.
    if (this.#findOut(h, tag) < 0) {
      const slot = this.#freeSlot()
      const at = SLOTS + slot * SLOT_SIZE
      w[at + PROTOCOL] = protocolWord(h)
      w[at + PORTS] = (h.srcPort << 16) | h.dstPort
      w[at + LOCAL] = h.src0
      w[at + LOCAL + 1] = h.src1
      w[at + LOCAL + 2] = h.src2
      w[at + LOCAL + 3] = h.src3
      w[at + REMOTE] = h.dst0
      w[at + REMOTE + 1] = h.dst1
      w[at + REMOTE + 2] = h.dst2
      w[at + REMOTE + 3] = h.dst3
      w[at + LAST_USE] = this.#tick()
      Atomics.store(w, at + TAG, tag)
      let i = tag & INDEX_MASK
      while (w[INDEX + i] !== 0) i = (i + 1) & INDEX_MASK
      w[INDEX + i] = slot + 1
    }
    Atomics.store(w, LOCK, 0)
  }

  /** A slot that nobody uses, its tag cleared: the next new one, or that of the flow used longest ago. */
  #freeSlot(): number {
    const w = this.#words
    const count = w[COUNT] as number
    if (count < FLOWS) {
      w[COUNT] = count + 1
      return count
    }
    let [oldest, age] = [0, -1]
    const now = w[CLOCK] as number
    for (let slot = 0; slot < FLOWS; slot++) {
      // The clock may have turned over; ages haven't.
      const its = (now - (w[SLOTS + slot * SLOT_SIZE + LAST_USE] as number)) >>> 0
      if (its > age) [oldest, age] = [slot, its]
    }
    this.#removeFromIndex(oldest)
    return oldest
  }

  #removeFromIndex(slot: number): void {
    const w = this.#words
    const tagAt = SLOTS + slot * SLOT_SIZE + TAG
    let hole = (w[tagAt] as number) & INDEX_MASK
    while (w[INDEX + hole] !== slot + 1) hole = (hole + 1) & INDEX_MASK
    Atomics.store(w, tagAt, 0)
    // What stands behind the hole moves up, unless it would then stand before the place where its search starts.
    for (let i = (hole + 1) & INDEX_MASK; ; i = (i + 1) & INDEX_MASK) {
      const entry = w[INDEX + i] as number
      if (entry === 0) break
      const home = (w[SLOTS + (entry - 1) * SLOT_SIZE + TAG] as number) & INDEX_MASK
      if (((i - home) & INDEX_MASK) < ((i - hole) & INDEX_MASK)) continue
      w[INDEX + hole] = entry
      hole = i
    }
    w[INDEX + hole] = 0
  }
}

function protocolWord(h: PacketHeader): number {
  return (h.version << 8) | h.protocol
}

/** A hash of the flow, never 0. */
function tagOf(
  h: PacketHeader,
  localPort: number,
  remotePort: number,
  l0: number,
  l1: number,
  l2: number,
  l3: number,
  r0: number,
  r1: number,
  r2: number,
  r3: number,
): number {
  let tag = mix(protocolWord(h), (localPort << 16) | remotePort)
  tag = mix(mix(tag, r3), r0)
  tag = mix(mix(tag, l3), l0)
  if (h.version === 6) tag = mix(mix(mix(mix(tag, r2), r1), l2), l1)
  return tag === 0 ? 1 : tag
}

function mix(tag: number, word: number): number {
  const mixed = Math.imul(tag ^ word, 0x45d9f3b)
  return mixed ^ (mixed >>> 15)
}
