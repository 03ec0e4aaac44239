/**
 * A group of batches of one tailnet as one PostgreSQL transaction: lock, look, judge, write.
 *
 * Whatever the number of batches, it takes the same few statements, so many callers share one sync. Locks are taken in
 * one order by everybody, so nobody can lock another out: first the tailnet's head row, then the claims' by number, then
 * the audit logs' (postgres-audit.ts).
 */

import type { PoolClient } from 'pg'
import { MeshError } from '../../../base/errors.ts'
import type { TailnetNum } from '../../model/records.ts'
import { changesJson } from '../../store/encode.ts'
import type { EncodedBatch, EncodedWrite } from '../../store/encode.ts'
import { judge } from '../../store/judge.ts'
import type { ClaimChange, Present } from '../../store/judge.ts'
import type { Committed } from '../../store/store.ts'
import { appendEvents, lockLogs } from './postgres-audit.ts'
import { LOCK_CLASS } from './postgres-schema.ts'

/** The channel on which commits are announced; the payload is the tailnet and who says so. */
export const CHANNEL = 'sett_feed'

export type GroupOutcome = { readonly kind: 'done'; readonly seq: number } | Extract<Committed, { kind: 'conflict' }>

export interface Group {
  readonly tailnet: TailnetNum
  readonly batches: readonly EncodedBatch[]
  /** Schema that this program writes. */
  readonly schema: number
  /** Name of this store among the ones that listen. */
  readonly origin: string
}

/** Does the group inside an open transaction, which the caller commits if anything is to be kept. */
export async function commitGroup(
  client: PoolClient,
  group: Group,
): Promise<{ keep: boolean; result: readonly GroupOutcome[] }> {
  const { tailnet, batches } = group
  const start = await lockHead(client, group)
  await lockClaims(client, batches)
  const versions = await readVersions(client, tailnet, batches)
  const owners = await readOwners(client, batches)
  const logs = await lockLogs(client, batches)
  const present: Present = {
    version: (kind, id) => versions.get(`${kind}/${id}`),
    owner: (space, key) => owners.get(`${space}/${key}`),
  }

  const written = new Map<string, EncodedWrite & { seq: number }>()
  const claims = new Map<string, ClaimChange>()
  const entries: { seq: number; at: number; changes: string }[] = []
  const result = batches.map((batch): GroupOutcome => {
    const verdict = judge(batch, present)
    if (verdict.kind === 'conflict') return verdict
    const seq = start + entries.length + 1
    entries.push({ seq, at: batch.at, changes: changesJson(batch) })
    logs?.add(batch, seq)
    for (const write of batch.writes) {
      const name = `${write.kind}/${write.id}`
      written.set(name, { ...write, seq })
      if (write.json === null) versions.delete(name)
      else versions.set(name, seq)
    }
    for (const claim of verdict.claims) {
      const name = `${claim.space}/${claim.key}`
      claims.set(name, claim)
      if (claim.owner === undefined) owners.delete(name)
      else owners.set(name, claim.owner)
    }
    return { kind: 'done', seq }
  })
  if (entries.length === 0) return { keep: false, result }

  const [put, gone] = split([...written.values()], (write) => write.json !== null)
  const [taken, freed] = split([...claims.values()], (claim) => claim.owner !== undefined)
  await client.query({
    name: 'sett-write',
    text: WRITE,
    values: [
      tailnet,
      put.map((w) => w.kind),
      put.map((w) => w.id),
      put.map((w) => w.seq),
      put.map((w) => w.json),
      gone.map((w) => w.kind),
      gone.map((w) => w.id),
      taken.map((c) => c.space),
      taken.map((c) => c.key),
      taken.map((c) => c.owner),
      freed.map((c) => c.space),
      freed.map((c) => c.key),
      entries.map((e) => e.seq),
      entries.map((e) => e.at),
      entries.map((e) => e.changes),
      start + entries.length,
      `${tailnet} ${group.origin}`,
    ],
  })
  if (logs !== undefined) await appendEvents(client, logs)
  return { keep: true, result }
}

/**
 * LIMIT makes the planner look every key up in the index; joined freely, it may read a whole tailnet for each. Rows
 * are deleted by their place: under our locks nobody else moves them.
 */
