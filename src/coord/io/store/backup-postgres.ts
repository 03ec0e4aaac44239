/** Reads a PostgreSQL database whole, and fills one. */

import type { Client } from 'pg'
import { MeshError } from '../../../base/errors.ts'
import { auditRow, logRow } from './backup-file.ts'
import type { BackupRow } from './backup-file.ts'
import { MIGRATIONS, STATE_TABLES } from './migrations.ts'
import { CHANNEL } from './postgres-commit.ts'
import { explainPostgres } from './postgres-errors.ts'
import { migratePostgres, refuseNewer, schemaVersion } from './postgres-schema.ts'
import { Session } from './postgres-session.ts'
import { planRestore } from './restore.ts'
import type { Load } from './restore.ts'

/** Rows per round trip. */
const PAGE = 500

/** Every row as of one moment; servers may be writing meanwhile. */
export async function* dumpPostgres(url: string): AsyncGenerator<BackupRow> {
  await using connection = await connect(url)
  const { client } = connection
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    await checkSchema(client)
    for await (const row of rowsOf(client, 'SELECT name, next FROM sett.counters ORDER BY name'))
      yield { is: 'counter', name: row['name'] as string, next: Number(row['next']) }
    for await (const row of rowsOf(client, 'SELECT tailnet, seq FROM sett.heads ORDER BY tailnet'))
      yield { is: 'tailnet', num: Number(row['tailnet']), seq: Number(row['seq']) }
    for await (const row of rowsOf(client, 'SELECT space, key, owner FROM sett.claims ORDER BY space, key'))
      yield { is: 'claim', ...(row as { space: string; key: string; owner: string }) }
    const records = 'SELECT tailnet, kind, id, version, value FROM sett.records ORDER BY tailnet, kind, id'
    for await (const row of rowsOf(client, records)) {
      const { kind, id, value } = row as { kind: string; id: string; value: string }
      yield { is: 'record', tailnet: Number(row['tailnet']), kind, id, version: Number(row['version']), value }
    }
    const logs = 'SELECT tailnet, number, hash, trimmed, trimmed_hash FROM sett.audit_heads ORDER BY tailnet'
    for await (const row of rowsOf(client, logs)) yield logRow(row)
    const audit = 'SELECT tailnet, number, at, grp, entry, hash FROM sett.audit ORDER BY tailnet, number'
    for await (const row of rowsOf(client, audit)) yield auditRow(row)
  } catch (error) {
    throw explainPostgres('read from PostgreSQL', error)
  }
}

async function checkSchema(client: Client): Promise<void> {
  const has = await schemaVersion(client)
  refuseNewer(has, MIGRATIONS)
  if (has === 0)
    throw new MeshError('config/invalid', 'Cannot read from PostgreSQL: there are no tables of Sett in this database')
  if (has < (MIGRATIONS.at(-1)?.version ?? 0))
    throw new MeshError(
      'store/schema',
      `Cannot read from PostgreSQL: the tables are at schema ${has}, older than this Sett's; start the server once, ` +
        `which brings them up to date`,
    )
}

async function* rowsOf(client: Client, sql: string): AsyncGenerator<Record<string, unknown>> {
  await client.query(`DECLARE sett_dump CURSOR FOR ${sql}`)
  for (;;) {
    const { rows } = await client.query<Record<string, unknown>>(`FETCH ${PAGE} FROM sett_dump`)
    yield* rows
    if (rows.length < PAGE) break
  }
  await client.query('CLOSE sett_dump')
}

