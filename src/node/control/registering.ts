/**
 * Registration as it goes on: asks, waits for a person, tries again, and knows when to stop (control.md §4.3, §4.5).
 * What an answer means is register.ts, which key goes out identity.ts.
 */

import { later, NEVER, SECOND_MS } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'
import type { Secret } from '../../base/secret.ts'
import { encodeRegisterRequest, REGISTER_ANSWER_MAX } from '../../wire/control-requests.ts'
import type { Hostinfo } from '../../wire/hostinfo.ts'
import type { ControlAction, Now, SessionOptions } from './actions.ts'
import { Backoff, fraction } from './backoff.ts'
import type { ServerAddress } from './dial.ts'
import type { Identity } from './identity.ts'
import type { ControlLink, LinkAnswer } from './link.ts'
import { LOG_OUT_EXPIRY, readOutcome } from './register.ts'

/** An answer takes no longer, unless a person is waited for. */
const ANSWER_MS = 60 * SECOND_MS
/** Where the server says "later" without saying when. (control.md §4.2) */
const WAIT_MIN_MS = 5 * SECOND_MS
const WAIT_SPREAD_MS = 5 * SECOND_MS

export type RegisterEvent = 'joined' | 'logged-out' | 'locked' | undefined

export class Registering {
  readonly #options: SessionOptions
  readonly #identity: Identity
  readonly #server: ServerAddress
  readonly #version: number
  readonly #backoff: Backoff
  #authKey: Secret | undefined
  #wanted: boolean
  #done = false
  #loggingOut = false
  #call: number | undefined
  #answerBy: Mono = NEVER
  #url: string | undefined
  #refusal: string | undefined
  #trouble: string | undefined
  /** A new key was offered because the server would not have the last one. */
  #renewed = false
  /** Somebody wants another key than the accepted one, which is good until the server has taken the other. */
  #replaces = false

  constructor(options: SessionOptions, identity: Identity, server: ServerAddress, version: number) {
    this.#options = options
    this.#identity = identity
    this.#server = server
    this.#version = version
    this.#authKey = options.authKey
    this.#backoff = new Backoff(options.primitives.random)
    this.#wanted = identity.own !== undefined || options.authKey !== undefined
  }

  /** Is there anything to register with, or somebody who asked for it? */
  get isWanted(): boolean {
    return this.#wanted
  }

  /** The server knows the node, as far as we know. */
  get isDone(): boolean {
    return this.#done && !this.#loggingOut
  }

  /** The link that a person has to open. */
  get url(): string | undefined {
    return this.#url
  }

  /** What the server says against it. */
  get refusal(): string | undefined {
    return this.#refusal
  }

  /** Why the last request came to nothing; the next may do better. */
  get trouble(): string | undefined {
    return this.#trouble
  }

  get call(): number | undefined {
    return this.#call
  }

  isCall(call: number): boolean {
    return call === this.#call
  }

  deadline(): Mono {
    return this.#call === undefined ? this.#backoff.until : this.#answerBy
  }

