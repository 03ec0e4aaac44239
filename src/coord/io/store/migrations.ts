/**
 * The tables, version by version, in the words of both engines. A step is only ever added, never changed.
 *
 * Engines run the steps they lack, each in one transaction and after a backup (sqlite-file.ts, postgres-schema.ts).
 * Every table has the tailnet first in its key: no query can find another tailnet's rows by accident.
 */

export interface Migration {
  /** The schema's number after this step; steps run 1, 2, 3, … */
  readonly version: number
  readonly name: string
  readonly sqlite: readonly string[]
  /** Run with `sett` as the only schema in the search path. */
  readonly postgres: readonly string[]
}

/**
 * Records and feed are ordinary tables, since SQLite's WITHOUT ROWID suits short rows only. PostgreSQL compares
 * texts as bytes (`COLLATE "C"`), as SQLite does. Values are texts, for `jsonb` would change them.
 * `heads.trimmed` is the newest feed number that is no longer kept.
 */
const TABLES: Migration = {
  version: 1,
  name: 'records, feed, claims, counters',
  sqlite: [
    `CREATE TABLE heads (tailnet INTEGER PRIMARY KEY, seq INTEGER NOT NULL, trimmed INTEGER NOT NULL) STRICT`,
    `CREATE TABLE records (tailnet INTEGER NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL,
       version INTEGER NOT NULL, value TEXT NOT NULL, PRIMARY KEY (tailnet, kind, id)) STRICT`,
    `CREATE TABLE feed (tailnet INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, changes TEXT NOT NULL,
       PRIMARY KEY (tailnet, seq)) STRICT`,
    `CREATE TABLE claims (space TEXT NOT NULL, key TEXT NOT NULL, owner TEXT NOT NULL,
       PRIMARY KEY (space, key)) STRICT, WITHOUT ROWID`,
    `CREATE TABLE counters (name TEXT PRIMARY KEY, next INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
  ],
  postgres: [
    `CREATE TABLE heads (tailnet bigint PRIMARY KEY, seq bigint NOT NULL, trimmed bigint NOT NULL)`,
    `CREATE TABLE records (tailnet bigint NOT NULL, kind text COLLATE "C" NOT NULL, id text COLLATE "C" NOT NULL,
       version bigint NOT NULL, value text NOT NULL, PRIMARY KEY (tailnet, kind, id))`,
    `CREATE TABLE feed (tailnet bigint NOT NULL, seq bigint NOT NULL, at bigint NOT NULL, changes text NOT NULL,
       PRIMARY KEY (tailnet, seq))`,
    `CREATE TABLE claims (space text COLLATE "C" NOT NULL, key text COLLATE "C" NOT NULL,
       owner text COLLATE "C" NOT NULL, PRIMARY KEY (space, key))`,
    `CREATE TABLE counters (name text COLLATE "C" PRIMARY KEY, next bigint NOT NULL)`,
  ],
}

/**
 * Rows of `audit` are only ever added at the newest end and removed at the oldest. `audit_heads` has both ends of each
 * log: its newest entry, and the newest that is no longer kept, from whose hash the rest is reckoned on.
 */
const AUDIT: Migration = {
  version: 2,
  name: 'audit logs',
  sqlite: [
    `CREATE TABLE audit_heads (tailnet INTEGER PRIMARY KEY, number INTEGER NOT NULL, hash TEXT NOT NULL,
       trimmed INTEGER NOT NULL, trimmed_hash TEXT NOT NULL) STRICT`,
    `CREATE TABLE audit (tailnet INTEGER NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL, grp TEXT NOT NULL,
       entry TEXT NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (tailnet, number)) STRICT`,
    `CREATE INDEX audit_by_time ON audit (tailnet, at, number)`,
  ],
  postgres: [
    `CREATE TABLE audit_heads (tailnet bigint PRIMARY KEY, number bigint NOT NULL, hash text NOT NULL,
       trimmed bigint NOT NULL, trimmed_hash text NOT NULL)`,
    `CREATE TABLE audit (tailnet bigint NOT NULL, number bigint NOT NULL, at bigint NOT NULL, grp text NOT NULL,
       entry text NOT NULL, hash text NOT NULL, PRIMARY KEY (tailnet, number))`,
    `CREATE INDEX audit_by_time ON audit (tailnet, at, number)`,
  ],
}

export const MIGRATIONS: readonly Migration[] = [TABLES, AUDIT]

/** The tables that hold the server's state, in the order in which a restore fills them. */
export const STATE_TABLES = ['heads', 'records', 'feed', 'claims', 'counters', 'audit_heads', 'audit'] as const
