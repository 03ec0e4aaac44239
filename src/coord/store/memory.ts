/**
 * A store that lives in memory, for tests: the contract without a disk.
 *
 * Several stores can stand on one `MemoryDatabase`, as servers stand on one PostgreSQL.
 */

import type { Wall } from '../../base/clock.ts'
import { MeshError } from '../../base/errors.ts'
import { emptyAuditHead } from '../../wire/audit-chain.ts'
import type { AuditHead } from '../../wire/audit-chain.ts'
import type { Sha256 } from '../model/credentials.ts'
import type { Batch, Change, FeedEntry, Kind, Snapshot, TailnetNum } from '../model/records.ts'
import { linkEvents } from './chain.ts'
import {
  changesJson,
  checkCount,
  checkPeriod,
  checkReserve,
  checkTailnet,
  checkTime,
  encodeBatch,
  entryOf,
} from './encode.ts'
import { judge } from './judge.ts'
import type { AuditEnds, AuditPeriod, AuditRow } from '../model/audit.ts'
import type { Committed, Store } from './store.ts'

interface StoredRecord {
  readonly kind: Kind
  readonly id: string
  readonly version: number
  readonly json: string
}

interface Scope {
  seq: number
  readonly records: Map<string, StoredRecord>
  /** Entries kept, oldest first; the last one is number `seq`. */
  readonly feed: { readonly seq: number; readonly at: Wall; readonly changes: string }[]
}

interface Log {
  trimmed: AuditHead
  newest: AuditHead
  readonly rows: AuditRow[]
}

/** What several stores in memory share. */
export class MemoryDatabase {
  readonly sha256: Sha256
  readonly logs = new Map<TailnetNum, Log>()
  readonly scopes = new Map<TailnetNum, Scope>()
  readonly claims = new Map<string, string>()
  readonly counters = new Map<string, number>()
  readonly watchers = new Map<object, (tailnet: TailnetNum) => void>()

  constructor(sha256: Sha256) {
    this.sha256 = sha256
  }
}

export class MemoryStore implements Store {
  readonly #db: MemoryDatabase
  readonly #watching = new Set<object>()
  #open = true

  /** @param database what to stand on; another store on the same one sees the same records. */
  constructor(database: MemoryDatabase) {
    this.#db = database
  }

