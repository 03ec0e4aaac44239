/**
 * Brings PostgreSQL's tables up to date: one step, one transaction, and in it first a copy of everything.
 *
 * The tables live in a schema `sett`. Before a step they are copied, with their keys, into a schema of their own:
 * going back is `DROP SCHEMA sett CASCADE; ALTER SCHEMA <copy> RENAME TO sett`. Several servers may start at once.
 */

import type { Client } from 'pg'
import { MeshError } from '../../../base/errors.ts'
import type { Migration } from './migrations.ts'
import { explainPostgres } from './postgres-errors.ts'

export interface Migrated {
  readonly from: number
  readonly to: number
  /** Schemas that hold the copies. */
  readonly backups: readonly string[]
}

/** "SETT" in ASCII: our class of advisory locks; 0 in it is the schema's, any other number a claim's. */
export const LOCK_CLASS = 0x53455454
/** Oldest server with all that we use: `pg_stat_activity` aside, `DROP DATABASE … FORCE` of the tests is of 13. */
const OLDEST_SERVER = 130_000

/**
 * Runs the steps that are missing; `undefined` when there are none. Rejects with `store/schema` when a newer Sett
 * wrote the tables, `config/invalid` when the server or its database cannot be used.
 */
export async function migratePostgres(client: Client, migrations: readonly Migration[]): Promise<Migrated | undefined> {
  await checkServer(client)
  const backups: string[] = []
  let from: number | undefined
  for (;;) {
    await client.query('BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE')
    try {
      await client.query('SELECT pg_advisory_xact_lock($1::int, 0)', [LOCK_CLASS])
      const has = await schemaVersion(client)
      refuseNewer(has, migrations)
      from ??= has
      const step = migrations.find(({ version }) => version === has + 1)
      if (step === undefined) {
        await client.query('ROLLBACK')
        return from === has ? undefined : { from, to: has, backups }
      }
      // New tables have nothing to keep.
      const copy = from === 0 ? undefined : await copyTables(client, has)
      await run(client, step)
      await client.query('COMMIT')
      if (copy !== undefined) backups.push(copy)
    } catch (error) {
      await client.query('ROLLBACK').catch(() => {})
      throw explainPostgres('bring the tables in PostgreSQL up to date', error)
    }
  }
}

/** The version of the tables; 0 when there are none. */
export async function schemaVersion(client: Client): Promise<number> {
  const { rows } = await client.query<{ there: boolean }>(
    `SELECT to_regclass('sett.schema_steps') IS NOT NULL AS there`,
  )
  if (rows[0]?.there !== true) return 0
  const versions = await client.query<{ v: string }>('SELECT coalesce(max(version), 0) AS v FROM sett.schema_steps')
  return Number(versions.rows[0]?.v)
}

/** Throws `store/schema` when a newer Sett wrote the tables. */
export function refuseNewer(has: number, migrations: readonly Migration[]): void {
  const known = migrations.at(-1)?.version ?? 0
  if (has > known)
    throw new MeshError(
      'store/schema',
      `Cannot use the tables in PostgreSQL: a newer Sett wrote them (schema ${has}; this one knows up to ${known}); ` +
        `use the newer Sett, or a backup from before its update`,
    )
}

async function checkServer(client: Client): Promise<void> {
  const { rows } = await client.query<{ version: string; encoding: string }>(
    `SELECT current_setting('server_version_num') AS version, current_setting('server_encoding') AS encoding`,
  )
  const { version = '0', encoding = '' } = rows[0] ?? {}
  if (Number(version) < OLDEST_SERVER)
    throw new MeshError('config/invalid', `Cannot use this PostgreSQL: it is version ${version}; want 13 or newer`)
  if (encoding !== 'UTF8')
    throw new MeshError(
      'config/invalid',
      `Cannot use this database: its encoding is ${encoding}; create one with ENCODING 'UTF8'`,
    )
}

async function copyTables(client: Client, version: number): Promise<string> {
  const time = new Date()
    .toISOString()
    .replaceAll(/[-:]|\.\d+/g, '')
    .toLowerCase()
  const copy = `sett_backup_schema${version}_${time}`
  await client.query(`CREATE SCHEMA ${copy}`)
  const found = await client.query<{ name: string }>(
    `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'sett' ORDER BY tablename`,
  )
  const tables = found.rows.map(({ name }) => name)
  // Servers that are running wait here, and then find that the tables are newer than they are.
  await client.query(`LOCK TABLE ${tables.map((t) => `sett.${t}`).join(', ')} IN ACCESS EXCLUSIVE MODE`)
  for (const table of tables) {
    await client.query(`CREATE TABLE ${copy}.${table} (LIKE sett.${table} INCLUDING ALL)`)
    await client.query(`INSERT INTO ${copy}.${table} SELECT * FROM sett.${table}`)
  }
  return copy
}

async function run(client: Client, { version, name, postgres }: Migration): Promise<void> {
  if (version === 1) {
    await client.query('CREATE SCHEMA IF NOT EXISTS sett')
    await client.query(
      'CREATE TABLE sett.schema_steps (version bigint PRIMARY KEY, name text NOT NULL, at timestamptz NOT NULL)',
    )
  }
  await client.query('SET LOCAL search_path = sett')
  for (const sql of postgres) await client.query(sql)
  await client.query('INSERT INTO sett.schema_steps (version, name, at) VALUES ($1, $2, now())', [version, name])
}
