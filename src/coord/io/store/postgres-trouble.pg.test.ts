/** What PostgreSQL and the way to it can suffer: wrong addresses, cut connections, crashes, updates under way. */

import assert from 'node:assert/strict'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { Client } from 'pg'
import { sharedPostgres, startPostgres } from '../../../../test/support/postgres.ts'
import type { TestPostgres } from '../../../../test/support/postgres.ts'
import type { Wall } from '../../../base/clock.ts'
import { MeshError } from '../../../base/errors.ts'
import type { Batch } from '../../model/records.ts'
import type { Store } from '../../store/store.ts'
import { MIGRATIONS } from './migrations.ts'
import type { Migration } from './migrations.ts'
import { openStore } from './open.ts'
import { Session } from './postgres-session.ts'

const postgres = await sharedPostgres()
const skip = typeof postgres === 'string' ? postgres : false
const server = () => {
  if (typeof postgres === 'string') throw new Error(postgres)
  return postgres
}
const AT = 1_700_000_000_000 as Wall

function name(id: string, node: number): Batch {
  return { tailnet: 1, writes: [{ kind: 'name', id, expect: 'any', value: { node } }] }
}

function error(code: string, says: RegExp): (thrown: unknown) => boolean {
  return (thrown) => {
    assert.ok(thrown instanceof MeshError, String(thrown))
    assert.equal(thrown.code, code, thrown.message)
    assert.match(thrown.message, says)
    return true
  }
}

async function database(t: TestContext, options = ''): Promise<string> {
  const url = await server().createDatabase(options)
  t.after(() => server().dropDatabase(url))
  return url
}

async function opened(t: TestContext, url: string): Promise<Store> {
  const store = await openStore(url)
  t.after(() => store.close())
  return store
}

async function ask(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows
  } finally {
    await client.end()
  }
}

/** A way to the server that tests can cut; `watch` sees what clients send, and decides. */
async function proxy(t: TestContext, target: TestPostgres, watch: (sent: Buffer, cut: Cut) => void): Promise<number> {
  const open = new Set<Socket>()
  const listener = createServer((client) => {
    const upstream = connect(join(target.socket, '.s.PGSQL.5432'))
    for (const socket of [client, upstream]) {
      open.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        open.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    let answering = true
    const cut: Cut = {
      now: () => client.destroy(),
      afterAnswer: () => (answering = false),
    }
    client.on('data', (sent: Buffer) => {
      watch(sent, cut)
      upstream.write(sent)
    })
    upstream.on('data', (answer) => {
      if (answering) client.write(answer)
      else client.destroy()
    })
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const socket of open) socket.destroy()
    listener.close()
  })
  return (listener.address() as AddressInfo).port
}
interface Cut {
  /** Cuts the connection before the server gets what was just sent. */
  now(): void
  /** Lets the server do what was just sent, and cuts when it answers. */
  afterAnswer(): void
}

describe('a PostgreSQL that cannot be used', { skip }, () => {
  const rows = [
    {
      name: 'without that database',
      url: () => `postgres:///nowhere?host=${server().socket}&user=sett`,
      code: 'config/invalid',
      says: /"nowhere" does not exist.*create it/,
    },
    {
      name: 'that does not run',
      url: () => 'postgres://sett:hunter2@127.0.0.1:1/d',
      code: 'store/unavailable',
      says: /is PostgreSQL running/,
    },
    {
      name: 'with a user it does not know',
      url: () => `postgres:///postgres?host=${server().socket}&user=nobody`,
      code: 'config/invalid',
      says: /check name and password/,
    },
    {
      name: 'with a URL that cannot be read',
      url: () => 'postgres://sett:hunter2@[::/d',
      code: 'config/invalid',
      says: /URL cannot be read/,
    },
  ]
  for (const row of rows)
    test(`${row.name} is refused with that fact, and without the password`, async () => {
      await assert.rejects(openStore(row.url()), (thrown: unknown) => {
        assert.doesNotMatch(String(thrown), /hunter2/)
        return error(row.code, row.says)(thrown)
      })
    })

  test('with an encoding that cannot hold every name is refused', async (t) => {
    const url = await database(t, `ENCODING 'SQL_ASCII' TEMPLATE template0`)
    await assert.rejects(openStore(url), error('config/invalid', /encoding is SQL_ASCII/))
  })

  test('because a user may not create a schema is refused with what is missing', async (t) => {
    const url = await database(t)
    await ask(url, `CREATE ROLE guest LOGIN`)
    t.after(() => ask(server().url('postgres'), 'DROP ROLE guest'))
    await assert.rejects(openStore(url.replace('user=sett', 'user=guest')), error('config/invalid', /create a schema/))
  })

  test('is asked to sync commits even where its default is not to', async (t) => {
    const url = await database(t)
    await ask(url, `ALTER DATABASE ${new URL(url).pathname.slice(1)} SET synchronous_commit = off`)
    const session = new Session(url)
    const [row] = await session.query<{ synchronous_commit: string }>('look', 'SHOW synchronous_commit')
    assert.equal(row?.synchronous_commit, 'on')
    await session.end()
  })
})

