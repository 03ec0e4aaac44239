/** Opens the store that a `--database` value names. The engines are sqlite.ts and postgres.ts. */

import { MeshError } from '../../../base/errors.ts'
import type { Store } from '../../store/store.ts'
import { MIGRATIONS } from './migrations.ts'
import type { Migration } from './migrations.ts'
import { openSqlite } from './sqlite.ts'

/** Where a store logs: an event and its fields. A pino logger fits. */
export interface StoreLog {
  info(fields: object, event: string): void
  warn(fields: object, event: string): void
}

export interface OpenOptions {
  /** Folder for the backups made before migrations; the database's own folder when left out. */
  readonly dataDir?: string
  readonly log?: StoreLog
  /** Another list than this program's own; for tests. */
  readonly migrations?: readonly Migration[]
}

export type DatabaseName =
  | { readonly engine: 'sqlite'; readonly path: string }
  | { readonly engine: 'postgres'; readonly url: string }

/**
 * Reads a database's name: `sqlite:PATH`, a plain path, or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
 * Throws `config/invalid` for anything else; the message never repeats a URL, which may hold a password.
 */
export function parseDatabase(text: string): DatabaseName {
  const accepted = 'want sqlite:PATH, a path, or postgres://USER:PASSWORD@HOST:PORT/DATABASE'
  const refuse = (why: string) => new MeshError('config/invalid', `Cannot use the database: ${why}; ${accepted}`)
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]?.toLowerCase()
  if (scheme === 'postgres' || scheme === 'postgresql') {
    return { engine: 'postgres', url: text }
  }
  const path = scheme === 'sqlite' ? text.slice('sqlite:'.length).replace(/^\/\//, '') : text
  // One letter and a colon is a Windows drive.
  if (scheme !== undefined && scheme !== 'sqlite' && scheme.length > 1) throw refuse(`"${scheme}:" is no engine`)
  if (path === '') throw refuse('it is empty')
  if (path.includes('\0')) throw refuse('its path holds a NUL character')
  return { engine: 'sqlite', path }
}

/**
 * Opens a store, made when missing, and brings its tables up to date; a backup is made before each step.
 *
 * Rejects with `config/invalid` for a wrong name, `store/unavailable` when it cannot be reached or another server
 * has it, `store/schema` when a newer Sett wrote it, `store/corrupt` when it is damaged.
 */
export async function openStore(database: string, options: OpenOptions = {}): Promise<Store> {
  const name = parseDatabase(database)
  const migrations = options.migrations ?? MIGRATIONS
  if (name.engine === 'postgres') {
    // Only then: its client is many modules, and most servers start without.
    const { openPostgres } = await import('./postgres.ts')
    const store = await openPostgres(name.url, migrations, options.log)
    if (store.migrated !== undefined) options.log?.info({ database: 'PostgreSQL', ...store.migrated }, 'store.migrated')
    return store
  }
  const backups = options.dataDir === undefined ? {} : { backups: options.dataDir }
  const store = await openSqlite({ path: name.path, migrations, ...backups })
  if (store.migrated !== undefined) options.log?.info({ database: name.path, ...store.migrated }, 'store.migrated')
  return store
}
