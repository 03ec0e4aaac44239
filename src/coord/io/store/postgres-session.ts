/**
 * Connections to PostgreSQL: how they are set up, transactions whose fate is known or said to be unknown, and tries
 * after a failure that passes.
 *
 * Sett connects to the server itself or to a pooler in session mode: settings and LISTEN live in a session.
 */

import { Client, Pool } from 'pg'
import type { ClientConfig, PoolClient } from 'pg'
import { MeshError } from '../../../base/errors.ts'
import type { StoreLog } from './open.ts'
import { explainPostgres, isPassing } from './postgres-errors.ts'

/** Connections per server: one per tailnet that commits at the moment, and some for readers. */
const POOL_SIZE = 12
/** Longest wait for a connection, a lock, a statement; a statement of ours takes milliseconds. */
const CONNECT_MS = 5000
const LOCK_MS = 10_000
const STATEMENT_MS = 20_000
/** The client gives up after the server should have: then the way to it is dead. */
const ANSWER_MS = STATEMENT_MS + 5000
/** A process that stops dead in a transaction holds its tailnet's lock at most this long. */
const IDLE_IN_TRANSACTION_MS = 15_000
/** Waits between tries: they add up to the time that a restart of PostgreSQL takes. */
const RETRY_MS = [50, 200, 700, 1500] as const

/**
 * Acknowledged means on disk, whatever the server's default is; stricter settings stay as they are. Statements are
 * planned once for all values, and never read a table through: PostgreSQL would choose so while a table is small, and
 * keep to it for a minute while it grows.
 */
const SESSION = `
  SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
  SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off`

export class Session {
  readonly #pool: Pool
  readonly #url: string

  /** Connects when it is first used. Throws `config/invalid` when the URL cannot be read. */
  constructor(url: string, log?: StoreLog) {
    this.#url = url
    try {
      // Read here, and not when the first connection is made.
      void new Client(clientConfig(url))
    } catch {
      // What is thrown repeats the URL, which may hold a password: it is no cause to keep.
      throw new MeshError(
        'config/invalid',
        'Cannot use the database: its URL cannot be read; want postgres://USER:PASSWORD@HOST:PORT/DATABASE',
      )
    }
    this.#pool = new Pool({
      ...clientConfig(url),
      max: POOL_SIZE,
      connectionTimeoutMillis: CONNECT_MS,
      idleTimeoutMillis: 30_000,
      query_timeout: ANSWER_MS,
      // The pool waits for the promise, which its types do not know.
      ...({ onConnect: setUp } as object),
    })
    this.#pool.on('error', (error) => log?.warn({ why: error.message }, 'store.connection-lost'))
  }

  /** A connection outside the pool, without limits of time: for migrations, backups and LISTEN. The caller ends it. */
  async dedicated(): Promise<Client> {
    const client = new Client({
      ...clientConfig(this.#url),
      connectionTimeoutMillis: CONNECT_MS,
      statement_timeout: 0,
      lock_timeout: 0,
      idle_in_transaction_session_timeout: 0,
    })
    try {
      await client.connect()
      await setUp(client)
      return client
    } catch (error) {
      void client.end().catch(() => {})
      throw explainPostgres('connect to PostgreSQL', error)
    }
  }

  /** One statement, tried again when that is harmless: it must not matter whether it happens twice. */
  async query<Row extends object>(doing: string, text: string, values: readonly unknown[] = []): Promise<Row[]> {
    return this.#retry(doing, async () => {
      const { rows } = await this.#pool.query<Row>({ text, values: [...values] })
      return rows
    })
  }

  /**
   * One transaction at READ COMMITTED. `work` may run again after a failure that passes, as long as COMMIT was not
   * sent; once it was and the answer is missing, rejects with `store/unavailable` and says that the fate is unknown.
   * @param work returns what to return, and whether anything is to be kept.
   */
  async transact<T>(doing: string, work: (client: PoolClient) => Promise<{ keep: boolean; result: T }>): Promise<T> {
    return this.#retry(doing, async () => {
      const client = await this.#pool.connect()
      let committing = false
      try {
        await client.query('BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE')
        const { keep, result } = await work(client)
        committing = keep
        await client.query(keep ? 'COMMIT' : 'ROLLBACK')
        client.release()
        return result
      } catch (error) {
        // Closing the connection rolls back whatever state it is in.
        client.release(true)
        if (!committing) throw error
        const fact = error instanceof Error ? error.message : String(error)
        throw new MeshError(
          'store/unavailable',
          `Cannot ${doing}: PostgreSQL did not answer the commit (${fact}); it may or may not have happened`,
          { cause: error },
        )
      }
    })
  }

  async end(): Promise<void> {
    await this.#pool.end()
  }

  async #retry<T>(doing: string, attempt: () => Promise<T>): Promise<T> {
    for (const wait of [...RETRY_MS, undefined]) {
      try {
        return await attempt()
      } catch (error) {
        if (wait === undefined || !isPassing(error)) throw explainPostgres(doing, error)
        await new Promise((resolve) => setTimeout(resolve, wait))
      }
    }
    throw new MeshError('internal', `Cannot ${doing}`)
  }
}

async function setUp(client: Client): Promise<void> {
  // Unheard errors of a connection would end the process; whoever uses it gets them with its query.
  client.on('error', () => {})
  await client.query(SESSION)
}

function clientConfig(url: string): ClientConfig {
  return {
    connectionString: url,
    application_name: 'sett',
    keepAlive: true,
    statement_timeout: STATEMENT_MS,
    lock_timeout: LOCK_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
  }
}
