/**
 * Sends what happened to whoever wants to know: events to webhook endpoints, entries of the log to collectors.
 *
 *   audit log --after the cursor--> batch --request--> sent --> cursor moves on | tried again later
 *
 * The cursor is a record, and moves only when the other side has said that it has the batch: what is not delivered when
 * the server stops, or dies, is delivered by the next one, and so some of it twice. Of several servers, the one that
 * holds the lease delivers. Each destination goes its own way; a slow one keeps no other waiting.
 */

import { HOUR_MS, later, MINUTE_MS, NEVER, SECOND_MS } from '../base/clock.ts'
import type { Clocks, Mono, Wall } from '../base/clock.ts'
import { MeshError } from '../base/errors.ts'
import { prepareEvents } from './deliver-events.ts'
import { prepareUpload } from './deliver-log.ts'
import { worker } from './model/actors.ts'
import type { LogType } from '../wire/api/delivery-objects.ts'
import {
  decayed,
  DELIVERIES_LEASE,
  logstreamDelivery,
  NOTHING,
  risen,
  sum,
  webhookDelivery,
} from './model/deliveries.ts'
import type { DeliveryRecord, LeaseRecord, Rates } from './model/deliveries.ts'
import type { Ledger } from './model/ledger.ts'
import type { Changed } from './model/model.ts'
import type { Making, Outgoing, Sent } from './model/outgoing.ts'
import { SERVER } from './model/records.ts'
import type { Kind, TailnetNum, Write } from './model/records.ts'

const DELIVERIES = worker('deliveries')
/** Refused requests come into the log without a change of any record; they are found by looking. */
const POLL_MS = 10 * SECOND_MS
const LEASE_MS = MINUTE_MS
/** How often a cursor is kept that has moved past what interests nobody. */
const SAVE_MS = MINUTE_MS
const RETRY_FIRST_MS = SECOND_MS
const RETRY_LAST_MS = 15 * MINUTE_MS
/** Requests that are under way at once, all tailnets together. */
const IN_FLIGHT_MAX = 32

export interface DeliverySeams {
  /** Never rejects. */
  readonly send: (outgoing: Outgoing) => Promise<Sent>
  /** Breaks off what is being sent; it has failed then. */
  readonly abort: () => void
  readonly making: Making
  /** Throws `config/invalid` when a secret can't be opened. */
  readonly unseal: (sealed: string, place: string) => string
}

export interface DeliveriesOptions extends DeliverySeams {
  readonly ledger: Ledger
  readonly clocks: Clocks
  readonly server: string
  /** Where clients reach this server. */
  readonly url: string
  /** Asks for `tick` soon. */
  readonly wake: () => void
  readonly failed: (what: string, error: unknown) => void
}

/** One destination as it is going. */
export interface Job {
  readonly tailnet: TailnetNum
  readonly what:
    | { readonly kind: 'webhook'; readonly id: string }
    | { readonly kind: 'logstream'; readonly type: LogType }
  /** Id of its `delivery` record. */
  readonly key: string
  /** How far it has looked, which may be beyond what is kept. */
  seen: number
  /** Up to when it has looked for what comes with time, and when it did so last. */
  noticed: Wall
  looked: Wall
  savedAt: Mono
  next: Mono
  busy: boolean
}

/** What one step of a destination is to be. */
export type Prepared =
  /** Nothing now; look again then, or when something happens. */
  | { readonly kind: 'wait'; readonly until?: Wall; readonly reached: number; readonly leftOut: number }
  /** It can't be sent at all. */
  | { readonly kind: 'unable'; readonly why: string }
  | {
      readonly kind: 'send'
      readonly outgoing: Outgoing
      readonly entries: number
      readonly reached: number
      readonly noticed: Wall
      /** How many of the tests that wait are in it. */
      readonly tests: number
      readonly leftOut: number
      readonly faultOf: (sent: Sent) => string | undefined
    }

/** Kinds of records whose changes come into no log. */
const SILENT: ReadonlySet<Kind> = new Set([
  'presence',
  'address',
  'name',
  'key-use',
  'access-token',
  'delivery',
  'lease',
])

export class Deliveries {
  readonly #options: DeliveriesOptions
  readonly #jobs = new Map<string, Job>()
  readonly #inFlight = new Set<Promise<void>>()
  #due: Mono
  #stopped = false
  #running = false

  constructor(options: DeliveriesOptions) {
    this.#options = options
    this.#due = options.clocks.mono()
  }

  deadline(): Mono {
    return this.#running || this.#stopped ? NEVER : this.#due
  }

