/** The store on SQLite: the contract, and what only a file and a thread can suffer. */

import assert from 'node:assert/strict'
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { Worker } from 'node:worker_threads'
import type { Wall } from '../../../base/clock.ts'
import { MeshError } from '../../../base/errors.ts'
import type { AuditEntry } from '../../model/audit.ts'
import type { Batch } from '../../model/records.ts'
import { encodeBatch } from '../../store/encode.ts'
import { storeContract } from '../../store/store.contract.ts'
import { MIGRATIONS } from './migrations.ts'
import type { Migration } from './migrations.ts'
import { openStore } from './open.ts'
import { openSqliteFile, openSqliteReader } from './sqlite-file.ts'
import { SqliteTables } from './sqlite-tables.ts'
import type { Answers, Outcome } from './sqlite-tables.ts'
import { SqliteStore } from './sqlite.ts'

storeContract('on SQLite', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sett-store-'))
  const path = join(folder, 'sett.db')
  return { shared: false, open: () => openStore(path), remove: async () => rmSync(folder, { recursive: true }) }
})

const AT = 1_700_000_000_000 as Wall

/** A path for a database in a folder of its own, which goes when the test ends. */
function somewhere(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'sett-store-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return join(folder, 'sett.db')
}

function name(tailnet: number, id: string, node: number): Batch {
  return { tailnet, writes: [{ kind: 'name', id, expect: 'any', value: { node } }] }
}

function error(code: string, says: RegExp): (thrown: unknown) => boolean {
  return (thrown) => {
    assert.ok(thrown instanceof MeshError, String(thrown))
    assert.equal(thrown.code, code)
    assert.match(thrown.message, says)
    return true
  }
}

