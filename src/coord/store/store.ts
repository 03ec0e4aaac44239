/**
 * The store's promise, kept alike by every engine: transactions in, a numbered feed out. (ARCHITECTURE: Store)
 *
 * Acknowledged means on disk. Numbers are given inside the transaction, so commit order is feed order and no
 * reader can step over a number that commits late. `store.contract.ts` is the suite that each engine passes.
 */

import type { Wall } from '../../base/clock.ts'
import type { AuditLogs } from '../model/audit.ts'
import type { Batch, FeedEntry, Kind, Snapshot, TailnetNum } from '../model/records.ts'

export type Committed =
  | { readonly kind: 'done'; readonly entry: FeedEntry }
  /** Somebody was faster: the record (or claim) that is not as the batch expects. Nothing was written. */
  | { readonly kind: 'conflict'; readonly on: Kind | 'claim'; readonly id: string }

export interface Store extends AuditLogs {
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
  /** Forgets the oldest entries of every audit log, up to the first that is not from before this time. */
  trimAudit(before: Wall): Promise<void>
  /** Waits for what was asked before, then lets go of everything. */
  close(): Promise<void>
}
