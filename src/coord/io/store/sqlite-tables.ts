/**
 * What a store does, said in SQL to one open SQLite database: a group of asks becomes one transaction.
 *
 * Group commit lives here: one sync pays for every batch that came in during the last one. Batches are judged
 * before they write, so a conflict needs no rollback; an error takes the whole group with it.
 */

import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Wall } from '../../../base/clock.ts'
import type { ErrorCode } from '../../../base/errors.ts'
import type { AuditHead } from '../../../wire/audit-chain.ts'
import type { Kind, TailnetNum } from '../../model/records.ts'
import { linkEvents } from '../../store/chain.ts'
import { changesJson } from '../../store/encode.ts'
import type { EncodedBatch } from '../../store/encode.ts'
import { judge } from '../../store/judge.ts'
import type { AuditEnds, AuditPeriod, AuditRow } from '../../model/audit.ts'
import type { Committed } from '../../store/store.ts'
import { sha256, endsOf } from './audit-ends.ts'
import { explainSqlite, isFatal } from './sqlite-errors.ts'
import type { SqliteFile } from './sqlite-file.ts'

export type Ask =
  | { readonly op: 'commit'; readonly batch: EncodedBatch }
  | { readonly op: 'feed'; readonly tailnet: TailnetNum; readonly after: number; readonly limit: number }
  | { readonly op: 'snapshot'; readonly tailnet: TailnetNum }
  | { readonly op: 'heads' }
  | { readonly op: 'reserve'; readonly counter: string; readonly count: number }
  | { readonly op: 'trim'; readonly keep: number }
  | { readonly op: 'audit'; readonly log: TailnetNum; readonly after: number; readonly limit: number }
  | { readonly op: 'auditOf'; readonly log: TailnetNum; readonly period: AuditPeriod; readonly limit: number }
  | { readonly op: 'auditEnds'; readonly log: TailnetNum }
  | { readonly op: 'trimAudit'; readonly before: Wall }
export type AskOf<Op extends Ask['op']> = Extract<Ask, { op: Op }>

/** Answers carry values as JSON text, which crosses threads cheaply. */
export interface Answers {
  commit: { readonly kind: 'done'; readonly seq: number } | Extract<Committed, { kind: 'conflict' }>
  feed: readonly FeedRow[] | 'truncated'
  snapshot: { readonly seq: number; readonly records: readonly RecordRow[] }
  heads: readonly (readonly [TailnetNum, number])[]
  reserve: number
  trim: null
  audit: readonly AuditRow[]
  auditOf: readonly AuditRow[]
  auditEnds: AuditEnds
  trimAudit: null
}
export interface FeedRow {
  readonly seq: number
  readonly at: number
  readonly changes: string
}
export interface RecordRow {
  readonly kind: Kind
  readonly id: string
  readonly version: number
  readonly value: string
}

export type Outcome =
  | { readonly kind: 'answer'; readonly answer: Answers[keyof Answers] }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string }

const WRITES: readonly Ask['op'][] = ['commit', 'reserve', 'trim', 'trimAudit']

export class SqliteTables {
  readonly #path: string
  readonly #db: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()
  /** Ends of the logs that this group has written to; in the table by its end. */
  readonly #heads = new Map<TailnetNum, AuditHead>()
  #broken: Outcome | undefined

  constructor(file: Pick<SqliteFile, 'path' | 'db'>) {
    this.#path = file.path
    this.#db = file.db
  }

