/**
 * The store's promise, kept alike by every engine: transactions in, a numbered feed out. (ARCHITECTURE: Store)
 *
 * Acknowledged means on disk. Numbers are given inside the transaction, so commit order is feed order and no
 * reader can step over a number that commits late. `store.contract.ts` is the suite that each engine passes.
 */

import type { Wall } from '../../base/clock.ts'
import type { AuditHead, AuditLink } from '../../wire/audit-chain.ts'
import type { Batch, FeedEntry, Kind, Snapshot, TailnetNum } from '../model/records.ts'

export type Committed =
  | { readonly kind: 'done'; readonly entry: FeedEntry }
  /** Somebody was faster: the record (or claim) that is not as the batch expects. Nothing was written. */
  | { readonly kind: 'conflict'; readonly on: Kind | 'claim'; readonly id: string }

/** One entry of an audit log, with the hash that ties it to all before it (wire/audit-chain.ts). */
export interface AuditRow extends AuditLink {
  readonly at: Wall
  readonly hash: string
}

/** Both ends of an audit log: nothing up to `trimmed` is kept any more, and `newest` is its last entry. */
export interface AuditEnds {
  readonly trimmed: AuditHead
  readonly newest: AuditHead
}

/** A stretch of time of an audit log. Entries of one time are in the order of their numbers. */
export interface AuditPeriod {
  readonly from: Wall
  /** The last moment that belongs to it. */
  readonly to: Wall
  /** Go on behind this entry, the last of the page before. */
  readonly after?: { readonly at: Wall; readonly number: number }
}

export interface Store {
  /**
   * Commits one batch. The entry holds the values as JSON gives them back, as every reader sees them.
   * Rejects with `store/unavailable` when its fate is unknown or the store is gone: read the feed to learn more.
   * Rejects with `store/full` when there is no room: nothing was written.
   * Rejects with `input/invalid` for what no engine could keep (encode.ts).
   */
  commit(batch: Batch, at: Wall): Promise<Committed>
  /**
   * Entries after number `after`, oldest first, at most `limit`. `truncated`: some are no longer kept, or the store
   * never came as far (it was restored from a backup); take a snapshot.
   */
  feed(tailnet: TailnetNum, after: number, limit: number): Promise<readonly FeedEntry[] | 'truncated'>
  snapshot(tailnet: TailnetNum): Promise<Snapshot>
  /** Every scope that has a feed, the server's own included, with its newest number. */
  heads(): Promise<ReadonlyMap<TailnetNum, number>>
  /**
   * Hands out `count` numbers of a counter and returns the first; they run on from 1 and are never handed out
   * again, not even after a crash.
   */
  reserve(counter: string, count: number): Promise<number>
  /** Calls back when other processes may have committed; a hint that may come late, twice or for nothing. */
  watch(hint: (tailnet: TailnetNum) => void): () => void
  /** Forgets feed entries beyond the newest `keep` of each tailnet. */
  trim(keep: number): Promise<void>
  /**
   * Entries of an audit log after number `after`, oldest first, at most `limit`: for whoever follows it. Numbers run
   * without a gap, so a first one beyond `after + 1` says that those between are no longer kept.
   */
  audit(log: TailnetNum, after: number, limit: number): Promise<readonly AuditRow[]>
  /** Entries of an audit log by their time, oldest first, at most `limit`. */
  auditOf(log: TailnetNum, period: AuditPeriod, limit: number): Promise<readonly AuditRow[]>
  auditEnds(log: TailnetNum): Promise<AuditEnds>
  /** Forgets the oldest entries of every audit log, up to the first that is not from before this time. */
  trimAudit(before: Wall): Promise<void>
  /** Waits for what was asked before, then lets go of everything. */
  close(): Promise<void>
}
