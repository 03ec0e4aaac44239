/**
 * Reaching the server and staying in reach: its key, the race of connections, and whether the one that won still lives
 * (control.md §2, §3.2). What is said over it is session.ts.
 */

import type { Bytes } from '../../base/bytes.ts'
import { later, MINUTE_MS, NEVER, SECOND_MS } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'
import type { MachineKey } from '../../base/keys.ts'
import type { DialCandidate } from '../../wire/map-response.ts'
import type { ControlAction, Fetched, SessionOptions } from './actions.ts'
import { Backoff } from './backoff.ts'
import { dialBudgetMs, dialTargets, planTargets } from './dial.ts'
import type { ServerAddress } from './dial.ts'
import { Dialling } from './dialling.ts'
import type { ControlLink, LinkEvent } from './link.ts'
import { parseKeyAnswer } from './server-key.ts'

const KEY_ANSWER_MAX = 64 << 10
const FETCH_TIMEOUT_MS = 10 * SECOND_MS
/** A plain connection lost sooner than this makes TLS the first to be tried. (control.md §3.2) */
const TLS_FIRST_MS = 2 * MINUTE_MS
/** A connection that brings nothing for so long is asked whether it lives, and given up without an answer. */
const QUIET_MS = 75 * SECOND_MS
const PROBE_MS = 5 * SECOND_MS

interface Connection {
  readonly conn: number
  readonly link: ControlLink
  heardAt: Mono
  /** When a probe under way has failed. */
  probeUntil: Mono
}

/** What has come. `up`: a connection has just come about. */
export interface Arrival {
  readonly up: boolean
  readonly events: readonly LinkEvent[]
}

const NOTHING: Arrival = { up: false, events: [] }

export class Reach {
  readonly #options: Pick<SessionOptions, 'primitives' | 'machineKey'>
  readonly #server: ServerAddress
  readonly #version: number
  readonly #backoff: Backoff
  readonly #emit: (action: ControlAction) => void
  #lastNumber = 0
  #serverKey: MachineKey | undefined
  #keyFetch: number | undefined
  #dialling: Dialling | undefined
  #byPlan = false
  #plan: readonly DialCandidate[] = []
  #plainAt = -Infinity as Mono
  #connection: Connection | undefined
  /** Why the server was not reached. */
  why: string | undefined

  /** @param emit takes what is to be done */
  constructor(
    options: Pick<SessionOptions, 'primitives' | 'machineKey'>,
    server: ServerAddress,
    version: number,
    emit: (action: ControlAction) => void,
  ) {
    this.#options = options
    this.#server = server
    this.#version = version
    this.#backoff = new Backoff(options.primitives.random)
    this.#emit = emit
  }

  /** The connection, while it is up. */
  get link(): ControlLink | undefined {
    return this.#connection?.link
  }

  /** A number that no connection and no fetch has had. */
  number(): number {
    return ++this.#lastNumber
  }

  /** Addresses that the server wants to be dialled at; none: its name. */
  usePlan(plan: readonly DialCandidate[]): void {
    this.#plan = plan
  }

  /** Sends what the link has to say. */
  flush(): void {
    const bytes = this.#connection?.link.take()
    if (bytes !== undefined) this.#emit({ kind: 'send', conn: (this.#connection as Connection).conn, bytes })
  }

  // What happens.