describe('a connection that is cut', { skip }, () => {
  test('before the commit was sent: the batch is tried again, and happens once', async (t) => {
    const url = await database(t)
    let cuts = 0
    const port = await proxy(t, server(), (sent, cut) => {
      if (!sent.includes('sett-write') || cuts >= 2) return
      cuts++
      cut.now()
    })
    const store = await opened(t, `postgres://sett@127.0.0.1:${port}${new URL(url).pathname}`)
    const got = await store.commit(name('a', 1), AT)
    assert.equal(got.kind === 'done' && got.entry.seq, 1)
    assert.equal(cuts, 2)
    assert.equal((await store.snapshot(1)).seq, 1)
  })

  test('while the commit was answered: its fate is called unknown, and the feed tells it', async (t) => {
    const url = await database(t)
    let armed = false
    const port = await proxy(t, server(), (sent, cut) => {
      // The zero ends the statement; "READ COMMITTED" is none.
      if (!armed || !sent.includes('COMMIT\0')) return
      armed = false
      cut.afterAnswer()
    })
    const store = await opened(t, `postgres://sett@127.0.0.1:${port}${new URL(url).pathname}`)
    armed = true
    await assert.rejects(store.commit(name('a', 1), AT), error('store/unavailable', /may or may not have happened/))
    const feed = await store.feed(1, 0, 10)
    assert.equal(feed.length, 1)
    // The next one goes through, on another connection.
    assert.equal((await store.commit(name('b', 2), AT)).kind, 'done')
  })

  test('while idle: nobody notices', async (t) => {
    const url = await database(t)
    const store = await opened(t, url)
    await store.commit(name('a', 1), AT)
    await ask(
      url,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid()`,
    )
    assert.equal((await store.commit(name('b', 2), AT)).kind, 'done')
    assert.equal((await store.snapshot(1)).seq, 2)
  })
  test('while listening: the store listens again, and hears what was missed', { timeout: 30_000 }, async (t) => {
    const url = await database(t)
    const [store, other] = [await opened(t, url), await opened(t, url)]
    await other.commit(name('a', 1), AT)
    let wake = () => {}
    const next = () => new Promise<void>((resolve) => (wake = resolve))
    t.after(store.watch(() => wake()))
    const listeners = `FROM pg_stat_activity WHERE datname = current_database() AND query = 'LISTEN sett_feed'`
    for (let round = 0; round < 2; round++) {
      let pids: unknown[] = []
      while (pids.length === 0) pids = await ask(url, `SELECT pid ${listeners}`)
      const hint = next()
      await ask(url, `SELECT pg_terminate_backend(pid) ${listeners}`)
      await other.commit(name('b', round), AT)
      await hint
    }
  })

  test('a notice that never comes is made up for by looking', { timeout: 30_000 }, async (t) => {
    const url = await database(t)
    // LISTEN goes to a server that never says anything.
    const port = await proxy(t, server(), (sent, cut) => {
      if (sent.includes('LISTEN')) cut.now()
    })
    const store = await opened(t, `postgres://sett@127.0.0.1:${port}${new URL(url).pathname}`)
    const other = await opened(t, url)
    const hinted = new Promise<number>((resolve) => t.after(store.watch(resolve)))
    await other.commit(name('a', 1), AT)
    assert.equal(await hinted, 1)
  })
})

test(
  'a PostgreSQL that crashes keeps what it acknowledged, and stores come back by themselves',
  { skip, timeout: 120_000 },
  async (t) => {
    const own = await startPostgres({ durable: true })
    assert.ok(typeof own !== 'string')
    t.after(() => own.stop())
    const url = await own.createDatabase()
    const stores = await Promise.all([1, 2, 3].map(() => openStore(url)))
    const acknowledged = new Map<string, number>()
    const attempted = new Set<string>()
    let unknown = 0
    const state = { writing: true }
    const writers = stores.flatMap((store, s) =>
      [0, 1, 2].map(async (w) => {
        for (let i = 0; state.writing; i++) {
          const id = `${s}-${w}-${i}`
          attempted.add(id)
          try {
            const got = await store.commit(name(id, i), AT)
            assert.ok(got.kind === 'done')
            acknowledged.set(id, got.entry.seq)
          } catch (thrown) {
            assert.ok(thrown instanceof MeshError && thrown.code === 'store/unavailable', String(thrown))
            unknown++
          }
        }
      }),
    )
    for (let crash = 0; crash < 3; crash++) {
      const before = acknowledged.size
      // Every writer has been through once more, so the stores are connected again.
      while (acknowledged.size < before + 50) await new Promise((resolve) => setTimeout(resolve, 10))
      await own.crash()
      await own.start()
    }
    const before = acknowledged.size
    while (acknowledged.size < before + 50) await new Promise((resolve) => setTimeout(resolve, 10))
    state.writing = false
    await Promise.all(writers)
    const feed = await (stores[0] as Store).feed(1, 0, 1e6)
    assert.ok(feed !== 'truncated')
    assert.deepEqual(
      feed.map((e) => e.seq),
      feed.map((_, i) => i + 1),
    )
    const ids = feed.map((e) => e.changes[0]?.id as string)
    assert.equal(new Set(ids).size, ids.length, 'no batch happened twice')
    for (const [id, seq] of acknowledged) assert.equal(ids[seq - 1], id)
    for (const id of ids) assert.ok(attempted.has(id))
    assert.ok(feed.length <= acknowledged.size + unknown)
    await Promise.all(stores.map((store) => store.close()))
  },
)

describe('a migration of PostgreSQL', { skip }, () => {
  const known = MIGRATIONS.length
  const next: Migration = {
    version: known + 1,
    name: 'a note for every record',
    sqlite: [],
    postgres: [`ALTER TABLE records ADD COLUMN note text NOT NULL DEFAULT ''`, `UPDATE records SET note = kind || id`],
  }
  const newer = [...MIGRATIONS, next]
  const broken = [...MIGRATIONS, { ...next, postgres: [...next.postgres, 'INSERT INTO nowhere VALUES (1)'] }]

  test('runs once, with a copy of everything, however many servers start at once', async (t) => {
    const url = await database(t)
    const old = await openStore(url)
    await old.commit(name('a', 1), AT)
    await old.reserve('node', 7)
    const stores = await Promise.all(Array.from({ length: 6 }, () => openStore(url, { migrations: newer })))
    for (const store of stores)
      assert.deepEqual((await store.snapshot(1)).records, [{ kind: 'name', id: 'a', value: { node: 1 }, version: 1 }])
    assert.deepEqual(await ask(url, 'SELECT note FROM sett.records'), [{ note: 'namea' }])
    const copies = await ask(url, `SELECT nspname FROM pg_namespace WHERE nspname LIKE 'sett\\_backup\\_%'`)
    assert.equal(copies.length, 1)
    // The server that was running finds out before it writes anything.
    await assert.rejects(
      old.commit(name('b', 2), AT),
      error('store/schema', new RegExp(`to schema ${known + 1} while this one.*update it`)),
    )
    await Promise.all([old, ...stores].map((store) => store.close()))

    await assert.rejects(
      openStore(url),
      error(
        'store/schema',
        new RegExp(`newer Sett wrote them \\(schema ${known + 1}; this one knows up to ${known}\\)`),
      ),
    )
    // Going back, as postgres-schema.ts says.
    await ask(url, `DROP SCHEMA sett CASCADE`)
    await ask(url, `ALTER SCHEMA ${String(copies[0]?.['nspname'])} RENAME TO sett`)
    const back = await opened(t, url)
    assert.equal((await back.snapshot(1)).records.length, 1)
    assert.equal(await back.reserve('node', 1), 8)
    assert.deepEqual(
      await back.commit({ tailnet: 1, writes: [{ kind: 'name', id: 'a', expect: 'absent', value: null }] }, AT),
      { kind: 'conflict', on: 'name', id: 'a' },
    )
    assert.equal((await back.commit(name('a', 2), AT)).kind, 'done')
  })

  test('brings tables of the first version up to date, and keeps what is in them', async (t) => {
    const url = await database(t)
    const first = await openStore(url, { migrations: MIGRATIONS.slice(0, 1) })
    await first.commit(name('a', 1), AT)
    await first.close()
    const now = await opened(t, url)
    assert.equal((await now.snapshot(1)).records.length, 1)
    assert.equal((await now.auditEnds(1)).newest.number, 0)
  })

  test('that fails leaves everything as it was', async (t) => {
    const url = await database(t)
    const old = await opened(t, url)
    await old.commit(name('a', 1), AT)
    await assert.rejects(openStore(url, { migrations: broken }), error('store/schema', /nowhere/))
    assert.deepEqual(await ask(url, `SELECT nspname FROM pg_namespace WHERE nspname LIKE 'sett\\_backup\\_%'`), [])
    assert.equal((await old.commit(name('b', 2), AT)).kind, 'done')
  })
})
