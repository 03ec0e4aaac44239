/**
 * When WireGuard does something on its own towards one peer (WireGuard paper §6; disco.md §7): repeat an initiation,
 * give up, renew a session, ask for a new one because of silence, keep one alive.
 *
 * Times only: nothing here knows a key or a message. The end of sessions by age is keypairs.ts.
 */

import { later, NEVER } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'

/** From this age on, the initiator of a session renews it when it sends. */
export const REKEY_AFTER_TIME_MS = 120_000
/** Two initiations to one peer are at least this far apart, and a little more by chance, so that two don't collide. */
export const REKEY_TIMEOUT_MS = 5000
export const REKEY_JITTER_MS = 334
/** So far apart where another way to the peer has opened: it costs the peer no more than an initiation that was lost. */
export const REPEAT_MS = 250
/** How long initiations are repeated without an answer. */
export const REKEY_ATTEMPT_TIME_MS = 90_000
/** Whoever only receives says after this time that it is there. */
export const KEEPALIVE_TIMEOUT_MS = 10_000
/** So a peer that says nothing for longer than that, and a repetition, has lost its session. */
export const SILENCE_MS = KEEPALIVE_TIMEOUT_MS + REKEY_TIMEOUT_MS
/** From this age on, the initiator renews a session when it receives: soon enough to succeed before its end. */
export const REKEY_ON_RECEIVE_MS = 165_000

export type Due = 'retry' | 'give-up' | 'silence' | 'keepalive' | 'persistent-keepalive'

export class Timers {
  /** Milliseconds up to `REKEY_JITTER_MS`, by chance. */
  readonly #jitter: () => number
  #persistentMs = 0

  #initiatedAt = -Infinity as Mono
  #tryingSince = -Infinity as Mono
  #retryAt = NEVER
  #silentAt = NEVER
  #keepaliveAt = NEVER
  #persistentAt = NEVER

  constructor(jitter: () => number) {
    this.#jitter = jitter
  }

  /** Is an initiation being repeated until it is answered? */
  get isTrying(): boolean {
    return this.#retryAt !== NEVER
  }

  get hasPersistentKeepalive(): boolean {
    return this.#persistentMs > 0
  }

  /** @param ms 0 for none */
  setPersistentKeepalive(ms: number, now: Mono): void {
    this.#persistentMs = ms
    this.#persistentAt = ms > 0 ? now : NEVER
  }

  /**
   * Somebody wants a session: may an initiation go out now? If not, it will when `due` says so. Each such wish begins
   * the time of trying anew.
   */
  want(now: Mono): boolean {
    this.#tryingSince = now
    if (now >= later(this.#initiatedAt, REKEY_TIMEOUT_MS)) return true
    if (!this.isTrying) this.#retryAt = later(this.#initiatedAt, REKEY_TIMEOUT_MS)
    return false
  }

  /**
   * An initiation waits for its answer: may it be repeated before its time, since the last may not have arrived? If
   * that is too soon after the last, `due` says when.
   */
  mayRepeat(now: Mono): boolean {
    if (!this.isTrying) return false
    const at = later(this.#initiatedAt, REPEAT_MS)
    if (now >= at) return true
    this.#retryAt = Math.min(this.#retryAt, at) as Mono
    return false
  }

  initiated(now: Mono): void {
    this.#initiatedAt = now
    this.#retryAt = later(now, REKEY_TIMEOUT_MS + this.#jitter())
    this.sent(now)
  }

  /** A handshake was completed, by whichever side. */
  completed(): void {
    this.#retryAt = NEVER
  }

  /** Any message that the peer can check went out. */
  sent(now: Mono): void {
    this.#keepaliveAt = NEVER
    this.#traversed(now)
  }

  /** One that had something in it. */
  sentData(now: Mono): void {
    if (this.#silentAt === NEVER) this.#silentAt = later(now, SILENCE_MS + this.#jitter())
  }

  /** Any genuine message of the peer came in. */
  received(now: Mono): void {
    this.#silentAt = NEVER
    this.#traversed(now)
  }

  /** One that had something in it. */
  receivedData(now: Mono): void {
    if (this.#keepaliveAt === NEVER) this.#keepaliveAt = later(now, KEEPALIVE_TIMEOUT_MS)
  }

  /** The peer has lost its sessions, or we have: nothing is waited for, and an initiation may go out at once. */
  reset(): void {
    this.#initiatedAt = -Infinity as Mono
    this.#retryAt = NEVER
    this.#silentAt = NEVER
    this.#keepaliveAt = NEVER
  }

  /** What is due now. Each is said once. */
  due(now: Mono): readonly Due[] {
    const due: Due[] = []
    if (now >= this.#retryAt) {
      this.#retryAt = NEVER
      if (now >= later(this.#tryingSince, REKEY_ATTEMPT_TIME_MS)) due.push('give-up')
      else due.push('retry')
    }
    if (now >= this.#silentAt) {
      this.#silentAt = NEVER
      due.push('silence')
    }
    if (now >= this.#keepaliveAt) {
      this.#keepaliveAt = NEVER
      due.push('keepalive')
    }
    if (now >= this.#persistentAt) {
      this.#traversed(now)
      due.push('persistent-keepalive')
    }
    return due
  }

  deadline(): Mono {
    return Math.min(this.#retryAt, this.#silentAt, this.#keepaliveAt, this.#persistentAt) as Mono
  }

  #traversed(now: Mono): void {
    if (this.#persistentMs > 0) this.#persistentAt = later(now, this.#persistentMs)
  }
}
