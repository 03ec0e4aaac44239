/**
 * The audit logs in PostgreSQL: how a group's events are chained to the ends of their logs, and how logs are read.
 *
 * A log's row in `audit_heads` is locked while entries are added, so they are numbered in the order of commits, also
 * those that another tailnet's transaction adds.
 */

import type { PoolClient } from 'pg'
import type { Wall } from '../../../base/clock.ts'
import type { AuditHead } from '../../../wire/audit-chain.ts'
import type { TailnetNum } from '../../model/records.ts'
import { linkEvents } from '../../store/chain.ts'
import type { LinkedRow } from '../../store/chain.ts'
import type { EncodedBatch } from '../../store/encode.ts'
import type { AuditEnds, AuditPeriod, AuditRow } from '../../model/audit.ts'
import { endsOf, sha256 } from './audit-ends.ts'
import type { Session } from './postgres-session.ts'

/** The ends of the logs that a group writes to, held until its transaction ends, and what it adds to them. */
export class LockedLogs {
  readonly heads: Map<TailnetNum, AuditHead>
  readonly rows: LinkedRow[] = []

  constructor(heads: Map<TailnetNum, AuditHead>) {
    this.heads = heads
  }

  /** @param seq the batch's number in its feed */
  add(batch: EncodedBatch, seq: number): void {
    this.rows.push(
      ...linkEvents(sha256, batch, seq, {
        get: (log) => this.heads.get(log) ?? endsOf(log, undefined).newest,
        set: (log, head) => this.heads.set(log, head),
      }),
    )
  }
}

/** Locks the logs that these batches may write to; `undefined` when there are none. */
export async function lockLogs(client: PoolClient, batches: readonly EncodedBatch[]): Promise<LockedLogs | undefined> {
  const logs = [...new Set(batches.flatMap(({ events }) => events.map(({ log }) => log)))].sort((a, b) => a - b)
  if (logs.length === 0) return undefined
  const lock = () =>
    client.query<{ tailnet: string; number: string; hash: string }>({
      name: 'sett-audit-heads',
      text: `SELECT h.tailnet, h.number, h.hash FROM sett.audit_heads h
        WHERE h.tailnet = ANY ($1::bigint[]) ORDER BY h.tailnet FOR UPDATE`,
      values: [logs],
    })
  let { rows } = await lock()
  if (rows.length < logs.length) {
    const empty = logs.map((log) => endsOf(log, undefined).newest)
    await client.query(
      `INSERT INTO sett.audit_heads (tailnet, number, hash, trimmed, trimmed_hash)
       SELECT l.tailnet, 0, l.hash, 0, l.hash FROM unnest($1::bigint[], $2::text[]) AS l (tailnet, hash)
       ORDER BY l.tailnet ON CONFLICT DO NOTHING`,
      [logs, empty.map(({ hash }) => hash)],
    )
    rows = (await lock()).rows
  }
  return new LockedLogs(
    new Map(rows.map(({ tailnet, number, hash }) => [Number(tailnet), { number: Number(number), hash }])),
  )
}

export async function appendEvents(client: PoolClient, { heads, rows }: LockedLogs): Promise<void> {
  if (rows.length === 0) return
  const moved = [...new Set(rows.map(({ log }) => log))]
  await client.query({
    name: 'sett-audit',
    text: `WITH rows AS (
        INSERT INTO sett.audit (tailnet, number, at, grp, entry, hash)
        SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[])
      ) UPDATE sett.audit_heads h SET number = l.number, hash = l.hash
        FROM unnest($7::bigint[], $8::bigint[], $9::text[]) AS l (tailnet, number, hash) WHERE h.tailnet = l.tailnet`,
    values: [
      rows.map(({ log }) => log),
      rows.map(({ number }) => number),
      rows.map(({ at }) => at),
      rows.map(({ group }) => group),
      rows.map(({ entry }) => entry),
      rows.map(({ hash }) => hash),
      moved,
      moved.map((log) => heads.get(log)?.number),
      moved.map((log) => heads.get(log)?.hash),
    ],
  })
}

interface Row {
  readonly number: string
  readonly at: string
  readonly grp: string
  readonly entry: string
  readonly hash: string
}

function rowOf({ number, at, grp, entry, hash }: Row): AuditRow {
  return { number: Number(number), at: Number(at) as Wall, group: grp, entry, hash }
}

export async function readAudit(
  session: Session,
  log: TailnetNum,
  after: number,
  limit: number,
): Promise<readonly AuditRow[]> {
  const rows = await session.query<Row>(
    'read from PostgreSQL',
    `SELECT number, at, grp, entry, hash FROM sett.audit
     WHERE tailnet = $1 AND number > $2 ORDER BY number LIMIT $3`,
    [log, after, limit],
  )
  return rows.map(rowOf)
}

export async function readAuditOf(
  session: Session,
  log: TailnetNum,
  { from, to, after }: AuditPeriod,
  limit: number,
): Promise<readonly AuditRow[]> {
  const rows = await session.query<Row>(
    'read from PostgreSQL',
    `SELECT number, at, grp, entry, hash FROM sett.audit
     WHERE tailnet = $1 AND at <= $2 AND (at, number) > ($3::bigint, $4::bigint) ORDER BY at, number LIMIT $5`,
    // Numbers run from 1.
    [log, to, after?.at ?? from, after?.number ?? 0, limit],
  )
  return rows.map(rowOf)
}

export async function readAuditEnds(session: Session, log: TailnetNum): Promise<AuditEnds> {
  const rows = await session.query<Record<string, unknown>>(
    'read from PostgreSQL',
    'SELECT number, hash, trimmed, trimmed_hash FROM sett.audit_heads WHERE tailnet = $1',
    [log],
  )
  return endsOf(log, rows[0])
}

/** Log by log, so that none is locked for longer than its own trim takes. */
export async function trimAudit(session: Session, before: Wall): Promise<void> {
  const logs = await session.query<{ tailnet: string }>('read from PostgreSQL', 'SELECT tailnet FROM sett.audit_heads')
  for (const { tailnet } of logs)
    await session.query(
      'write to PostgreSQL',
      `WITH cut AS (
         SELECT number, hash FROM sett.audit WHERE tailnet = $1 AND number = coalesce(
           (SELECT number FROM sett.audit WHERE tailnet = $1 AND at >= $2 ORDER BY number LIMIT 1),
           (SELECT number + 1 FROM sett.audit_heads WHERE tailnet = $1)) - 1
       ), moved AS (
         UPDATE sett.audit_heads h SET trimmed = cut.number, trimmed_hash = cut.hash
         FROM cut WHERE h.tailnet = $1 AND h.trimmed < cut.number RETURNING h.trimmed
       ) DELETE FROM sett.audit a USING moved WHERE a.tailnet = $1 AND a.number <= moved.trimmed`,
      [Number(tailnet), before],
    )
}
