/**
 * The store on SQLite, seen from the main thread: it encodes, asks the writer thread, and never waits for a disk.
 *
 * The file has one server at a time, so nobody else commits and `watch` has nothing to say.
 */

import { Worker } from 'node:worker_threads'
import type { Wall } from '../../../base/clock.ts'
import { MeshError } from '../../../base/errors.ts'
import type { Batch, Change, FeedEntry, Snapshot, TailnetNum } from '../../model/records.ts'
import {
  checkCount,
  checkPeriod,
  checkReserve,
  checkTailnet,
  checkTime,
  encodeBatch,
  entryOf,
} from '../../store/encode.ts'
import type { AuditEnds, AuditPeriod, AuditRow } from '../../model/audit.ts'
import type { Committed, Store } from '../../store/store.ts'
import type { SqliteFile } from './sqlite-file.ts'
import type { Answers, Ask, AskOf, Outcome } from './sqlite-tables.ts'
import type { FromWorker, ToWorker, WorkerData } from './sqlite-worker.ts'

interface Pending {
  readonly resolve: (answer: Answers[keyof Answers]) => void
  readonly reject: (error: MeshError) => void
}

/**
 * Opens a database, made when missing, and brings its tables up to date.
 * Rejects with `store/unavailable`, `store/schema`, `store/corrupt` or `config/invalid` as `openSqliteFile` says.
 */
export async function openSqlite(data: WorkerData): Promise<SqliteStore> {
  // The compiled package has a .js beside it, the sources a .ts: a worker has its opener's extension.
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'))
  // Flags of the main thread, such as an input type, are not meant for it.
  const worker = new Worker(new URL(`./sqlite-worker${extension}`, import.meta.url), { workerData: data, execArgv: [] })
  const opened = await new Promise<SqliteFile['migrated']>((resolve, reject) => {
    const hear = (message: FromWorker) => {
      if (message.kind === 'opened') settle(() => resolve(message.migrated))
      else if (message.kind === 'not-opened') settle(() => reject(new MeshError(message.code, message.message)))
    }
    const lose = (cause: unknown) => settle(() => reject(gone(data.path, cause)))
    const settle = (act: () => void) => {
      worker.off('message', hear).off('error', lose).off('exit', lose)
      act()
    }
    worker.on('message', hear).on('error', lose).on('exit', lose)
  })
  return new SqliteStore(data.path, worker, opened)
}

export class SqliteStore implements Store {
  /** What opening changed; absent when the tables were as they should be. */
  readonly migrated: SqliteFile['migrated']
  readonly #path: string
  readonly #worker: Worker
  /** Asks on their way, oldest first; the writer thread answers in this order. */
  readonly #pending: Pending[] = []
  /** Asks of this turn of the event loop; they cross over as one message. */
  #outbox: Ask[] = []
  #gone: MeshError | undefined
  #closed: Promise<void> | undefined

