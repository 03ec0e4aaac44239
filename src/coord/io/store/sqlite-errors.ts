/** Turns what SQLite says into an error that tells an administrator what to do. */

import { MeshError } from '../../../base/errors.ts'

/** Primary result codes (sqlite.org/rescode.html). */
const BUSY = 5
const READONLY = 8
const IOERR = 10
const CORRUPT = 11
const FULL = 13
const CANTOPEN = 14
const NOTADB = 26

/** SQLite's primary result code, or `undefined` when the error is not SQLite's. */
export function sqliteCode(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown } | null)?.errcode
  return typeof code === 'number' ? code & 0xff : undefined
}

export function isBusy(error: unknown): boolean {
  return sqliteCode(error) === BUSY
}

/** After such an error nothing more should be written: the disk or the file is not what it was. */
export function isFatal(error: unknown): boolean {
  const code = sqliteCode(error)
  return code === IOERR || code === CORRUPT || code === NOTADB
}

/** @param doing what was attempted, to follow "Cannot", such as `write to the database /var/lib/sett/sett.db`. */
export function explainSqlite(doing: string, error: unknown): MeshError {
  if (error instanceof MeshError) return error
  const fact = error instanceof Error ? error.message : String(error)
  const say = (code: MeshError['code'], why: string) => new MeshError(code, `Cannot ${doing}: ${why}`, { cause: error })
  switch (sqliteCode(error)) {
    case BUSY:
      return say('store/unavailable', `another program has locked it (${fact}); stop that program`)
    case READONLY:
      return say('store/unavailable', `it is read-only (${fact}); give Sett's user the right to write there`)
    case IOERR:
      return say('store/unavailable', `the disk reports an error (${fact}); check the disk, then restart Sett`)
    case FULL:
      return say('store/full', `the disk is full (${fact}); make room`)
    case CANTOPEN:
      return say('store/unavailable', `it cannot be opened (${fact}); does its folder exist, and may Sett write there?`)
    case CORRUPT:
    case NOTADB:
      return say('store/corrupt', `it is damaged or no Sett database (${fact}); move it away and restore a backup`)
    case undefined:
      return say('internal', fact)
    default:
      return say('store/unavailable', fact)
  }
}
