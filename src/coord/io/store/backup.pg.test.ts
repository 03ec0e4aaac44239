/** Backup and restore with PostgreSQL at either end. */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { sharedPostgres } from '../../../../test/support/postgres.ts'
import type { Wall } from '../../../base/clock.ts'
import { dumpPostgres } from './backup-postgres.ts'
import { dumpSqlite } from './backup-sqlite.ts'
import { backupContract } from './backup.contract.ts'
import type { Engine } from './backup.contract.ts'
import { backupTo, restoreFrom } from './backup.ts'
import { openStore } from './open.ts'

const server = await sharedPostgres()
const skip = typeof server === 'string' ? server : false

const postgres: Engine = {
  name: 'PostgreSQL',
  dump: dumpPostgres,
  fresh: async () => {
    if (typeof server === 'string') throw new Error(server)
    const url = await server.createDatabase()
    return { url, remove: () => server.dropDatabase(url) }
  },
}
const sqlite: Engine = {
  name: 'SQLite',
  dump: dumpSqlite,
  fresh: async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sett-backup-'))
    return { url: join(folder, 'sett.db'), remove: async () => rmSync(folder, { recursive: true }) }
  },
}

backupContract(postgres, postgres, skip)
backupContract(postgres, sqlite, skip)
backupContract(sqlite, postgres, skip)

test('servers on a PostgreSQL notice that it was restored, and go on', { skip, timeout: 30_000 }, async (t) => {
  const { url, remove } = await postgres.fresh()
  const folder = mkdtempSync(join(tmpdir(), 'sett-backup-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'sett.backup')
  const AT = 1_700_000_000_000 as Wall
  const store = await openStore(url)
  const write = (node: number) =>
    store.commit({ tailnet: 1, writes: [{ kind: 'name', id: 'a', expect: 'any', value: { node } }] }, AT)
  await write(1)
  await backupTo(url, file)
  await write(2)
  let wake = () => {}
  const hinted = new Promise<void>((resolve) => (wake = resolve))
  const stop = store.watch(() => void store.feed(1, 2, 10).then((feed) => feed === 'truncated' && wake()))
  await restoreFrom(file, url, { force: true })
  await hinted
  stop()
  const { seq, records } = await store.snapshot(1)
  assert.deepEqual(records, [{ kind: 'name', id: 'a', value: { node: 1 }, version: 1 }])
  const next = await write(3)
  assert.equal(next.kind === 'done' && next.entry.seq, seq + 1)
  await store.close()
  await remove()
})

test('a PostgreSQL without our tables has nothing to back up', { skip }, async (t) => {
  const { url, remove } = await postgres.fresh()
  const folder = mkdtempSync(join(tmpdir(), 'sett-backup-'))
  t.after(() => rmSync(folder, { recursive: true }))
  await assert.rejects(backupTo(url, join(folder, 'x')), /no tables of Sett/)
  await remove()
})