  /** Takes in changes of the model: there may be something to deliver, or somewhere to deliver it to. */
  changed(changes: readonly Changed[]): void {
    const now = this.#options.clocks.mono()
    let touched = false
    for (const { tailnet, kind, id } of changes) {
      // A test was asked for, or a delivery by somebody else has ended.
      const isOwn = kind === 'delivery' && this.#jobs.get(`${tailnet} ${id}`)?.busy === false
      if (SILENT.has(kind) && !isOwn) continue
      if (kind === 'webhook' || kind === 'logstream') touched = true
      for (const job of this.#jobs.values()) {
        if (tailnet !== SERVER && job.tailnet !== tailnet) continue
        if (isOwn && job.key !== id) continue
        job.next = now
        touched = true
      }
    }
    if (!touched) return
    this.#due = now
    this.#options.wake()
  }

  /** Does what is due. */
  tick(now: Mono): void {
    if (this.#running || now < this.#due || this.#stopped) return
    this.#running = true
    this.#run(now)
      .catch((error: unknown) => {
        this.#due = later(now, POLL_MS)
        this.#options.failed('deliveries', error)
      })
      .finally(() => {
        this.#running = false
        if (!this.#stopped) this.#options.wake()
      })
  }

  /** Breaks off what is under way, and lets another server go on. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#options.abort()
    await Promise.allSettled(this.#inFlight)
    if (this.#lease()?.server !== this.#options.server) return
    await this.#options.ledger
      .transact(SERVER, DELIVERIES, (model) => {
        const isOurs = model.server.get('lease', DELIVERIES_LEASE)?.server === this.#options.server
        return isOurs ? { batch: { writes: [this.#leaseWrite(null)] }, result: undefined } : { result: undefined }
      })
      .catch((error: unknown) => this.#options.failed('letting go of deliveries', error))
  }

  async #run(now: Mono): Promise<void> {
    this.#due = later(now, POLL_MS)
    this.#list(now)
    if (this.#jobs.size === 0) {
      this.#due = NEVER
      return
    }
    if (!(await this.#hold())) return
    for (const job of this.#jobs.values()) {
      if (job.busy) continue
      if (job.next <= now && this.#inFlight.size < IN_FLIGHT_MAX) this.#start(job)
      else this.#due = Math.min(this.#due, Math.max(job.next, later(now, SECOND_MS / 10))) as Mono
    }
  }

  /** Who is to be told, as the model has it now. */
  #list(now: Mono): void {
    const { model } = this.#options.ledger
    const kept = new Set<string>()
    const add = (tailnet: TailnetNum, what: Job['what'], key: string) => {
      const name = `${tailnet} ${key}`
      kept.add(name)
      const noticed = model.state(tailnet).get('delivery', key)?.noticed ?? this.#options.ledger.now()
      if (!this.#jobs.has(name))
        this.#jobs.set(name, {
          tailnet,
          what,
          key,
          seen: 0,
          noticed,
          looked: 0 as Wall,
          savedAt: now,
          next: now,
          busy: false,
        })
    }
    for (const { num } of model.tailnets()) {
      const state = model.state(num)
      for (const { id } of state.all('webhook')) add(num, { kind: 'webhook', id }, webhookDelivery(id))
      // Of the other log there is nothing.
      if (state.get('logstream', 'configuration') !== undefined)
        add(num, { kind: 'logstream', type: 'configuration' }, logstreamDelivery('configuration'))
    }
    for (const name of this.#jobs.keys()) if (!kept.has(name)) this.#jobs.delete(name)
  }

  /** Is it this server that delivers? Takes the lease if nobody has it. */
  async #hold(): Promise<boolean> {
    const { ledger, server } = this.#options
    const isFree = (lease: LeaseRecord | undefined, now: Wall) =>
      lease === undefined || lease.until <= now || lease.server === server
    const lease = this.#lease()
    const now = ledger.now()
    if (!isFree(lease, now)) return false
    if (lease?.server === server && lease.until - now > LEASE_MS / 2) return true
    return await ledger.transact<boolean>(SERVER, DELIVERIES, (model, now) => {
      const found = model.server.get('lease', DELIVERIES_LEASE)
      if (!isFree(found, now)) return { result: false }
      return { batch: { writes: [this.#leaseWrite({ server, until: later(now, LEASE_MS) })] }, result: true }
    })
  }

  #lease(): LeaseRecord | undefined {
    return this.#options.ledger.model.server.get('lease', DELIVERIES_LEASE)
  }

  #leaseWrite(value: LeaseRecord | null): Write {
    const { model } = this.#options.ledger
    return { kind: 'lease', id: DELIVERIES_LEASE, expect: model.server.version('lease', DELIVERIES_LEASE), value }
  }

  #start(job: Job): void {
    job.busy = true
    const { clocks, failed, wake } = this.#options
    // Whatever happens from here on asks for another look.
    job.next = later(clocks.mono(), POLL_MS)
    const done = this.#step(job)
      .catch((error: unknown) => {
        if (this.#stopped) return
        job.next = later(clocks.mono(), POLL_MS)
        failed(`delivering to ${job.key}`, error)
      })
      .finally(() => {
        job.busy = false
        this.#inFlight.delete(done)
        this.#due = Math.min(this.#due, job.next) as Mono
        if (!this.#stopped) wake()
      })
    this.#inFlight.add(done)
  }

  async #step(job: Job): Promise<void> {
    const { ledger, clocks } = this.#options
    const at = ledger.now()
    const before = ledger.model.state(job.tailnet).get('delivery', job.key)
    if (before === undefined) return
    if (before.retryAt !== undefined && before.retryAt > at) {
      job.next = later(clocks.mono(), before.retryAt - at)
      return
    }
    job.seen = Math.max(job.seen, before.cursor)
    const prepared = await this.#prepare(job, before, at)
    if (prepared === undefined) return
    if (prepared.kind === 'wait') return await this.#wait(job, before, prepared, at)
    if (prepared.kind === 'unable') return await this.#unable(job, before, prepared.why)
    const { outgoing, entries, leftOut } = prepared
    if (this.#stopped) return
    const sent = await this.#options.send(outgoing)
    // Broken off by us: that is no fault of theirs.
    if (this.#stopped && sent.kind === 'failed') return
    const fault = prepared.faultOf(sent)
    if (fault !== undefined) return await this.#fail(job, before, fault)
    job.seen = prepared.reached
    job.noticed = prepared.noticed
    const by = { bytes: outgoing.body.length, entries, requests: 1, failed: 0 }
    await this.#keep(job, before, by, (now, { retryAt: _, ...rest }) => ({
      ...rest,
      cursor: prepared.reached,
      noticed: prepared.noticed,
      tests: rest.tests.slice(prepared.tests),
      attempts: 0,
      lastError: '',
      lastActivity: now,
      leftOut: rest.leftOut + leftOut,
    }))
    job.savedAt = clocks.mono()
    // There may be more.
    job.next = clocks.mono()
  }