  /** Use `openSqlite`. */
  constructor(path: string, worker: Worker, migrated: SqliteFile['migrated']) {
    this.#path = path
    this.#worker = worker
    this.migrated = migrated
    worker.on('message', (message: FromWorker) => {
      if (message.kind === 'outcomes') this.#settle(message.outcomes)
    })
    worker.on('error', (cause) => this.#lose(gone(path, cause)))
    worker.on('exit', () => this.#lose(gone(path)))
  }

  async commit(batch: Batch, at: Wall): Promise<Committed> {
    const encoded = encodeBatch(batch, at)
    const answer = await this.#ask<'commit'>({ op: 'commit', batch: encoded })
    return answer.kind === 'done' ? { kind: 'done', entry: entryOf(encoded, answer.seq) } : answer
  }

  async feed(tailnet: TailnetNum, after: number, limit: number): Promise<readonly FeedEntry[] | 'truncated'> {
    checkTailnet(tailnet)
    checkCount('where the feed is read from', after)
    checkCount('the limit of a read', limit)
    const rows = await this.#ask<'feed'>({ op: 'feed', tailnet, after, limit })
    if (rows === 'truncated') return rows
    return rows.map(({ seq, at, changes }) => ({
      tailnet,
      seq,
      at: at as Wall,
      changes: JSON.parse(changes) as Change[],
    }))
  }

  async snapshot(tailnet: TailnetNum): Promise<Snapshot> {
    checkTailnet(tailnet)
    const { seq, records } = await this.#ask<'snapshot'>({ op: 'snapshot', tailnet })
    return {
      tailnet,
      seq,
      records: records.map(
        ({ kind, id, version, value }) =>
          ({ kind, id, version, value: JSON.parse(value) }) as Change & { version: number },
      ),
    }
  }

  async heads(): Promise<ReadonlyMap<TailnetNum, number>> {
    return new Map(await this.#ask<'heads'>({ op: 'heads' }))
  }

  async reserve(counter: string, count: number): Promise<number> {
    checkReserve(counter, count)
    return this.#ask<'reserve'>({ op: 'reserve', counter, count })
  }

  watch(_hint: (tailnet: TailnetNum) => void): () => void {
    return () => {}
  }

  async trim(keep: number): Promise<void> {
    checkCount('how much of the feed to keep', keep)
    await this.#ask<'trim'>({ op: 'trim', keep })
  }

  async audit(log: TailnetNum, after: number, limit: number): Promise<readonly AuditRow[]> {
    checkTailnet(log)
    checkCount('where an audit log is read from', after)
    checkCount('the limit of a read', limit)
    return this.#ask<'audit'>({ op: 'audit', log, after, limit })
  }

  async auditOf(log: TailnetNum, period: AuditPeriod, limit: number): Promise<readonly AuditRow[]> {
    checkTailnet(log)
    checkPeriod(period)
    checkCount('the limit of a read', limit)
    return this.#ask<'auditOf'>({ op: 'auditOf', log, period, limit })
  }

  async auditEnds(log: TailnetNum): Promise<AuditEnds> {
    checkTailnet(log)
    return this.#ask<'auditEnds'>({ op: 'auditEnds', log })
  }

  async trimAudit(before: Wall): Promise<void> {
    checkTime(before)
    await this.#ask<'trimAudit'>({ op: 'trimAudit', before })
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    if (this.#gone !== undefined) return
    const failed = new Promise<string | undefined>((resolve) => {
      this.#worker.on('message', (message: FromWorker) => {
        if (message.kind === 'closed') resolve(message.failed)
      })
      this.#worker.once('exit', () => resolve('the writer thread ended first'))
    })
    const exited = new Promise((resolve) => this.#worker.once('exit', resolve))
    this.#flush()
    this.#gone = new MeshError('store/unavailable', `Cannot use the database ${this.#path}: it is closed`)
    this.#tell('close')
    const why = await failed
    await exited
    if (why !== undefined) throw new MeshError('store/unavailable', `Cannot close the database ${this.#path}: ${why}`)
  }

  #ask<Op extends Ask['op']>(ask: AskOf<Op>): Promise<Answers[Op]> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone)
    if (this.#outbox.length === 0) queueMicrotask(() => this.#flush())
    this.#outbox.push(ask)
    return new Promise<Answers[Op]>((resolve, reject) => {
      this.#pending.push({ resolve: resolve as Pending['resolve'], reject })
    })
  }

  #flush(): void {
    if (this.#outbox.length === 0) return
    const asks = this.#outbox
    this.#outbox = []
    this.#tell(asks)
  }

  #tell(message: ToWorker): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread is no window
    this.#worker.postMessage(message)
  }

  #settle(outcomes: readonly Outcome[]): void {
    for (const [i, pending] of this.#pending.splice(0, outcomes.length).entries()) {
      const outcome = outcomes[i] as Outcome
      if (outcome.kind === 'answer') pending.resolve(outcome.answer)
      else pending.reject(new MeshError(outcome.code, outcome.message))
    }
  }

  /** The writer thread is gone: what it was asked has an unknown fate, and nothing more can be asked. */
  #lose(error: MeshError): void {
    this.#gone ??= error
    for (const { reject } of this.#pending.splice(0)) reject(error)
  }
}

function gone(path: string, cause?: unknown): MeshError {
  const why = cause instanceof Error ? cause.message : 'it ended'
  return new MeshError(
    'store/unavailable',
    `Cannot use the database ${path}: its writer thread failed (${why}); restart Sett`,
    { cause },
  )
}
