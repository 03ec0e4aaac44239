/**
 * The store on PostgreSQL: any number of servers on one database.
 *
 * Each tailnet has a lane: while one group of its batches is committing, the next one gathers. The transaction is
 * postgres-commit.ts, connections are postgres-session.ts, news of others is postgres-watch.ts.
 */

import { randomBytes } from 'node:crypto'
import type { Wall } from '../../../base/clock.ts'
import { MeshError } from '../../../base/errors.ts'
import type { Batch, Change, FeedEntry, Kind, Snapshot, TailnetNum } from '../../model/records.ts'
import {
  checkCount,
  checkPeriod,
  checkReserve,
  checkTailnet,
  checkTime,
  encodeBatch,
  entryOf,
} from '../../store/encode.ts'
import type { EncodedBatch } from '../../store/encode.ts'
import type { AuditEnds, AuditPeriod, AuditRow } from '../../model/audit.ts'
import type { Committed, Store } from '../../store/store.ts'
import type { Migration } from './migrations.ts'
import type { StoreLog } from './open.ts'
import { readAudit, readAuditEnds, readAuditOf, trimAudit } from './postgres-audit.ts'
import { commitGroup } from './postgres-commit.ts'
import type { GroupOutcome } from './postgres-commit.ts'
import { migratePostgres } from './postgres-schema.ts'
import type { Migrated } from './postgres-schema.ts'
import { Session } from './postgres-session.ts'
import { Watch } from './postgres-watch.ts'

/** A transaction of ours stays short: enough batches to spread a sync thin, and few enough bytes. */
const MAX_GROUP = 256
const MAX_GROUP_JSON = 8 * 1024 * 1024

interface Waiting {
  readonly batch: EncodedBatch
  readonly resolve: (outcome: GroupOutcome) => void
  readonly reject: (error: unknown) => void
}

/**
 * Connects, and brings the tables up to date. Rejects with `config/invalid`, `store/unavailable` or `store/schema`.
 */
export async function openPostgres(
  url: string,
  migrations: readonly Migration[],
  log?: StoreLog,
): Promise<PostgresStore> {
  const session = new Session(url, log)
  try {
    const client = await session.dedicated()
    try {
      const migrated = await migratePostgres(client, migrations)
      const { rows } = await client.query<{ fsync: string }>('SHOW fsync')
      if (rows[0]?.fsync !== 'on') log?.warn({ fsync: rows[0]?.fsync }, 'store.not-durable')
      return new PostgresStore(session, migrations.at(-1)?.version ?? 0, migrated, log)
    } finally {
      await client.end().catch(() => {})
    }
  } catch (error) {
    await session.end()
    throw error
  }
}

export class PostgresStore implements Store {
  /** What opening changed; absent when the tables were as they should be. */
  readonly migrated: Migrated | undefined
  readonly #session: Session
  readonly #schema: number
  readonly #origin = randomBytes(8).toString('hex')
  readonly #watch: Watch
  readonly #lanes = new Map<TailnetNum, Waiting[]>()
  /** Everything that was asked and has no answer yet. */
  readonly #asked = new Set<Promise<unknown>>()
  #closed: Promise<void> | undefined

  /** Use `openPostgres`. */
  constructor(session: Session, schema: number, migrated: Migrated | undefined, log?: StoreLog) {
    this.#session = session
    this.#schema = schema
    this.migrated = migrated
    this.#watch = new Watch(session, this.#origin, () => this.#readHeads(), log)
  }

  async commit(batch: Batch, at: Wall): Promise<Committed> {
    const encoded = encodeBatch(batch, at)
    const outcome = await this.#ask(() => this.#enqueue(encoded))
    return outcome.kind === 'done' ? { kind: 'done', entry: entryOf(encoded, outcome.seq) } : outcome
  }

