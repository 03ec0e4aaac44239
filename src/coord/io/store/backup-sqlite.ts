/** Reads a SQLite database whole, and fills one. Blocks its thread row by row: for the command line, not for a server. */

import type { SQLInputValue, SQLOutputValue } from 'node:sqlite'
import { auditRow, logRow } from './backup-file.ts'
import type { BackupRow } from './backup-file.ts'
import { MIGRATIONS, STATE_TABLES } from './migrations.ts'
import { planRestore } from './restore.ts'
import type { Load } from './restore.ts'
import { explainSqlite } from './sqlite-errors.ts'
import { openSqliteFile, openSqliteReader } from './sqlite-file.ts'
import type { SqliteFile } from './sqlite-file.ts'

/** Every row as of one moment; a server may be writing meanwhile. */
export async function* dumpSqlite(path: string): AsyncGenerator<BackupRow> {
  const file = openSqliteReader(path, MIGRATIONS)
  try {
    // The first read fixes what the transaction sees.
    file.db.exec('BEGIN')
    for (const row of rowsOf(file, 'SELECT name, next FROM counters ORDER BY name'))
      yield { is: 'counter', name: row['name'] as string, next: row['next'] as number }
    for (const row of rowsOf(file, 'SELECT tailnet, seq FROM heads ORDER BY tailnet'))
      yield { is: 'tailnet', num: row['tailnet'] as number, seq: row['seq'] as number }
    for (const row of rowsOf(file, 'SELECT space, key, owner FROM claims ORDER BY space, key'))
      yield { is: 'claim', ...(row as { space: string; key: string; owner: string }) }
    const records = 'SELECT tailnet, kind, id, version, value FROM records ORDER BY tailnet, kind, id'
    for (const row of rowsOf(file, records))
      yield { is: 'record', ...(row as { tailnet: number; kind: string; id: string; version: number; value: string }) }
    const logs = 'SELECT tailnet, number, hash, trimmed, trimmed_hash FROM audit_heads ORDER BY tailnet'
    for (const row of rowsOf(file, logs)) yield logRow(row)
    const audit = 'SELECT tailnet, number, at, grp, entry, hash FROM audit ORDER BY tailnet, number'
    for (const row of rowsOf(file, audit)) yield auditRow(row)
  } catch (error) {
    throw explainSqlite(`read the database ${path}`, error)
  } finally {
    file.close()
  }
}

function rowsOf(file: SqliteFile, sql: string): Iterable<Record<string, SQLOutputValue>> {
  return file.db.prepare(sql).iterate()
}

/** Puts a backup in the place of everything that the database holds, in one transaction. */
export async function loadSqlite(path: string, load: Load): Promise<void> {
  const file = openSqliteFile(path, { migrations: MIGRATIONS })
  const { db } = file
  const insert = (sql: string) => {
    const statement = db.prepare(sql)
    return (...values: SQLInputValue[]) => statement.run(...values)
  }
  try {
    db.exec('BEGIN IMMEDIATE')
    const heads = db.prepare('SELECT tailnet, seq FROM heads').all()
    const counters = db.prepare('SELECT name, next FROM counters').all()
    const used = db
      .prepare('SELECT 1 FROM records UNION ALL SELECT 1 FROM claims UNION ALL SELECT 1 FROM audit_heads LIMIT 1')
      .get()
    const target = planRestore(
      {
        heads: new Map(heads.map((row) => [row['tailnet'] as number, row['seq'] as number])),
        counters: new Map(counters.map((row) => [row['name'] as string, row['next'] as number])),
        empty: heads.length === 0 && counters.length === 0 && used === undefined,
      },
      load,
    )
    for (const table of STATE_TABLES) db.exec(`DELETE FROM ${table}`)
    const counter = insert('INSERT INTO counters (name, next) VALUES (?, ?)')
    const head = insert('INSERT INTO heads (tailnet, seq, trimmed) VALUES (?1, ?2, ?2)')
    const claim = insert('INSERT INTO claims (space, key, owner) VALUES (?, ?, ?)')
    const record = insert('INSERT INTO records (tailnet, kind, id, version, value) VALUES (?, ?, ?, ?, ?)')
    const log = insert('INSERT INTO audit_heads (tailnet, number, hash, trimmed, trimmed_hash) VALUES (?, ?, ?, ?, ?)')
    const audit = insert('INSERT INTO audit (tailnet, number, at, grp, entry, hash) VALUES (?, ?, ?, ?, ?, ?)')
    for await (const row of load.rows) {
      if (row.is === 'counter') counter(row.name, target.counterOf(row.name, row.next))
      else if (row.is === 'tailnet') head(row.num, target.headOf(row.num, row.seq))
      else if (row.is === 'claim') claim(row.space, row.key, row.owner)
      else if (row.is === 'record') record(row.tailnet, row.kind, row.id, row.version, row.value)
      else if (row.is === 'log') log(row.log, row.number, row.hash, row.trimmed, row.trimmedHash)
      else audit(row.log, row.number, row.at, row.group, row.entry, row.hash)
    }
    for (const [name, next] of target.otherCounters()) counter(name, next)
    db.exec('COMMIT')
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK')
    throw explainSqlite(`restore into the database ${path}`, error)
  } finally {
    file.close()
  }
}
