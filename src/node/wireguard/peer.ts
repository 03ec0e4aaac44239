/**
 * All that is kept of one peer while there is something to keep: its sessions, its timers, the initiation that waits
 * for an answer, the packets that wait for a session. Most peers of a tailnet have none of this; see device.ts.
 */

import type { Bytes } from '../../base/bytes.ts'
import { later, NEVER } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'
import { rawKey } from '../../base/keys.ts'
import type { NodeKey } from '../../base/keys.ts'
import type { Primitives } from '../../crypto/primitives.ts'
import { COOKIE_VALID_MS, MacWriter } from './cookies.ts'
import { NO_PRESHARED_KEY } from './handshake.ts'
import type { SentInitiation } from './handshake.ts'
import { Keypairs } from './keypairs.ts'
import { newSlot } from './schedule.ts'
import type { Scheduled } from './schedule.ts'
import { REKEY_JITTER_MS, Timers } from './timers.ts'

/** Packets that wait for a session; the oldest goes first. */
export const WAITING_MOST = 128
/** A peer's cookie outlives its last message by this; after it there is nothing worth keeping. */
const IDLE_MS = COOKIE_VALID_MS

/** An initiation of ours that may still be answered. */
export interface Pending extends SentInitiation {
  readonly localIndex: number
}

export class Peer implements Scheduled {
  readonly slot = newSlot()
  readonly key: NodeKey
  readonly publicKey: Bytes
  /** What the peer's static key shares with ours. */
  readonly shared: Bytes
  readonly psk: Bytes
  readonly macs: MacWriter
  readonly keypairs = new Keypairs()
  readonly timers: Timers
  #p: Primitives
  #waiting: Bytes[] = []
  #usedAt: Mono

  /** Our initiation that waits for its answer. */
  pending: Pending | undefined
  /** Timestamp of our last initiation. */
  lastStamp: Bytes | undefined
  /** When we last answered an initiation of the peer's. */
  answeredAt = -Infinity as Mono
  /** The session that was renewed on receiving, so that it is not renewed again with every packet. */
  renewedIndex: number | undefined
  /** When a session was last agreed on. */
  lastHandshakeAt: Mono | undefined

  constructor(p: Primitives, key: NodeKey, shared: Bytes, psk: Bytes | undefined, now: Mono) {
    this.#p = p
    this.key = key
    this.publicKey = rawKey(key)
    this.shared = shared
    this.psk = psk ?? NO_PRESHARED_KEY
    this.macs = new MacWriter(p, this.publicKey)
    this.timers = new Timers(() => this.#jitter())
    this.#usedAt = now
  }

  /** Something happened with this peer: it is kept for a while longer. */
  used(now: Mono): void {
    this.#usedAt = now
  }

  /** Puts a packet behind those that wait; `true` when another had to go for it. */
  stage(packet: Bytes): boolean {
    this.#waiting.push(packet)
    if (this.#waiting.length <= WAITING_MOST) return false
    this.#waiting.shift()
    return true
  }

  get hasWaiting(): boolean {
    return this.#waiting.length > 0
  }

  takeWaiting(): readonly Bytes[] {
    const waiting = this.#waiting
    this.#waiting = []
    return waiting
  }

  /** Has everything about this peer come to its end? */
  isIdle(now: Mono): boolean {
    return now >= this.#forgetAt()
  }

  deadline(): Mono {
    return Math.min(this.timers.deadline(), this.keypairs.deadline(), this.#forgetAt()) as Mono
  }

  #forgetAt(): Mono {
    const isBusy =
      this.timers.isTrying ||
      this.timers.hasPersistentKeepalive ||
      this.hasWaiting ||
      this.keypairs.deadline() !== NEVER
    return isBusy ? NEVER : later(this.#usedAt, IDLE_MS)
  }

  #jitter(): number {
    const [high = 0, low = 0] = this.#p.random(2)
    return Math.floor(((high * 256 + low) * REKEY_JITTER_MS) / 65_536)
  }
}