  /** Somebody wants in. @param anew with a new node key */
  logIn(authKey: Secret | undefined, anew: boolean): void {
    if (authKey !== undefined) this.#authKey = authKey
    this.restart()
    this.#wanted = true
    this.#loggingOut = false
    this.#done = false
    this.#renewed = anew
    this.#replaces = anew && this.#identity.own !== undefined
    if (this.#replaces) this.#identity.renew()
  }

  logOut(): void {
    this.restart()
    this.#loggingOut = true
  }

  /** What was asked is forgotten; that the server knows us is not. */
  restart(): void {
    this.#call = undefined
    this.#url = undefined
    this.#refusal = undefined
    this.#trouble = undefined
    this.#backoff.reset()
  }

  /** The connection has gone. A person who is waited for is waited for on the next. */
  cutOff(mono: Mono): void {
    if (this.#call !== undefined) this.failed('', mono)
  }

  hurry(): void {
    this.#backoff.reset()
  }

  failed(why: string, mono: Mono): void {
    this.#call = undefined
    this.#trouble = why === '' ? undefined : why
    this.#backoff.fail(mono)
  }

  /** Asks, if it is time to. */
  advance(link: ControlLink, hostinfo: Hostinfo, mono: Mono): void {
    if (this.#call !== undefined && mono >= this.#answerBy) {
      link.cancel(this.#call)
      this.failed('the server does not answer', mono)
    }
    if (this.#call !== undefined || !this.#backoff.isOver(mono)) return
    const { nodeKey, oldNodeKey } = this.#identity.offer()
    const { ephemeral, lockKey } = this.#options
    const body = encodeRegisterRequest({
      version: this.#version,
      nodeKey,
      ...(oldNodeKey === undefined ? {} : { oldNodeKey }),
      lockKey,
      ...(this.#authKey === undefined || this.#loggingOut ? {} : { authKey: this.#authKey }),
      ...(this.#loggingOut ? { expiry: LOG_OUT_EXPIRY } : {}),
      ...(this.#url === undefined || this.#loggingOut ? {} : { followup: this.#url }),
      hostinfo,
      ...(ephemeral === true ? { ephemeral } : {}),
    })
    this.#call = link.call({ method: 'POST', path: '/machine/register', body, limit: REGISTER_ANSWER_MAX })
    if (this.#call === undefined) this.#backoff.fail(mono)
    // A person may take their time.
    this.#answerBy = this.#url === undefined ? later(mono, ANSWER_MS) : NEVER
  }

  answered(
    answer: LinkAnswer,
    now: Now,
  ): { readonly event: RegisterEvent; readonly actions: readonly ControlAction[] } {
    this.#call = undefined
    this.#trouble = undefined
    const outcome = readOutcome(answer, this.#server, now.wall)
    if (this.#loggingOut) return this.#leaving(outcome.kind, now)
    if (outcome.kind === 'joined') return { event: 'joined', actions: [this.#joined(outcome.login)] }
    if (outcome.kind === 'locked') return { event: 'locked', actions: [] }
    const actions: ControlAction[] = []
    if (outcome.kind === 'log-in') {
      this.#refusal = undefined
      if (outcome.url === this.#url) this.#backoff.fail(now.mono)
      else actions.push({ kind: 'login-url', url: outcome.url })
      this.#url = outcome.url
      return { event: undefined, actions }
    }
    if (outcome.kind === 'failed') {
      this.failed(outcome.message, now.mono)
      return { event: undefined, actions: [] }
    }
    this.#url = undefined
    if (outcome.kind === 'key-expired') this.#expired()
    else if (outcome.kind === 'wait') {
      const ms = outcome.ms ?? WAIT_MIN_MS + fraction(this.#options.primitives.random) * WAIT_SPREAD_MS
      this.#backoff.waitUntil(later(now.mono, ms))
    } else {
      actions.push({ kind: 'log', event: 'register-refused', why: outcome.message })
      this.#backoff.fail(now.mono)
      if (this.#replaces) {
        actions.push({ kind: 'login-refused', why: outcome.message })
        this.#goOn()
      } else this.#refusal = outcome.message
    }
    return { event: undefined, actions }
  }

  /** With the key that there is, since there is no other. */
  #goOn(): void {
    this.#replaces = false
    this.#authKey = undefined
    this.#identity.keepOwn()
  }

  /** Once with a new key; if the server does not want that one either, a person has to decide. */
  #expired(): void {
    if (this.#renewed) {
      this.#refusal = 'the server takes none of this machine’s keys: log in again'
      this.#wanted = false
      return
    }
    this.#renewed = true
    this.#identity.renew()
  }

  #joined(login: (ControlAction & { kind: 'keys' })['login']): ControlAction {
    this.restart()
    this.#done = true
    this.#renewed = false
    this.#replaces = false
    // It has done what it was for: a node whose key somebody ends must not come back by itself.
    this.#authKey = undefined
    return { kind: 'keys', ...this.#identity.accept(), login }
  }

  /** Whatever the server says but that it failed: it holds no key of ours any more. */
  #leaving(kind: string, now: Now): { readonly event: RegisterEvent; readonly actions: readonly ControlAction[] } {
    if (kind === 'failed' || kind === 'wait' || kind === 'refused') {
      this.#backoff.fail(now.mono)
      return { event: undefined, actions: [] }
    }
    this.restart()
    this.#loggingOut = false
    this.#done = false
    this.#wanted = false
    this.#authKey = undefined
    return { event: 'logged-out', actions: [] }
  }
}