describe('a SQLite file', () => {
  test('has one server at a time, by whatever name it is opened', async (t) => {
    const path = somewhere(t)
    const store = await openStore(path)
    symlinkSync(path, `${path}.link`)
    const taken = error('store/unavailable', /another Sett server has it open/)
    await assert.rejects(openStore(path), taken)
    await assert.rejects(openStore(`sqlite:${path}.link`), taken)
    assert.equal((await store.commit(name(1, 'a', 1), AT)).kind, 'done')
    await store.close()
    const next = await openStore(path)
    assert.equal((await next.snapshot(1)).seq, 1)
    await next.close()
  })

  test('is read beside the server that writes to it', async (t) => {
    const path = somewhere(t)
    const store = await openStore(path)
    await store.commit(name(1, 'a', 1), AT)
    const reader = openSqliteReader(path, MIGRATIONS)
    reader.db.exec('BEGIN')
    const count = () => reader.db.prepare('SELECT count(*) AS n FROM records').get()?.['n']
    assert.equal(count(), 1)
    assert.equal((await store.commit(name(1, 'b', 2), AT)).kind, 'done')
    assert.equal(count(), 1, 'a read transaction sees one moment')
    reader.db.exec('COMMIT')
    assert.equal(count(), 2)
    reader.close()
    await store.close()
  })

  test('and its companions are for their owner only', async (t) => {
    const path = somewhere(t)
    writeFileSync(path, '', { mode: 0o644 })
    const store = await openStore(path)
    await store.commit(name(1, 'a', 1), AT)
    const modes = ['', '-wal', '-shm', '.lock'].map((end) => [end, statSync(path + end).mode & 0o777])
    assert.deepEqual(modes, [
      ['', 0o600],
      ['-wal', 0o600],
      ['-shm', 0o600],
      ['.lock', 0o600],
    ])
    await store.close()
  })

  test('is synced with every commit', (t) => {
    const file = openSqliteFile(somewhere(t), { migrations: MIGRATIONS })
    const pragma = (what: string) => Object.values(file.db.prepare(`PRAGMA ${what}`).get() ?? {})[0]
    assert.equal(pragma('journal_mode'), 'wal')
    assert.equal(pragma('synchronous'), 2, 'FULL')
    file.close()
  })

  test('tells within a group where audit logs end, and knows nothing of a group that failed', (t) => {
    const file = openSqliteFile(somewhere(t), { migrations: MIGRATIONS })
    const tables = new SqliteTables(file)
    const entry: AuditEntry = {
      origin: 'CONTROL',
      actor: { id: 'test', type: 'AUTOMATED_WORKER' },
      target: { id: 'a', name: 'a', type: 'NODE' },
      action: 'UPDATE',
    }
    const commit = {
      op: 'commit',
      batch: encodeBatch({ tailnet: 1, writes: [], events: [{ log: 1, entry }] }, AT),
    } as const
    const ends = { op: 'auditEnds', log: 1 } as const
    const numbers = (outcomes: readonly Outcome[]) =>
      outcomes.map((outcome) => {
        const answer = outcome.kind === 'answer' ? outcome.answer : undefined
        return answer !== null && typeof answer === 'object' && 'newest' in answer
          ? [answer.trimmed.number, answer.newest.number]
          : outcome.kind
      })
    const trim = { op: 'trimAudit', before: (AT + 1) as Wall } as const
    assert.deepEqual(numbers(tables.run([commit, ends, commit, trim, ends, commit, ends])), [
      'answer',
      [0, 1],
      'answer',
      'answer',
      [2, 2],
      'answer',
      [2, 3],
    ])
    file.db.exec(`CREATE TRIGGER full BEFORE INSERT ON feed WHEN NEW.tailnet = 2 BEGIN SELECT RAISE(ABORT, 'no'); END`)
    const failing = { op: 'commit', batch: encodeBatch({ tailnet: 2, writes: [] }, AT) } as const
    assert.deepEqual(numbers(tables.run([commit, failing])), ['failed', 'failed'])
    assert.deepEqual(numbers(tables.run([ends, commit, ends])), [[2, 3], 'answer', [2, 4]])
    file.close()
  })

  const strangers: readonly { name: string; make: (path: string) => void; says: RegExp }[] = [
    {
      name: 'a database of another program',
      make: (path) => {
        const db = new DatabaseSync(path)
        db.exec('CREATE TABLE theirs (x)')
        db.close()
      },
      says: /belongs to another program/,
    },
    {
      name: 'a text',
      make: (path) => writeFileSync(path, 'These are my notes.\n'.repeat(100)),
      says: /no Sett database/,
    },
  ]
  for (const { name, make, says } of strangers) {
    test(`that is ${name} is refused and left alone`, async (t) => {
      const path = somewhere(t)
      make(path)
      const was = readFileSync(path)
      await assert.rejects(openStore(path), error('store/corrupt', says))
      assert.ok(was.equals(readFileSync(path)))
    })
  }

  test('in a folder that does not exist is refused with that fact', async (t) => {
    const path = join(somewhere(t), 'deeper', 'sett.db')
    await assert.rejects(openStore(path), error('config/invalid', /folder does not exist/))
  })

  test('that is damaged says so on every ask, and what to do', async (t) => {
    const path = somewhere(t)
    const store = await openStore(path)
    for (let i = 0; i < 40; i++) await store.commit(name(1, `n${i}-${'x'.repeat(400)}`, i), AT)
    await store.close()
    const fd = openSync(path, 'r+')
    // Everything but the first page, which names the tables.
    for (let at = 4096; at < statSync(path).size; at += 4096) writeSync(fd, Buffer.alloc(4096, 0x5a), 0, 4096, at)
    closeSync(fd)
    const again = await openStore(path).catch((e: unknown) => e)
    const corrupt = error('store/corrupt', /restore a backup/)
    if (!(again instanceof SqliteStore)) return assert.ok(corrupt(again))
    await assert.rejects(again.snapshot(1), corrupt)
    await assert.rejects(again.commit(name(1, 'more', 1), AT), corrupt)
    await again.close()
  })

  test('on a full disk refuses the write, keeps what it had, and goes on when there is room', (t) => {
    const file = openSqliteFile(somewhere(t), { migrations: MIGRATIONS })
    const tables = new SqliteTables(file)
    const commit = (id: string, bytes: number) => {
      const value = { node: 1, pad: 'x'.repeat(bytes) } as { node: number }
      return {
        op: 'commit',
        batch: encodeBatch({ tailnet: 1, writes: [{ kind: 'name', id, expect: 'any', value }] }, AT),
      } as const
    }
    assert.deepEqual(tables.run([commit('a', 10)]), [{ kind: 'answer', answer: { kind: 'done', seq: 1 } }])
    const pages = file.db.prepare('PRAGMA page_count').get()?.['page_count'] as number
    file.db.exec(`PRAGMA max_page_count = ${pages + 3}`)
    const full = tables.run([commit('b', 10), commit('c', 100_000)])
    for (const outcome of full) {
      assert.ok(outcome.kind === 'failed')
      assert.equal(outcome.code, 'store/full')
      assert.match(outcome.message, /disk is full.*make room/)
    }
    file.db.exec(`PRAGMA max_page_count = ${pages + 1000}`)
    assert.deepEqual(tables.run([commit('c', 100_000)]), [{ kind: 'answer', answer: { kind: 'done', seq: 2 } }])
    const [snapshot] = tables.run([{ op: 'snapshot', tailnet: 1 }])
    assert.ok(snapshot?.kind === 'answer')
    const { records } = snapshot.answer as Answers['snapshot']
    assert.deepEqual(
      records.map((r) => r.id),
      ['a', 'c'],
    )
    file.close()
  })
})

