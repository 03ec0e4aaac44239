/**
 * Opens a SQLite database as Sett wants it: alone, private, durable, and with the tables of this program's version.
 *
 * What is read and written there is sqlite-tables.ts. Runs in whatever thread opens it; every call blocks.
 */

import { chmodSync, closeSync, existsSync, fsyncSync, openSync, realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { MeshError } from '../../../base/errors.ts'
import type { Migration } from './migrations.ts'
import { explainSqlite, isBusy } from './sqlite-errors.ts'

export interface SqliteFile {
  readonly path: string
  readonly db: DatabaseSync
  /** What opening changed; absent when the tables were as they should be. */
  readonly migrated?: { readonly from: number; readonly to: number; readonly backups: readonly string[] }
  close(): void
}

export interface SqliteOptions {
  readonly migrations: readonly Migration[]
  /** Folder for the backups that are made before migrations; the database's own when left out. */
  readonly backups?: string
}

/** "Sett" in ASCII: marks a database as ours (sqlite.org/pragma.html#pragma_application_id). */
const APPLICATION_ID = 0x53657474
/** A server that is just stopping may take a moment to let go. */
const LOCK_WAIT_MS = 300
/** Only a checkpoint next to a backup in another process makes anybody wait. */
const BUSY_WAIT_MS = 5000

/**
 * Opens a database for the one program that may write to it, and brings its tables up to date.
 *
 * Throws `store/unavailable` when another program has it, `store/schema` when a newer Sett wrote it,
 * `store/corrupt` when it is damaged or somebody else's.
 *
 * @param path a file, made when missing, or `:memory:`.
 */
export function openSqliteFile(path: string, options: SqliteOptions): SqliteFile {
  const doing = `open the database ${path}`
  if (path === ':memory:') {
    const db = new DatabaseSync(path)
    migrate(path, db, options)
    return { path, db, close: () => db.close() }
  }
  const lock = takeLock(path)
  let db: DatabaseSync | undefined
  try {
    makePrivate(path)
    db = new DatabaseSync(path, { timeout: BUSY_WAIT_MS })
    checkOurs(path, db)
    // FULL, so that a commit is on the disk before it is acknowledged; the last two matter on macOS only.
    db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA fullfsync = ON;
      PRAGMA checkpoint_fullfsync = ON; PRAGMA trusted_schema = OFF; PRAGMA cache_size = -16000;
      PRAGMA journal_size_limit = 67108864`)
    const migrated = migrate(path, db, options)
    const opened = db
    const close = () => {
      opened.close()
      lock.close()
    }
    return { path, db, close, ...(migrated === undefined ? {} : { migrated }) }
  } catch (error) {
    db?.close()
    lock.close()
    throw explainSqlite(doing, error)
  }
}

/** Opens an existing database to read from it, beside a server that may be writing. */
export function openSqliteReader(path: string, migrations: readonly Migration[]): SqliteFile {
  if (!existsSync(path))
    throw new MeshError('config/invalid', `Cannot read the database ${path}: there is no such file`)
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(path, { timeout: BUSY_WAIT_MS })
    checkOurs(path, db)
    const [has, known] = [versionOf(db), migrations.at(-1)?.version ?? 0]
    refuseNewer(path, has, known)
    if (has < known)
      throw new MeshError(
        'store/schema',
        `Cannot read the database ${path}: it is at schema ${has}, this Sett wants ${known}; start the server once, ` +
          `which brings it up to date`,
      )
    const opened = db
    return { path, db, close: () => opened.close() }
  } catch (error) {
    db?.close()
    throw explainSqlite(`read the database ${path}`, error)
  }
}

/**
 * Holds an exclusive transaction on a small file beside the database for as long as the database is open. The kernel
 * lets go of it when the process dies, however it dies; and unlike a lock on the database itself it does not keep
 * backups and the sqlite3 program from reading.
 */
function takeLock(path: string): DatabaseSync {
  // Through the real path, so that a symbolic link is no second door.
  const real = existsSync(path) ? realpathSync(path) : join(realFolder(path), basename(path))
  const file = `${real}.lock`
  let lock: DatabaseSync | undefined
  try {
    makePrivate(file)
    lock = new DatabaseSync(file, { timeout: LOCK_WAIT_MS })
    // Nothing is ever written there, so it needs no journal on disk.
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
    return lock
  } catch (error) {
    lock?.close()
    if (!isBusy(error)) throw explainSqlite(`open the database ${path}`, error)
    throw new MeshError(
      'store/unavailable',
      `Cannot open the database ${path}: another Sett server has it open; stop that one, or give this one a database ` +
        `of its own (several servers can share PostgreSQL)`,
      { cause: error },
    )
  }
}

function realFolder(path: string): string {
  try {
    return realpathSync(dirname(path))
  } catch (cause) {
    throw new MeshError('config/invalid', `Cannot open the database ${path}: its folder does not exist`, { cause })
  }
}

/** Makes the file if it is missing; only its owner may read it. SQLite gives its companions the same mode. */
function makePrivate(path: string): void {
  try {
    // Opening an existing file and closing it again would drop the locks that this process has on it.
    if (existsSync(path)) return chmodSync(path, 0o600)
    closeSync(openSync(path, 'wx', 0o600))
    syncFile(dirname(path))
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new MeshError('store/unavailable', `Cannot open the database ${path}: ${why}`, { cause })
  }
}

/** A database with tables that are not ours is somebody else's. */
function checkOurs(path: string, db: DatabaseSync): void {
  const id = Number(db.prepare('PRAGMA application_id').get()?.['application_id'])
  const tables = Number(db.prepare('SELECT count(*) AS n FROM sqlite_master').get()?.['n'])
  if (id !== APPLICATION_ID && (id !== 0 || tables > 0))
    throw new MeshError('store/corrupt', `Cannot open the database ${path}: it belongs to another program`)
}

function versionOf(db: DatabaseSync): number {
  const table = db.prepare("SELECT count(*) AS n FROM sqlite_master WHERE type = 'table' AND name = 'schema_steps'")
  if (Number(table.get()?.['n']) === 0) return 0
  return Number(db.prepare('SELECT max(version) AS v FROM schema_steps').get()?.['v'] ?? 0)
}

function refuseNewer(path: string, has: number, known: number): void {
  if (has > known)
    throw new MeshError(
      'store/schema',
      `Cannot open the database ${path}: a newer Sett wrote it (schema ${has}; this one knows up to ${known}); ` +
        `use the newer Sett, or a backup from before its update`,
    )
}

function migrate(path: string, db: DatabaseSync, options: SqliteOptions): SqliteFile['migrated'] {
  const from = versionOf(db)
  const known = options.migrations.at(-1)?.version ?? 0
  refuseNewer(path, from, known)
  if (from === known) return undefined
  const backups: string[] = []
  for (const { version, name, sqlite } of options.migrations) {
    if (version <= from) continue
    // A new database has nothing to keep.
    if (from > 0) backups.push(backUp(path, db, version, options.backups ?? dirname(path)))
    db.exec('BEGIN IMMEDIATE')
    try {
      if (version === 1) {
        db.exec(`PRAGMA application_id = ${APPLICATION_ID}`)
        db.exec(
          'CREATE TABLE schema_steps (version INTEGER PRIMARY KEY, name TEXT NOT NULL, at INTEGER NOT NULL) STRICT',
        )
      }
      for (const sql of sqlite) db.exec(sql)
      db.prepare('INSERT INTO schema_steps (version, name, at) VALUES (?, ?, ?)').run(version, name, Date.now())
      db.exec('COMMIT')
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK')
      const kept = backups.length === 0 ? '' : ` (as it was: ${backups.at(-1)})`
      throw explainSqlite(`bring the database ${path} from schema ${version - 1} to ${version}${kept}`, error)
    }
  }
  return { from, to: known, backups }
}

/** Copies the database as it is before step `version`, and returns the copy's path. */
function backUp(path: string, db: DatabaseSync, version: number, folder: string): string {
  const time = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')
  const name = path === ':memory:' ? 'memory' : basename(path).replace(/\.db$/, '')
  const file = join(folder, `${name}-schema${version - 1}-${time}.db`)
  try {
    // SQLite accepts an empty file as target; made here, it is private from its first byte.
    closeSync(openSync(file, 'wx', 0o600))
    db.prepare('VACUUM INTO ?').run(file)
    syncFile(file)
    syncFile(folder)
    return file
  } catch (error) {
    throw explainSqlite(`back the database up to ${file} before an update`, error)
  }
}

function syncFile(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
