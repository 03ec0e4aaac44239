/**
 * One WireGuard session as the data path uses it: its keys, and the memory that all threads share of it: the counter
 * of messages sealed, the replay window, and what each thread has seen go over it.
 *
 *   f64    thread 0: last message, last packet, messages, bytes | thread 1 … |
 *   u32    next counter | lock | replay window |
 *
 * A counter used twice gives the keystream away, so counters are taken from one place, by one atomic addition each,
 * whichever thread seals. The window is changed under a lock, since a peer may be heard by more than one thread.
 */

import type { Bytes } from '../base/bytes.ts'
import { later } from '../base/clock.ts'
import type { Mono } from '../base/clock.ts'
import { REJECT_AFTER_TIME_MS, SEND_NO_LONGER_MS } from './wireguard/keypairs.ts'
import type { Keypair } from './wireguard/keypairs.ts'
import { REPLAY_WORDS, ReplayWindow } from './wireguard/replay-window.ts'
import { REJECT_AFTER_MESSAGES, REKEY_AFTER_MESSAGES } from './wireguard/transport.ts'

const LAST_AT = 0
const LAST_DATA_AT = 1
const MESSAGES = 2
const BYTES = 3
const RECORD = 4

const COUNTER = 0
const LOCK = 1
const WINDOW = 2

/**
 * So many messages a session seals at most. In the three minutes that it lasts these are twelve million a second;
 * fewer than WireGuard allows (transport.ts), which a peer can't tell.
 */
export const SEALS_MOST = 2 ** 31
/** The lock is held for well under a microsecond. */
const SPINS = 100_000

/** What went over a session in one direction. */
export interface Traffic {
  /** `undefined`: never. */
  readonly lastAt: Mono | undefined
  readonly lastDataAt: Mono | undefined
  readonly messages: number
  /** Of the packets, without what sealing adds. */
  readonly bytes: number
}

export class SessionMemory {
  readonly buffer: ArrayBufferLike
  readonly threads: number
  readonly #records: Float64Array
  readonly #words: Int32Array
  readonly #window: ReplayWindow
  /** With one pair of threads a single one opens. */
  readonly #isShared: boolean

  /** How large it is for so many threads. */
  static bytesFor(threads: number): number {
    return threads * RECORD * 8 + (WINDOW + REPLAY_WORDS) * 4
  }

  /**
   * @param threads how many use it: of each pair one that seals and one that opens
   * @param buffer zeroed, or another's of the same session; a SharedArrayBuffer where threads share it
   */
  constructor(threads: number, buffer: ArrayBufferLike = new ArrayBuffer(SessionMemory.bytesFor(threads))) {
    this.buffer = buffer
    this.threads = threads
    this.#isShared = threads > 2
    const records = threads * RECORD
    this.#records = new Float64Array(buffer, 0, records)
    this.#words = new Int32Array(buffer, records * 8, WINDOW)
    this.#window = new ReplayWindow(new Uint32Array(buffer, records * 8 + WINDOW * 4, REPLAY_WORDS))
  }

  /** The counter for the next message, or -1 when the session has sealed all that it may. */
  takeCounter(): number {
    // Looked at first, so that it can't turn over however often it is asked; an old value does no harm here.
    if ((this.#words[COUNTER] as number) < 0) return -1
    const counter = Atomics.add(this.#words, COUNTER, 1)
    return counter < 0 ? -1 : counter
  }

  /** For tests: as if so many messages had been sealed. */
  skipTo(counter: number): void {
    Atomics.store(this.#words, COUNTER, counter | 0)
  }

  /** How many messages were sealed, as `Device.report` is to be told: what is beyond our limit is beyond WireGuard's. */
  get sealed(): number {
    const counter = Atomics.load(this.#words, COUNTER)
    if (counter < 0) return REJECT_AFTER_MESSAGES
    return counter >= SEALS_MOST / 2 ? REKEY_AFTER_MESSAGES : counter
  }

  /** May this counter still come? Cheap, and asked before a message is opened. */
  isFresh(high: number, low: number): boolean {
    return this.#window.isFresh(high, low)
  }

  /** Takes note of the counter of a genuine message; `false` when it has been there by now. */
  accept(high: number, low: number): boolean {
    if (!this.#isShared) return this.#window.accept(high, low)
    const words = this.#words
    for (let spins = 0; Atomics.compareExchange(words, LOCK, 0, 1) !== 0; spins++) if (spins === SPINS) return false
    const accepted = this.#window.accept(high, low)
    Atomics.store(words, LOCK, 0)
    return accepted
  }

  /** Notes a message of `bytes` bytes, 0 for a keepalive, in this thread's own record. */
  note(thread: number, bytes: number, now: Mono): void {
    const records = this.#records
    const at = thread * RECORD
    records[at + LAST_AT] = now
    if (bytes > 0) records[at + LAST_DATA_AT] = now
    records[at + MESSAGES] = (records[at + MESSAGES] as number) + 1
    records[at + BYTES] = (records[at + BYTES] as number) + bytes
  }

  /** What the threads from `from` on, up to `to`, have noted together. */
  traffic(from: number, to: number): Traffic {
    let [lastAt, lastDataAt, messages, bytes] = [0, 0, 0, 0]
    for (let at = from * RECORD; at < to * RECORD; at += RECORD) {
      lastAt = Math.max(lastAt, this.#records[at + LAST_AT] as number)
      lastDataAt = Math.max(lastDataAt, this.#records[at + LAST_DATA_AT] as number)
      messages += this.#records[at + MESSAGES] as number
      bytes += this.#records[at + BYTES] as number
    }
    const time = (at: number): Mono | undefined => (at === 0 ? undefined : (at as Mono))
    return { lastAt: time(lastAt), lastDataAt: time(lastDataAt), messages, bytes }
  }
}

/** A session to seal with. Never log one. */
export interface SendingSession {
  readonly localIndex: number
  readonly remoteIndex: number
  readonly key: Bytes
  readonly expiresAt: Mono
  readonly memory: SessionMemory
}

/** A session whose messages are believed. Never log one. */
export interface ReceivingSession {
  readonly peer: number
  readonly localIndex: number
  readonly key: Bytes
  readonly expiresAt: Mono
  readonly memory: SessionMemory
}

export function sendingSession(keypair: Keypair, memory: SessionMemory): SendingSession {
  const { localIndex, remoteIndex, sendKey: key, createdAt } = keypair
  return { localIndex, remoteIndex, key, expiresAt: later(createdAt, SEND_NO_LONGER_MS), memory }
}

export function receivingSession(peer: number, keypair: Keypair, memory: SessionMemory): ReceivingSession {
  const { localIndex, receiveKey: key, createdAt } = keypair
  return { peer, localIndex, key, expiresAt: later(createdAt, REJECT_AFTER_TIME_MS), memory }
}