describe('a group of asks', () => {
  test('is one transaction, done in its order, and a conflict in it harms nobody', (t) => {
    const file = openSqliteFile(somewhere(t), { migrations: MIGRATIONS })
    const tables = new SqliteTables(file)
    const commit = (id: string, expect: 'absent' | 'any') =>
      ({
        op: 'commit',
        batch: encodeBatch({ tailnet: 1, writes: [{ kind: 'name', id, expect, value: { node: 1 } }] }, AT),
      }) as const
    const outcomes = tables.run([
      commit('a', 'absent'),
      commit('a', 'absent'),
      { op: 'heads' },
      commit('b', 'absent'),
      { op: 'reserve', counter: 'node', count: 1 },
      { op: 'heads' },
    ])
    assert.deepEqual(
      outcomes.map((o) => (o.kind === 'answer' ? o.answer : o)),
      [
        { kind: 'done', seq: 1 },
        { kind: 'conflict', on: 'name', id: 'a' },
        [[1, 1]],
        { kind: 'done', seq: 2 },
        1,
        [[1, 2]],
      ],
    )
    file.close()
  })
})

describe('the writer thread', () => {
  test('that dies takes its asks with it, and the store says so from then on', async () => {
    const dies = `require('node:worker_threads').parentPort.once('message', () => { throw new Error('out of luck') })`
    const store = new SqliteStore('x.db', new Worker(dies, { eval: true }), undefined)
    const failed = error('store/unavailable', /writer thread failed \(out of luck\)/)
    await Promise.all([1, 2, 3].map((i) => assert.rejects(store.commit(name(1, 'a', i), AT), failed)))
    await assert.rejects(store.heads(), failed)
    await store.close()
  })

  test('that ends without a word does the same', async () => {
    const ends = `require('node:worker_threads').parentPort.once('message', () => process.exit(0))`
    const store = new SqliteStore('x.db', new Worker(ends, { eval: true }), undefined)
    await assert.rejects(store.commit(name(1, 'a', 1), AT), error('store/unavailable', /it ended/))
    await store.close()
  })
})