/** Puts a backup in the place of everything that the database holds, in one transaction. */
export async function loadPostgres(url: string, load: Load): Promise<void> {
  await using connection = await connect(url)
  const { client } = connection
  await migratePostgres(client, MIGRATIONS)
  try {
    await client.query('BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE')
    // Servers that are running wait here; afterwards the feeds' numbers tell them that everything is new.
    await client.query(`LOCK TABLE ${STATE_TABLES.map((t) => `sett.${t}`).join(', ')} IN ACCESS EXCLUSIVE MODE`)
    const heads = await client.query<{ tailnet: string; seq: string }>('SELECT tailnet, seq FROM sett.heads')
    const counters = await client.query<{ name: string; next: string }>('SELECT name, next FROM sett.counters')
    const used = await client.query(
      'SELECT 1 FROM sett.records UNION ALL SELECT 1 FROM sett.claims UNION ALL SELECT 1 FROM sett.audit_heads LIMIT 1',
    )
    const target = planRestore(
      {
        heads: new Map(heads.rows.map(({ tailnet, seq }) => [Number(tailnet), Number(seq)])),
        counters: new Map(counters.rows.map(({ name, next }) => [name, Number(next)])),
        empty: heads.rows.length === 0 && counters.rows.length === 0 && used.rows.length === 0,
      },
      load,
    )
    for (const table of STATE_TABLES) await client.query(`DELETE FROM sett.${table}`)
    const page = new Page(client)
    const touched = new Set(heads.rows.map(({ tailnet }) => Number(tailnet)))
    for await (const row of load.rows) {
      if (row.is === 'counter') await page.add('counters', row.name, target.counterOf(row.name, row.next))
      else if (row.is === 'claim') await page.add('claims', row.space, row.key, row.owner)
      else if (row.is === 'record') await page.add('records', row.tailnet, row.kind, row.id, row.version, row.value)
      else if (row.is === 'log')
        await page.add('audit_heads', row.log, row.number, row.hash, row.trimmed, row.trimmedHash)
      else if (row.is === 'audit') await page.add('audit', row.log, row.number, row.at, row.group, row.entry, row.hash)
      else {
        const seq = target.headOf(row.num, row.seq)
        touched.add(row.num)
        await page.add('heads', row.num, seq, seq)
      }
    }
    for (const [name, next] of target.otherCounters()) await page.add('counters', name, next)
    await page.flush()
    for (const tailnet of touched) await client.query('SELECT pg_notify($1, $2)', [CHANNEL, `${tailnet} restore`])
    await client.query('COMMIT')
  } catch (error) {
    throw explainPostgres('restore into PostgreSQL', error)
  }
}

const INSERTS = {
  counters: 'INSERT INTO sett.counters (name, next) SELECT * FROM unnest($1::text[], $2::bigint[])',
  heads:
    'INSERT INTO sett.heads (tailnet, seq, trimmed) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])',
  claims: 'INSERT INTO sett.claims (space, key, owner) SELECT * FROM unnest($1::text[], $2::text[], $3::text[])',
  records: `INSERT INTO sett.records (tailnet, kind, id, version, value)
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::text[])`,
  audit_heads: `INSERT INTO sett.audit_heads (tailnet, number, hash, trimmed, trimmed_hash)
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::text[])`,
  audit: `INSERT INTO sett.audit (tailnet, number, at, grp, entry, hash)
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[])`,
} as const

/** Gathers rows of one table and inserts them together. */
class Page {
  readonly #client: Client
  #table: keyof typeof INSERTS = 'counters'
  #rows: (readonly (string | number)[])[] = []

  constructor(client: Client) {
    this.#client = client
  }

  async add(table: keyof typeof INSERTS, ...row: readonly (string | number)[]): Promise<void> {
    if (table !== this.#table || this.#rows.length >= PAGE) await this.flush()
    this.#table = table
    this.#rows.push(row)
  }

  async flush(): Promise<void> {
    const rows = this.#rows
    this.#rows = []
    const [first] = rows
    if (first === undefined) return
    const columns = first.map((_, i) => rows.map((row) => row[i]))
    await this.#client.query(INSERTS[this.#table], columns)
  }
}

async function connect(url: string): Promise<{ client: Client } & AsyncDisposable> {
  const session = new Session(url)
  try {
    const client = await session.dedicated()
    // Ending the connection also ends what it had begun.
    return { client, [Symbol.asyncDispose]: () => client.end().catch(() => {}) }
  } finally {
    await session.end()
  }
}