const WRITE = `
WITH put AS (
  INSERT INTO sett.records (tailnet, kind, id, version, value)
  SELECT $1::bigint, * FROM unnest($2::text[], $3::text[], $4::bigint[], $5::text[])
  ON CONFLICT (tailnet, kind, id) DO UPDATE SET version = excluded.version, value = excluded.value
), gone AS (
  DELETE FROM sett.records WHERE ctid = ANY (ARRAY (
    SELECT r.ctid FROM unnest($6::text[], $7::text[]) AS g (kind, id) CROSS JOIN LATERAL (
      SELECT ctid FROM sett.records WHERE tailnet = $1 AND kind = g.kind AND id = g.id LIMIT 1) AS r))
), taken AS (
  INSERT INTO sett.claims (space, key, owner)
  SELECT * FROM unnest($8::text[], $9::text[], $10::text[])
  ON CONFLICT (space, key) DO UPDATE SET owner = excluded.owner
), freed AS (
  DELETE FROM sett.claims WHERE ctid = ANY (ARRAY (
    SELECT c.ctid FROM unnest($11::text[], $12::text[]) AS f (space, key) CROSS JOIN LATERAL (
      SELECT ctid FROM sett.claims WHERE space = f.space AND key = f.key LIMIT 1) AS c))
), entries AS (
  INSERT INTO sett.feed (tailnet, seq, at, changes)
  SELECT $1, * FROM unnest($13::bigint[], $14::bigint[], $15::text[])
), head AS (
  UPDATE sett.heads SET seq = $16 WHERE tailnet = $1
)
SELECT pg_notify('${CHANNEL}', $17)`

/**
 * Locks the tailnet's row until the transaction ends, and returns its newest number. Whoever has this lock is the
 * only one who writes records and feed of the tailnet, so numbers become visible in their order.
 */
async function lockHead(client: PoolClient, { tailnet, schema }: Group): Promise<number> {
  const lock = () =>
    client.query<{ seq: string; schema: string }>({
      name: 'sett-head',
      text: `SELECT seq, (SELECT max(version) FROM sett.schema_steps) AS schema
        FROM sett.heads WHERE tailnet = $1 FOR UPDATE OF heads`,
      values: [tailnet],
    })
  let { rows } = await lock()
  if (rows[0] === undefined) {
    await client.query('INSERT INTO sett.heads (tailnet, seq, trimmed) VALUES ($1, 0, 0) ON CONFLICT DO NOTHING', [
      tailnet,
    ])
    rows = (await lock()).rows
  }
  const [head] = rows
  if (head === undefined) throw new MeshError('internal', `Cannot write to PostgreSQL: tailnet ${tailnet} has no row`)
  if (Number(head.schema) !== schema)
    throw new MeshError(
      'store/schema',
      `Cannot write to PostgreSQL: another Sett has brought the tables to schema ${head.schema} while this one, which ` +
        `writes ${schema}, was running; update it`,
    )
  return Number(head.seq)
}

/** Claims belong to no tailnet, so the head row does not guard them; absent ones have no row to lock either. */
async function lockClaims(client: PoolClient, batches: readonly EncodedBatch[]): Promise<void> {
  const names = new Set(batches.flatMap((b) => b.claims.map((c) => `${c.space}/${c.key}`)))
  if (names.size === 0) return
  await client.query({
    name: 'sett-lock-claims',
    text: `SELECT pg_advisory_xact_lock($1::int, hash)
      FROM (SELECT DISTINCT hashtext(name) AS hash FROM unnest($2::text[]) AS name ORDER BY hash) AS hashes`,
    values: [LOCK_CLASS, [...names]],
  })
}

async function readVersions(
  client: PoolClient,
  tailnet: TailnetNum,
  batches: readonly EncodedBatch[],
): Promise<Map<string, number>> {
  const asked = new Map<string, { kind: string; id: string }>()
  for (const batch of batches) {
    for (const { kind, id, expect } of batch.writes) if (expect !== 'any') asked.set(`${kind}/${id}`, { kind, id })
    for (const { kind, id } of batch.checks) asked.set(`${kind}/${id}`, { kind, id })
  }
  if (asked.size === 0) return new Map()
  const { rows } = await client.query<{ kind: string; id: string; version: string }>({
    name: 'sett-versions',
    text: `SELECT a.kind, a.id, r.version FROM unnest($2::text[], $3::text[]) AS a (kind, id) CROSS JOIN LATERAL (
      SELECT version FROM sett.records WHERE tailnet = $1 AND kind = a.kind AND id = a.id LIMIT 1) AS r`,
    values: [tailnet, [...asked.values()].map((a) => a.kind), [...asked.values()].map((a) => a.id)],
  })
  return new Map(rows.map(({ kind, id, version }) => [`${kind}/${id}`, Number(version)]))
}

async function readOwners(client: PoolClient, batches: readonly EncodedBatch[]): Promise<Map<string, string>> {
  const asked = batches.flatMap((b) => b.claims)
  if (asked.length === 0) return new Map()
  const { rows } = await client.query<{ space: string; key: string; owner: string }>({
    name: 'sett-owners',
    text: `SELECT a.space, a.key, c.owner FROM unnest($1::text[], $2::text[]) AS a (space, key) CROSS JOIN LATERAL (
      SELECT owner FROM sett.claims WHERE space = a.space AND key = a.key LIMIT 1) AS c`,
    values: [asked.map((a) => a.space), asked.map((a) => a.key)],
  })
  return new Map(rows.map(({ space, key, owner }) => [`${space}/${key}`, owner]))
}

function split<T>(all: readonly T[], test: (one: T) => boolean): [T[], T[]] {
  return [all.filter(test), all.filter((one) => !test(one))]
}