describe('a migration of SQLite', () => {
  const [known, newer] = [MIGRATIONS.length, MIGRATIONS.length + 1]
  const next: Migration = {
    version: newer,
    name: 'a note for every record',
    sqlite: [`ALTER TABLE records ADD COLUMN note TEXT NOT NULL DEFAULT ''`, `UPDATE records SET note = kind || id`],
    postgres: [],
  }
  const broken: Migration = { ...next, sqlite: [...next.sqlite, 'INSERT INTO nowhere VALUES (1)'] }

  test('runs once, after a backup that the older program can open', async (t) => {
    const path = somewhere(t)
    const old = await openStore(path)
    await old.commit(name(1, 'a', 1), AT)
    await old.close()
    const events: object[] = []
    const log = { info: (fields: object, event: string) => void events.push({ event, ...fields }), warn: () => {} }
    const dataDir = mkdtempSync(join(tmpdir(), 'sett-backups-'))
    t.after(() => rmSync(dataDir, { recursive: true }))

    const store = await openStore(path, { migrations: [...MIGRATIONS, next], dataDir, log })
    assert.deepEqual((await store.snapshot(1)).records, [{ kind: 'name', id: 'a', value: { node: 1 }, version: 1 }])
    await store.close()
    const [backup, ...more] = readdirSync(dataDir)
    assert.deepEqual(more, [])
    assert.match(backup ?? '', new RegExp(`^sett-schema${known}-\\d{8}T\\d{6}Z\\.db$`))
    const copy = join(dataDir, backup as string)
    assert.deepEqual(events, [{ event: 'store.migrated', database: path, from: known, to: newer, backups: [copy] }])
    assert.equal(statSync(copy).mode & 0o777, 0o600)

    const again = await openStore(path, { migrations: [...MIGRATIONS, next], dataDir, log })
    await again.close()
    assert.equal(readdirSync(dataDir).length, 1)
    assert.equal(events.length, 1)
    const file = openSqliteReader(path, [...MIGRATIONS, next])
    assert.deepEqual(
      file.db
        .prepare('SELECT note FROM records')
        .all()
        .map((r) => r['note']),
      ['namea'],
    )
    file.close()

    const older = await openStore(copy)
    assert.deepEqual((await older.snapshot(1)).records, [{ kind: 'name', id: 'a', value: { node: 1 }, version: 1 }])
    await older.close()
  })

  test('brings a database of the first version up to date, and keeps what is in it', async (t) => {
    const path = somewhere(t)
    const first = await openStore(path, { migrations: MIGRATIONS.slice(0, 1) })
    await first.commit(name(1, 'a', 1), AT)
    await first.close()
    const now = await openStore(path)
    assert.equal((await now.snapshot(1)).records.length, 1)
    assert.equal((await now.auditEnds(1)).newest.number, 0)
    await now.close()
  })

  test('that fails leaves the database as it was', async (t) => {
    const path = somewhere(t)
    const old = await openStore(path)
    await old.commit(name(1, 'a', 1), AT)
    await old.close()
    const failed = error(
      'store/unavailable',
      new RegExp(`from schema ${known} to ${newer} \\(as it was: .*sett-schema${known}-.*nowhere`),
    )
    await assert.rejects(openStore(path, { migrations: [...MIGRATIONS, broken] }), failed)
    const again = await openStore(path)
    assert.equal((await again.snapshot(1)).seq, 1)
    await again.close()
    const file = openSqliteReader(path, MIGRATIONS)
    assert.deepEqual(Object.keys(file.db.prepare('SELECT * FROM records').get() ?? {}).includes('note'), false)
    file.close()
  })

  test('of a newer program makes this one refuse, and says which versions', async (t) => {
    const path = somewhere(t)
    const later = await openStore(path, { migrations: [...MIGRATIONS, next] })
    await later.close()
    const refused = error(
      'store/schema',
      new RegExp(`newer Sett wrote it \\(schema ${newer}; this one knows up to ${known}\\)`),
    )
    await assert.rejects(openStore(path), refused)
    assert.throws(() => openSqliteReader(path, MIGRATIONS), refused)
    assert.equal(existsSync(`${path}-wal`), false)
  })
})
