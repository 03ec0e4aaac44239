/**
 * Backup and restore, for both engines and from one to the other. The file is backup-file.ts.
 *
 * A backup is taken beside running servers and shows one moment. A restore is one transaction: all of it or nothing.
 */

import { realpathSync } from 'node:fs'
import type { Wall } from '../../../base/clock.ts'
import { MeshError } from '../../../base/errors.ts'
import { dumpPostgres, loadPostgres } from './backup-postgres.ts'
import { dumpSqlite, loadSqlite } from './backup-sqlite.ts'
import { readBackup, verifyBackup, writeBackup } from './backup-file.ts'
import type { BackupInfo } from './backup-file.ts'
import { parseDatabase } from './open.ts'

export type { BackupInfo } from './backup-file.ts'

/**
 * Writes everything that a database holds to `file`; the server may be running. The server's own keys, which lie in
 * its data folder, are not part of it.
 * Rejects with `config/invalid`, `store/unavailable`, `store/schema` or `store/corrupt`; `file` is then as it was.
 */
export async function backupTo(database: string, file: string): Promise<BackupInfo> {
  const name = parseDatabase(database)
  if (name.engine === 'sqlite' && samePath(name.path, file))
    throw new MeshError('config/invalid', `Cannot write a backup to ${file}: it is the database itself`)
  const at = Date.now() as Wall
  return writeBackup(file, at, name.engine === 'sqlite' ? dumpSqlite(name.path) : dumpPostgres(name.url))
}

/**
 * Fills a database, made when missing, from a backup of either engine. The file is read to its end first; a damaged
 * one changes nothing. SQLite must not be in use; servers on a PostgreSQL find out and load everything anew.
 *
 * Feed numbers and counters continue well beyond what they were, so that no number that was given out after the
 * backup is given out again for something else.
 *
 * `begin` is called when the file was found good, before anything is opened or made.
 *
 * Rejects with `config/invalid` when the database holds something and `force` is not set, and with `store/corrupt`,
 * `store/schema` or `store/unavailable`.
 */
export async function restoreFrom(
  file: string,
  database: string,
  options: { force?: boolean; begin?: () => void } = {},
): Promise<BackupInfo> {
  const name = parseDatabase(database)
  const info = await verifyBackup(file)
  options.begin?.()
  const load = { file, rows: readBackup(file), force: options.force ?? false }
  await (name.engine === 'sqlite' ? loadSqlite(name.path, load) : loadPostgres(name.url, load))
  return info
}

function samePath(a: string, b: string): boolean {
  try {
    return realpathSync(a) === realpathSync(b)
  } catch {
    return false
  }
}