  connected(conn: number, mono: Mono): void {
    for (const action of this.#dialling?.connected(conn, mono) ?? []) this.#emit(action)
  }

  received(conn: number, bytes: Bytes, mono: Mono): Arrival {
    const connection = this.#connection
    if (conn === connection?.conn) {
      connection.heardAt = mono
      const events = connection.link.receive(bytes, mono)
      if (events.some((event) => event.kind === 'pong')) connection.probeUntil = NEVER
      return { up: false, events }
    }
    const { won, actions } = this.#dialling?.received(conn, bytes, mono) ?? { actions: [] }
    for (const action of actions) this.#emit(action)
    if (won === undefined) return NOTHING
    this.#dialling = undefined
    this.#backoff.reset()
    this.why = undefined
    if (!won.tls) this.#plainAt = mono
    this.#connection = { conn, link: won.link, heardAt: mono, probeUntil: NEVER }
    return { up: true, events: won.events }
  }

  /** True: it was the connection that is up. */
  closed(conn: number, why: string, mono: Mono): boolean {
    if (conn === this.#connection?.conn) {
      this.#connection = undefined
      return true
    }
    for (const action of this.#dialling?.closed(conn, why, mono) ?? []) this.#emit(action)
    return false
  }

  fetched(id: number, result: Fetched, mono: Mono): void {
    if (id !== this.#keyFetch) return
    this.#keyFetch = undefined
    const key = parseKeyAnswer(result)
    if (typeof key === 'string') this.#failed('key-failed', key, mono)
    else this.#serverKey = key.key
  }

  /** Closes the connection that is up, whatever is said over it. */
  giveUp(): void {
    if (this.#connection !== undefined) this.#emit({ kind: 'close', conn: this.#connection.conn })
    this.#connection = undefined
  }

  /** Lets go of everything. */
  end(): void {
    this.#endDial()
    this.#keyFetch = undefined
    this.giveUp()
  }

  /** Tries at once what was waiting to be tried, and asks the connection whether it lives. */
  wakeUp(mono: Mono): void {
    this.#backoff.reset()
    if (this.#connection !== undefined) this.#probe(this.#connection, mono)
    else this.#endDial()
  }

  // Time.

  deadline(): Mono {
    const connection = this.#connection
    if (connection !== undefined)
      return connection.probeUntil === NEVER ? later(connection.heardAt, QUIET_MS) : connection.probeUntil
    if (this.#dialling !== undefined) return this.#dialling.deadline()
    return this.#keyFetch === undefined ? this.#backoff.until : NEVER
  }

  /** Why the connection is to be given up, if it is. */
  watch(mono: Mono): string | undefined {
    const connection = this.#connection
    if (connection === undefined) return undefined
    if (mono >= connection.probeUntil) return 'no sign of life'
    if (connection.probeUntil === NEVER && mono >= later(connection.heardAt, QUIET_MS)) this.#probe(connection, mono)
    return undefined
  }

  /** Does the next thing towards a connection. */
  advance(mono: Mono): void {
    if (this.#connection !== undefined) return
    if (this.#dialling !== undefined) return this.#dialOn(this.#dialling, mono)
    if (this.#keyFetch !== undefined || !this.#backoff.isOver(mono)) return
    if (this.#serverKey !== undefined) return this.#dial(this.#plan.length > 0, this.#serverKey, mono)
    const url = `${this.#server.url}/key?v=${this.#version}`
    this.#keyFetch = this.number()
    const limits = { limit: KEY_ANSWER_MAX, timeoutMs: FETCH_TIMEOUT_MS }
    this.#emit({ kind: 'fetch', id: this.#keyFetch, method: 'GET', url, ...limits })
  }

  #dial(byPlan: boolean, serverKey: MachineKey, mono: Mono): void {
    const tlsFirst = mono - this.#plainAt < TLS_FIRST_MS
    const budgetMs = dialBudgetMs(this.#plan)
    const planned = byPlan ? planTargets(this.#server, this.#plan, tlsFirst) : []
    this.#byPlan = planned.length > 0
    const targets = this.#byPlan ? planned : dialTargets(this.#server, budgetMs, tlsFirst)
    const { primitives, machineKey } = this.#options
    const link = { primitives, machineKey, serverKey, version: this.#version, host: this.#server.authority }
    this.#dialling = new Dialling(targets, link, () => this.number(), { now: mono, budgetMs })
    this.#dialOn(this.#dialling, mono)
  }

  #dialOn(dialling: Dialling, mono: Mono): void {
    for (const action of dialling.tick(mono)) this.#emit(action)
    if (!dialling.isLost) return
    this.#dialling = undefined
    // The name comes after the addresses of the plan.
    if (this.#byPlan) return this.#dial(false, this.#serverKey as MachineKey, mono)
    this.#failed('dial-failed', dialling.why, mono)
  }

  #failed(event: string, why: string, mono: Mono): void {
    this.why = why
    this.#emit({ kind: 'log', event, why })
    this.#backoff.fail(mono)
  }

  #endDial(): void {
    for (const action of this.#dialling?.end() ?? []) this.#emit(action)
    this.#dialling = undefined
  }

  #probe(connection: Connection, mono: Mono): void {
    connection.link.ping()
    connection.probeUntil = later(mono, PROBE_MS)
  }
}
