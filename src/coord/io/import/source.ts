/**
 * Reads a Headscale database. A copy of it: Headscale leaves its file in a mode in which even reading writes beside
 * it, and what is taken over must stay as it was until the move has succeeded.
 */

import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  openSync,
  readSync,
  closeSync,
  rmSync,
  statSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { MeshError } from '../../../base/errors.ts'
import type { HeadscaleTables, Row } from '../../import/rows.ts'

export interface HeadscaleSource {
  readonly tables: HeadscaleTables
  /** The version that wrote it last, where it says so. */
  readonly version: string | undefined
  /** Newest numbers given out, also to what has been deleted since. */
  readonly lastUser: number
  readonly lastNode: number
  readonly notes: readonly string[]
}

/** Columns without which a node could not be brought over; the last one to come was there from Headscale 0.26 on. */
const NEEDED: Readonly<Record<string, readonly string[]>> = {
  users: ['id', 'name'],
  nodes: ['id', 'machine_key', 'node_key', 'host_info', 'ipv4', 'ipv6', 'given_name', 'user_id', 'approved_routes'],
  pre_auth_keys: ['id', 'reusable', 'used', 'expiration'],
}

/** Migrations of Headscale up to its 0.30 of July 2026. */
const KNOWN_MIGRATIONS: ReadonlySet<string> = new Set(
  `SCHEMA_INIT 202312101416 202312101430 202402151347 2024041121742 202406021630 202409271400 202407191627 202408181235
  202501221827 202501311657 202502070949 202502131714 202502171819 202505091439 202505141324 202507021200 202510311551
  202511101554-drop-old-idx 202511011637-preauthkey-bcrypt 202511122344-remove-newline-index
  202511131445-node-forced-tags-to-tags 202601121700-migrate-hostinfo-request-tags
  202602201200-clear-tagged-node-user-id 202605221435-clear-zero-time-node-expiry
  202606181200-recover-null-tags-node-user-id 202606191500-api-key-user-id 202606191501-pre-auth-key-description
  202606201200-pre-auth-key-revoked 202606211200-oauth-clients-and-tokens`.split(/\s+/),
)

/** @throws MeshError `config/invalid` when the file is no Headscale database, or one that can't be brought over */
export function readHeadscale(file: string): HeadscaleSource {
  checkSqlite(file)
  const folder = mkdtempSync(join(tmpdir(), 'sett-import-'))
  try {
    const before = stamp(file)
    const copy = join(folder, 'headscale.sqlite')
    copyFileSync(file, copy)
    // The original may be read-only, and SQLite writes beside it.
    chmodSync(copy, 0o600)
    // What Headscale had not yet moved into the file itself.
    if (existsSync(`${file}-wal`)) copyFileSync(`${file}-wal`, `${copy}-wal`)
    if (stamp(file) !== before) throw unfit(file, 'it changes while it is read; stop Headscale first')
    return readCopy(file, copy)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function unfit(file: string, why: string, cause?: unknown): MeshError {
  return new MeshError('config/invalid', `Cannot import the Headscale database ${file}: ${why}`, { cause })
}

const MAGIC = 'SQLite format 3\0'

function checkSqlite(file: string): void {
  let found: string
  try {
    if (statSync(file).isDirectory()) throw Object.assign(new Error('it is a folder'), { code: 'EISDIR' })
    const fd = openSync(file, 'r')
    try {
      const head = Buffer.alloc(MAGIC.length)
      found = head.subarray(0, readSync(fd, head)).toString('latin1')
    } finally {
      closeSync(fd)
    }
  } catch (cause) {
    const { code = '', message } = cause as NodeJS.ErrnoException
    throw unfit(file, code === 'ENOENT' ? 'there is no such file' : message, cause)
  }
  if (found !== MAGIC)
    throw unfit(file, 'it is no SQLite database; want the file that "database.sqlite.path" of its config.yaml names')
}

function stamp(file: string): string {
  const parts = [file, `${file}-wal`].map((each) => statSync(each, { throwIfNoEntry: false }))
  return parts.map((found) => `${found?.size}/${found?.mtimeMs}`).join(' ')
}

function readCopy(file: string, copy: string): HeadscaleSource {
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(copy)
    return readTables(file, db)
  } catch (error) {
    if (error instanceof MeshError) throw error
    throw unfit(file, `it is damaged: ${(error as Error).message}`, error)
  } finally {
    db?.close()
  }
}

function readTables(file: string, db: DatabaseSync): HeadscaleSource {
  const all = (sql: string) => db.prepare(sql).all() as Row[]
  const health = all('PRAGMA quick_check(1)')[0]?.['quick_check']
  if (health !== 'ok') throw unfit(file, `it is damaged: ${String(health)}`)
  const names = new Set(all("SELECT name FROM sqlite_master WHERE type = 'table'").map((row) => String(row['name'])))
  for (const [table, columns] of Object.entries(NEEDED)) {
    if (!names.has(table)) throw unfit(file, `it has no table "${table}", so it is none of Headscale`)
    const has = new Set(all(`SELECT name FROM pragma_table_info('${table}')`).map((row) => row['name']))
    const missing = columns.filter((column) => !has.has(column))
    if (missing.length > 0)
      throw unfit(
        file,
        `its table "${table}" has no ${missing.join(', ')}: start it once with Headscale 0.26 or newer, which brings it up to date`,
      )
  }
  const rowsOf = (table: string) => (names.has(table) ? all(`SELECT * FROM ${table} ORDER BY id`) : [])
  const tables: HeadscaleTables = {
    users: rowsOf('users'),
    nodes: rowsOf('nodes'),
    preAuthKeys: rowsOf('pre_auth_keys'),
    policies: rowsOf('policies'),
    apiKeys: rowsOf('api_keys').length,
    oauthClients: rowsOf('oauth_clients').length,
  }
  const sequences = new Map(
    (names.has('sqlite_sequence') ? all('SELECT name, seq FROM sqlite_sequence') : []).map((row) => [
      row['name'],
      Number(row['seq']),
    ]),
  )
  const last = (table: string, rows: readonly Row[]) =>
    Math.max(0, sequences.get(table) ?? 0, ...rows.map((row) => Number(row['id'])))
  return {
    tables,
    version: versionOf(names, all),
    lastUser: last('users', tables.users),
    lastNode: last('nodes', tables.nodes),
    notes: strangeMigrations(rowsOf('migrations')),
  }
}

/** `database_versions` has one row, the newest. */
function versionOf(names: ReadonlySet<string>, all: (sql: string) => Row[]): string | undefined {
  if (!names.has('database_versions')) return undefined
  const row = all('SELECT version FROM database_versions ORDER BY id DESC LIMIT 1')[0]
  return row === undefined ? undefined : String(row['version'])
}

function strangeMigrations(rows: readonly Row[]): string[] {
  const strange = rows.map((row) => String(row['id'])).filter((id) => !KNOWN_MIGRATIONS.has(id))
  if (strange.length === 0) return []
  return [
    `a Headscale that is not known here has changed the database (${strange.join(', ')}): what it has added is not brought over`,
  ]
}