  async #prepare(job: Job, before: DeliveryRecord, at: Wall): Promise<Prepared | undefined> {
    try {
      return job.what.kind === 'webhook'
        ? await prepareEvents(this.#options, job, job.what.id, before, at)
        : await prepareUpload(this.#options, job, job.what.type, before, at)
    } catch (error) {
      if (!(error instanceof MeshError) || error.code !== 'config/invalid') throw error
      return { kind: 'unable', why: error.message }
    }
  }

  async #wait(
    job: Job,
    before: DeliveryRecord,
    { reached, leftOut, until }: Extract<Prepared, { kind: 'wait' }>,
    at: Wall,
  ): Promise<void> {
    const { clocks } = this.#options
    const mono = clocks.mono()
    job.seen = reached
    if (until !== undefined) job.next = Math.min(job.next, later(mono, Math.max(0, until - at))) as Mono
    const isNews = reached !== before.cursor || job.noticed - before.noticed > HOUR_MS
    if (leftOut === 0 && (!isNews || mono - job.savedAt < SAVE_MS)) return
    job.savedAt = mono
    await this.#keep(job, before, NOTHING, (_, now) => ({
      ...now,
      cursor: reached,
      noticed: job.noticed,
      leftOut: now.leftOut + leftOut,
    }))
  }

  /** Says why, once; whoever changes what is wrong changes a record. */
  async #unable(job: Job, before: DeliveryRecord, why: string): Promise<void> {
    job.next = later(this.#options.clocks.mono(), RETRY_LAST_MS)
    if (before.lastError === why) return
    await this.#keep(job, before, NOTHING, (_, now) => ({ ...now, lastError: why }))
  }

  async #fail(job: Job, before: DeliveryRecord, why: string): Promise<void> {
    const wait = Math.min(RETRY_LAST_MS, RETRY_FIRST_MS * 2 ** Math.min(before.attempts, 20))
    job.next = later(this.#options.clocks.mono(), wait)
    const by = { bytes: 0, entries: 0, requests: 1, failed: 1 }
    await this.#keep(job, before, by, (now, record) => ({
      ...record,
      attempts: before.attempts + 1,
      retryAt: later(now, wait),
      lastError: why,
    }))
  }

  /** Writes how far it has come, unless somebody else has delivered meanwhile, or it is there no more. */
  async #keep(
    { tailnet, key }: Job,
    before: DeliveryRecord,
    by: Rates,
    change: (now: Wall, record: DeliveryRecord) => DeliveryRecord,
  ): Promise<void> {
    await this.#options.ledger.transact(tailnet, DELIVERIES, (model, now) => {
      const state = model.state(tailnet)
      const found = state.get('delivery', key)
      if (found === undefined || found.cursor !== before.cursor) return { result: undefined }
      const changed = change(now, found)
      const value: DeliveryRecord = {
        ...changed,
        totals: sum(changed.totals, by),
        rates: risen(decayed(changed.rates, changed.ratesAt, now), by),
        ratesAt: now,
      }
      const write: Write = { kind: 'delivery', id: key, expect: state.version('delivery', key), value }
      return { batch: { writes: [write] }, result: undefined }
    })
  }
}