  async feed(tailnet: TailnetNum, after: number, limit: number): Promise<readonly FeedEntry[] | 'truncated'> {
    checkTailnet(tailnet)
    checkCount('where the feed is read from', after)
    checkCount('the limit of a read', limit)
    // One statement sees one moment: head and entries belong together.
    const rows = await this.#ask(() =>
      this.#session.query<{ head: string; trimmed: string; seq: string | null; at: string; changes: string }>(
        'read from PostgreSQL',
        `SELECT h.seq AS head, h.trimmed, f.seq, f.at, f.changes FROM sett.heads h LEFT JOIN LATERAL (
           SELECT seq, at, changes FROM sett.feed WHERE tailnet = h.tailnet AND seq > $2 ORDER BY seq LIMIT $3
         ) f ON true WHERE h.tailnet = $1 ORDER BY f.seq`,
        [tailnet, after, limit],
      ),
    )
    if (after < Number(rows[0]?.trimmed ?? 0) || after > Number(rows[0]?.head ?? 0)) return 'truncated'
    return rows
      .filter(({ seq }) => seq !== null)
      .map(({ seq, at, changes }) => ({
        tailnet,
        seq: Number(seq),
        at: Number(at) as Wall,
        changes: JSON.parse(changes) as Change[],
      }))
  }

  async snapshot(tailnet: TailnetNum): Promise<Snapshot> {
    checkTailnet(tailnet)
    const rows = await this.#ask(() =>
      this.#session.query<{ seq: string; kind: Kind | null; id: string; version: string; value: string }>(
        'read from PostgreSQL',
        `SELECT h.seq, r.kind, r.id, r.version, r.value FROM sett.heads h
         LEFT JOIN sett.records r ON r.tailnet = h.tailnet WHERE h.tailnet = $1`,
        [tailnet],
      ),
    )
    const records = rows
      .filter(({ kind }) => kind !== null)
      .map(
        ({ kind, id, version, value }) =>
          ({ kind, id, version: Number(version), value: JSON.parse(value) }) as Change & { version: number },
      )
    return { tailnet, seq: Number(rows[0]?.seq ?? 0), records }
  }

  async heads(): Promise<ReadonlyMap<TailnetNum, number>> {
    return this.#ask(() => this.#readHeads())
  }

  async reserve(counter: string, count: number): Promise<number> {
    checkReserve(counter, count)
    const rows = await this.#ask(() =>
      // Should it happen twice after a lost answer, some numbers are skipped, and none is repeated.
      this.#session.query<{ next: string }>(
        'write to PostgreSQL',
        `INSERT INTO sett.counters AS c (name, next) VALUES ($1, 1 + $2::bigint)
         ON CONFLICT (name) DO UPDATE SET next = c.next + $2::bigint RETURNING next`,
        [counter, count],
      ),
    )
    return Number(rows[0]?.next) - count
  }

  watch(hint: (tailnet: TailnetNum) => void): () => void {
    return this.#watch.add(hint)
  }

  async trim(keep: number): Promise<void> {
    checkCount('how much of the feed to keep', keep)
    await this.#ask(async () => {
      // Tailnet by tailnet, so that none is locked for longer than its own trim takes.
      for (const [tailnet] of await this.#readHeads())
        await this.#session.query(
          'write to PostgreSQL',
          `WITH moved AS (
             UPDATE sett.heads SET trimmed = seq - $2::bigint
             WHERE tailnet = $1 AND seq - $2::bigint > trimmed RETURNING trimmed
           ) DELETE FROM sett.feed f USING moved WHERE f.tailnet = $1 AND f.seq <= moved.trimmed`,
          [tailnet, keep],
        )
    })
  }

  async audit(log: TailnetNum, after: number, limit: number): Promise<readonly AuditRow[]> {
    checkTailnet(log)
    checkCount('where an audit log is read from', after)
    checkCount('the limit of a read', limit)
    return this.#ask(() => readAudit(this.#session, log, after, limit))
  }

  async auditOf(log: TailnetNum, period: AuditPeriod, limit: number): Promise<readonly AuditRow[]> {
    checkTailnet(log)
    checkPeriod(period)
    checkCount('the limit of a read', limit)
    return this.#ask(() => readAuditOf(this.#session, log, period, limit))
  }

  async auditEnds(log: TailnetNum): Promise<AuditEnds> {
    checkTailnet(log)
    return this.#ask(() => readAuditEnds(this.#session, log))
  }

  async trimAudit(before: Wall): Promise<void> {
    checkTime(before)
    await this.#ask(() => trimAudit(this.#session, before))
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    await this.#watch.stop()
    await Promise.allSettled(this.#asked)
    await this.#session.end()
  }

  async #readHeads(): Promise<ReadonlyMap<TailnetNum, number>> {
    const rows = await this.#session.query<{ tailnet: string; seq: string }>(
      'read from PostgreSQL',
      'SELECT tailnet, seq FROM sett.heads WHERE seq > 0',
    )
    return new Map(rows.map(({ tailnet, seq }) => [Number(tailnet), Number(seq)]))
  }

  /** Refuses when closed; otherwise closing waits for it. */
  async #ask<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed !== undefined)
      throw new MeshError('store/unavailable', 'Cannot use PostgreSQL: the store is closed')
    const asked = work()
    this.#asked.add(asked)
    try {
      return await asked
    } finally {
      this.#asked.delete(asked)
    }
  }

  #enqueue(batch: EncodedBatch): Promise<GroupOutcome> {
    return new Promise((resolve, reject) => {
      const lane = this.#lanes.get(batch.tailnet)
      if (lane !== undefined) return void lane.push({ batch, resolve, reject })
      const fresh: Waiting[] = [{ batch, resolve, reject }]
      this.#lanes.set(batch.tailnet, fresh)
      // After this turn, so that all its batches ride together. It settles them itself and never rejects.
      queueMicrotask(() => void this.#drive(batch.tailnet, fresh))
    })
  }

  async #drive(tailnet: TailnetNum, lane: Waiting[]): Promise<void> {
    while (lane.length > 0) {
      const group = takeGroup(lane)
      try {
        const outcomes = await this.#session.transact('write to PostgreSQL', (client) =>
          commitGroup(client, {
            tailnet,
            batches: group.map(({ batch }) => batch),
            schema: this.#schema,
            origin: this.#origin,
          }),
        )
        for (const [i, { resolve }] of group.entries()) resolve(outcomes[i] as GroupOutcome)
      } catch (error) {
        for (const { reject } of group) reject(error)
      }
    }
    this.#lanes.delete(tailnet)
  }
}

function takeGroup(lane: Waiting[]): Waiting[] {
  let size = 0
  const fits = ({ batch }: Waiting) => {
    for (const { json } of batch.writes) size += json?.length ?? 0
    for (const { json } of batch.events) size += json.length
    return size <= MAX_GROUP_JSON
  }
  let count = 0
  while (count < lane.length && count < MAX_GROUP && (fits(lane[count] as Waiting) || count === 0)) count++
  return lane.splice(0, count)
}
