/**
 * The keys of a session as plain values, and the up to three sessions that stand with a peer at a time (WireGuard
 * paper §6.3): the one we send with, the one before it, whose packets may still be on their way, and one that the
 * peer asked for but has not used yet.
 */

import type { Bytes } from '../../base/bytes.ts'
import { later, NEVER } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'
import type { NodeKey } from '../../base/keys.ts'

/** After this time, nothing is believed under a session's keys. */
export const REJECT_AFTER_TIME_MS = 180_000
/**
 * After this time, nothing is sent under them. The peer's session may be older than ours by what the handshake's answer
 * took, and a message takes its time, too: one that comes after the peer's end is lost without a word.
 */
export const SEND_NO_LONGER_MS = REJECT_AFTER_TIME_MS - 5_000

/**
 * One session. It can be posted to a worker; exactly one owner seals with `sendKey`, since a counter used twice gives
 * the keystream away. Never log one.
 */
export interface Keypair {
  readonly peer: NodeKey
  /** What the peer's messages to us are addressed to, u32. */
  readonly localIndex: number
  readonly remoteIndex: number
  /** ChaCha20-Poly1305 keys, 32 bytes. */
  readonly sendKey: Bytes
  readonly receiveKey: Bytes
  /** Was the initiation ours? Then renewing the session is our matter too. */
  readonly isInitiator: boolean
  readonly createdAt: Mono
}

export const isExpired = (keypair: Keypair, now: Mono): boolean => now >= later(keypair.createdAt, REJECT_AFTER_TIME_MS)

export const maySend = (keypair: Keypair, now: Mono): boolean => now < later(keypair.createdAt, SEND_NO_LONGER_MS)

/** The sessions with one peer. Functions that change them give those that ended. */
export class Keypairs {
  #previous: Keypair | undefined
  #current: Keypair | undefined
  #next: Keypair | undefined

  /** What to send with. */
  get current(): Keypair | undefined {
    return this.#current
  }

  /** All whose messages are believed, the one to send with first. */
  all(): readonly Keypair[] {
    return [this.#current, this.#previous, this.#next].filter((k) => k !== undefined)
  }

  /** A session of which the peer has the keys already: it answered our initiation. */
  use(keypair: Keypair): readonly Keypair[] {
    // A session that the peer asked for meanwhile may be the one that it sends with.
    const kept = this.#next ?? this.#current
    return this.#become({ current: keypair, previous: kept, next: undefined })
  }

  /** A session that the peer asked for. Nothing is sent with it until the peer has shown that it has the keys. */
  offer(keypair: Keypair): readonly Keypair[] {
    return this.#become({ current: this.#current, previous: undefined, next: keypair })
  }

  /** The peer has used this session; `undefined` when that is nothing new. */
  confirm(keypair: Keypair): readonly Keypair[] | undefined {
    if (keypair !== this.#next) return undefined
    return this.#become({ current: keypair, previous: this.#current, next: undefined })
  }

  /** The session to send with has sent all that it may; its peer may go on. */
  retire(): readonly Keypair[] {
    return this.#become({ current: undefined, previous: this.#current ?? this.#previous, next: this.#next })
  }

  /** Ends those that are too old. */
  expire(now: Mono): readonly Keypair[] {
    const young = (k: Keypair | undefined) => (k === undefined || isExpired(k, now) ? undefined : k)
    return this.#become({
      current: young(this.#current),
      previous: young(this.#previous),
      next: young(this.#next),
    })
  }

  /** Ends all that were agreed on before `since`. */
  keepSince(since: Mono): readonly Keypair[] {
    const young = (k: Keypair | undefined) => (k === undefined || k.createdAt < since ? undefined : k)
    return this.#become({
      current: young(this.#current),
      previous: young(this.#previous),
      next: young(this.#next),
    })
  }

  /** Ends all. */
  clear(): readonly Keypair[] {
    return this.#become({ current: undefined, previous: undefined, next: undefined })
  }

  /** When the first of them is too old. */
  deadline(): Mono {
    let at = NEVER
    for (const k of [this.#previous, this.#current, this.#next])
      if (k !== undefined) at = Math.min(at, later(k.createdAt, REJECT_AFTER_TIME_MS)) as Mono
    return at
  }

  #become(to: {
    readonly current: Keypair | undefined
    readonly previous: Keypair | undefined
    readonly next: Keypair | undefined
  }): readonly Keypair[] {
    const before = this.all()
    this.#current = to.current
    this.#previous = to.previous
    this.#next = to.next
    const after = this.all()
    return before.filter((k) => !after.includes(k))
  }
}