  async commit(batch: Batch, at: Wall): Promise<Committed> {
    this.#check()
    const encoded = encodeBatch(batch, at)
    const scope = this.#scope(batch.tailnet)
    const verdict = judge(encoded, {
      version: (kind, id) => scope.records.get(`${kind}/${id}`)?.version,
      owner: (space, key) => this.#db.claims.get(`${space}/${key}`),
    })
    if (verdict.kind === 'conflict') return verdict
    this.#db.scopes.set(batch.tailnet, scope)
    const seq = ++scope.seq
    for (const { kind, id, json } of encoded.writes) {
      if (json === null) scope.records.delete(`${kind}/${id}`)
      else scope.records.set(`${kind}/${id}`, { kind, id, version: seq, json })
    }
    for (const { space, key, owner } of verdict.claims) {
      if (owner === undefined) this.#db.claims.delete(`${space}/${key}`)
      else this.#db.claims.set(`${space}/${key}`, owner)
    }
    scope.feed.push({ seq, at, changes: changesJson(encoded) })
    const linked = linkEvents(this.#db.sha256, encoded, seq, {
      get: (log) => this.#log(log).newest,
      set: (log, head) => (this.#log(log).newest = head),
    })
    for (const { log, ...row } of linked) this.#log(log).rows.push(row)
    for (const [token, hint] of this.#db.watchers) if (!this.#watching.has(token)) hint(batch.tailnet)
    return { kind: 'done', entry: entryOf(encoded, seq) }
  }

  async feed(tailnet: TailnetNum, after: number, limit: number): Promise<readonly FeedEntry[] | 'truncated'> {
    this.#check()
    checkTailnet(tailnet)
    checkCount('where the feed is read from', after)
    checkCount('the limit of a read', limit)
    const scope = this.#scope(tailnet)
    const forgotten = scope.seq - scope.feed.length
    if (after < forgotten || after > scope.seq) return 'truncated'
    return scope.feed
      .slice(after - forgotten, after - forgotten + limit)
      .map(({ seq, at, changes }) => ({ tailnet, seq, at, changes: JSON.parse(changes) as Change[] }))
  }

  async snapshot(tailnet: TailnetNum): Promise<Snapshot> {
    this.#check()
    checkTailnet(tailnet)
    const scope = this.#scope(tailnet)
    const records = [...scope.records.values()].map(
      ({ kind, id, version, json }) => ({ kind, id, version, value: JSON.parse(json) }) as Change & { version: number },
    )
    return { tailnet, seq: scope.seq, records }
  }

  async heads(): Promise<ReadonlyMap<TailnetNum, number>> {
    this.#check()
    return new Map([...this.#db.scopes].map(([num, { seq }]) => [num, seq]))
  }

  async reserve(counter: string, count: number): Promise<number> {
    this.#check()
    checkReserve(counter, count)
    const first = this.#db.counters.get(counter) ?? 1
    this.#db.counters.set(counter, first + count)
    return first
  }

  watch(hint: (tailnet: TailnetNum) => void): () => void {
    const token = {}
    this.#watching.add(token)
    this.#db.watchers.set(token, hint)
    return () => {
      this.#watching.delete(token)
      this.#db.watchers.delete(token)
    }
  }

  async trim(keep: number): Promise<void> {
    this.#check()
    checkCount('how much of the feed to keep', keep)
    for (const { feed } of this.#db.scopes.values()) feed.splice(0, Math.max(0, feed.length - keep))
  }

  async audit(log: TailnetNum, after: number, limit: number): Promise<readonly AuditRow[]> {
    this.#check()
    checkTailnet(log)
    checkCount('where an audit log is read from', after)
    checkCount('the limit of a read', limit)
    const { trimmed, rows } = this.#log(log)
    const first = Math.max(0, after - trimmed.number)
    return rows.slice(first, first + limit)
  }

  async auditOf(log: TailnetNum, period: AuditPeriod, limit: number): Promise<readonly AuditRow[]> {
    this.#check()
    checkTailnet(log)
    checkPeriod(period)
    checkCount('the limit of a read', limit)
    const { from, to, after } = period
    const start = { at: after?.at ?? from, number: after?.number ?? 0 }
    return this.#log(log)
      .rows.filter((row) => row.at <= to && inTime(start, row) < 0)
      .sort(inTime)
      .slice(0, limit)
  }

  async auditEnds(log: TailnetNum): Promise<AuditEnds> {
    this.#check()
    checkTailnet(log)
    const { trimmed, newest } = this.#log(log)
    return { trimmed, newest }
  }

  async trimAudit(before: Wall): Promise<void> {
    this.#check()
    checkTime(before)
    for (const log of this.#db.logs.values()) {
      const kept = log.rows.findIndex((row) => row.at >= before)
      const last = log.rows.splice(0, kept < 0 ? log.rows.length : kept).at(-1)
      if (last !== undefined) log.trimmed = { number: last.number, hash: last.hash }
    }
  }

  async close(): Promise<void> {
    this.#open = false
    for (const token of this.#watching) this.#db.watchers.delete(token)
  }

  #scope(tailnet: TailnetNum): Scope {
    return this.#db.scopes.get(tailnet) ?? { seq: 0, records: new Map(), feed: [] }
  }

  #log(num: TailnetNum): Log {
    let log = this.#db.logs.get(num)
    if (log === undefined) {
      const empty = emptyAuditHead(this.#db.sha256, num)
      this.#db.logs.set(num, (log = { trimmed: empty, newest: empty, rows: [] }))
    }
    return log
  }

  #check(): void {
    if (!this.#open) throw new MeshError('store/unavailable', 'Cannot use the store: it is closed')
  }
}

function inTime(a: { readonly at: Wall; readonly number: number }, b: typeof a): number {
  return a.at - b.at || a.number - b.number
}