  /**
   * Does a group of asks in their order, in one transaction, and answers each of them. When anything fails, all
   * fail and nothing was written; after an error of disk or file everything later fails too, since what the disk
   * holds is then unknown until the database is opened anew.
   */
  run(group: readonly Ask[]): Outcome[] {
    if (this.#broken !== undefined) return group.map(() => this.#broken as Outcome)
    const writes = group.some((ask) => WRITES.includes(ask.op))
    try {
      this.#db.exec(writes ? 'BEGIN IMMEDIATE' : 'BEGIN')
      const outcomes = group.map((ask): Outcome => ({ kind: 'answer', answer: this.#do(ask) }))
      this.#writeHeads()
      this.#db.exec('COMMIT')
      return outcomes
    } catch (error) {
      const { code, message } = explainSqlite(`${writes ? 'write to' : 'read'} the database ${this.#path}`, error)
      const failed: Outcome = { kind: 'failed', code, message }
      if (isFatal(error)) this.#broken = failed
      this.#heads.clear()
      // SQLite itself rolls back after some errors.
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
      return group.map(() => failed)
    }
  }

  #do(ask: Ask): Answers[keyof Answers] {
    switch (ask.op) {
      case 'commit':
        return this.#commit(ask.batch)
      case 'feed':
        return this.#feed(ask)
      case 'snapshot':
        return this.#snapshot(ask.tailnet)
      case 'heads':
        return this.#sql('SELECT tailnet, seq FROM heads')
          .all()
          .map((row): [number, number] => [Number(row['tailnet']), Number(row['seq'])])
      case 'reserve':
        return this.#reserve(ask)
      case 'trim':
        return this.#trim(ask.keep)
      case 'audit':
        return this.#audit(ask)
      case 'auditOf':
        return this.#auditOf(ask)
      case 'auditEnds':
        this.#writeHeads()
        return this.#auditEnds(ask.log)
      case 'trimAudit':
        this.#writeHeads()
        return this.#trimAudit(ask.before)
    }
  }

  #commit(batch: EncodedBatch): Answers['commit'] {
    const { tailnet } = batch
    const version = this.#sql('SELECT version FROM records WHERE tailnet = ? AND kind = ? AND id = ?')
    const owner = this.#sql('SELECT owner FROM claims WHERE space = ? AND key = ?')
    const verdict = judge(batch, {
      version: (kind, id) => version.get(tailnet, kind, id)?.['version'] as number | undefined,
      owner: (space, key) => owner.get(space, key)?.['owner'] as string | undefined,
    })
    if (verdict.kind === 'conflict') return verdict
    const head = this.#sql(`INSERT INTO heads (tailnet, seq, trimmed) VALUES (?, 1, 0)
      ON CONFLICT (tailnet) DO UPDATE SET seq = seq + 1 RETURNING seq`).get(tailnet)
    const seq = head?.['seq'] as number
    const put = this.#sql(`INSERT INTO records (tailnet, kind, id, version, value) VALUES (?, ?, ?, ?, ?)
      ON CONFLICT (tailnet, kind, id) DO UPDATE SET version = excluded.version, value = excluded.value`)
    const remove = this.#sql('DELETE FROM records WHERE tailnet = ? AND kind = ? AND id = ?')
    for (const { kind, id, json } of batch.writes) {
      if (json === null) remove.run(tailnet, kind, id)
      else put.run(tailnet, kind, id, seq, json)
    }
    for (const { space, key, owner } of verdict.claims) {
      if (owner === undefined) this.#sql('DELETE FROM claims WHERE space = ? AND key = ?').run(space, key)
      else
        this.#sql(`INSERT INTO claims (space, key, owner) VALUES (?, ?, ?)
          ON CONFLICT (space, key) DO UPDATE SET owner = excluded.owner`).run(space, key, owner)
    }
    this.#sql('INSERT INTO feed (tailnet, seq, at, changes) VALUES (?, ?, ?, ?)').run(
      tailnet,
      seq,
      batch.at,
      changesJson(batch),
    )
    if (batch.events.length > 0) this.#append(batch, seq)
    return { kind: 'done', seq }
  }

  #append(batch: EncodedBatch, seq: number): void {
    const rows = linkEvents(sha256, batch, seq, {
      get: (log) => this.#heads.get(log) ?? this.#auditEnds(log).newest,
      set: (log, head) => this.#heads.set(log, head),
    })
    const add = this.#sql('INSERT INTO audit (tailnet, number, at, grp, entry, hash) VALUES (?, ?, ?, ?, ?, ?)')
    for (const { log, number, at, group, entry, hash } of rows) add.run(log, number, at, group, entry, hash)
  }

  /** Writes down where the logs end that have grown. */
  #writeHeads(): void {
    for (const [log, { number, hash }] of this.#heads) {
      const { trimmed } = this.#auditEnds(log)
      this.#sql(`INSERT INTO audit_heads (tailnet, number, hash, trimmed, trimmed_hash) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (tailnet) DO UPDATE SET number = excluded.number, hash = excluded.hash`).run(
        log,
        number,
        hash,
        trimmed.number,
        trimmed.hash,
      )
    }
    this.#heads.clear()
  }

  #audit({ log, after, limit }: AskOf<'audit'>): Answers['audit'] {
    return this.#sql(`SELECT number, at, grp AS "group", entry, hash FROM audit
      WHERE tailnet = ? AND number > ? ORDER BY number LIMIT ?`).all(log, after, limit) as unknown as AuditRow[]
  }

  #auditOf({ log, period: { from, to, after }, limit }: AskOf<'auditOf'>): Answers['auditOf'] {
    return this.#sql(`SELECT number, at, grp AS "group", entry, hash FROM audit
      WHERE tailnet = ?1 AND at <= ?2 AND (at, number) > (?3, ?4) ORDER BY at, number LIMIT ?5`).all(
      log,
      to,
      after?.at ?? from,
      // Numbers run from 1.
      after?.number ?? 0,
      limit,
    ) as unknown as AuditRow[]
  }

  #auditEnds(log: TailnetNum): AuditEnds {
    const row = this.#sql('SELECT number, hash, trimmed, trimmed_hash FROM audit_heads WHERE tailnet = ?').get(log)
    return endsOf(log, row)
  }

  #trimAudit(before: Wall): null {
    for (const { tailnet, number } of this.#sql('SELECT tailnet, number FROM audit_heads').all()) {
      const log = Number(tailnet)
      const kept = this.#sql('SELECT number FROM audit WHERE tailnet = ? AND at >= ? ORDER BY number LIMIT 1').get(
        log,
        before,
      )
      const cut = kept === undefined ? Number(number) : Number(kept['number']) - 1
      const last = this.#sql('SELECT hash FROM audit WHERE tailnet = ? AND number = ?').get(log, cut)
      if (last === undefined) continue
      this.#sql('UPDATE audit_heads SET trimmed = ?, trimmed_hash = ? WHERE tailnet = ?').run(
        cut,
        last['hash'] as string,
        log,
      )
      this.#sql('DELETE FROM audit WHERE tailnet = ? AND number <= ?').run(log, cut)
    }
    return null
  }

  #feed({ tailnet, after, limit }: AskOf<'feed'>): Answers['feed'] {
    const head = this.#sql('SELECT seq, trimmed FROM heads WHERE tailnet = ?').get(tailnet)
    if (after < Number(head?.['trimmed'] ?? 0) || after > Number(head?.['seq'] ?? 0)) return 'truncated'
    return this.#sql('SELECT seq, at, changes FROM feed WHERE tailnet = ? AND seq > ? ORDER BY seq LIMIT ?').all(
      tailnet,
      after,
      limit,
    ) as unknown as FeedRow[]
  }

  #snapshot(tailnet: TailnetNum): Answers['snapshot'] {
    const head = this.#sql('SELECT seq, trimmed FROM heads WHERE tailnet = ?').get(tailnet)
    const records = this.#sql('SELECT kind, id, version, value FROM records WHERE tailnet = ?').all(tailnet)
    return { seq: Number(head?.['seq'] ?? 0), records: records as unknown as RecordRow[] }
  }

  #reserve({ counter, count }: AskOf<'reserve'>): number {
    const row = this.#sql(`INSERT INTO counters (name, next) VALUES (?, 1 + ?)
      ON CONFLICT (name) DO UPDATE SET next = next + excluded.next - 1 RETURNING next`).get(counter, count)
    return Number(row?.['next']) - count
  }

  #trim(keep: number): null {
    const moved = this.#sql(`UPDATE heads SET trimmed = seq - ?1 WHERE seq - ?1 > trimmed RETURNING tailnet, trimmed`)
    for (const { tailnet, trimmed } of moved.all(keep))
      this.#sql('DELETE FROM feed WHERE tailnet = ? AND seq <= ?').run(Number(tailnet), Number(trimmed))
    return null
  }

  /** Each statement is compiled once. */
  #sql(text: string): StatementSync {
    let statement = this.#statements.get(text)
    if (statement === undefined) this.#statements.set(text, (statement = this.#db.prepare(text)))
    return statement
  }
}
