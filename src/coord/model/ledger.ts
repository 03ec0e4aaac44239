/**
 * How stages change things: they build a transaction from the model as it is, and the ledger commits it.
 *
 * `coord.ts` implements this over a store and a model; tests use it over a store in memory.
 */

import type { Wall } from '../../base/clock.ts'
import type { AuditLogs, By } from './audit.ts'
import type { Model } from './model.ts'
import type { Batch, TailnetNum } from './records.ts'

/** What a builder decided: a batch to commit (absent: nothing to write) and what to tell the caller then. */
export interface Plan<T> {
  /** What its records say to the audit log is added by the ledger; its own `events` are what no record shows. */
  readonly batch?: Omit<Batch, 'tailnet'>
  readonly result: T
  /** Who it is, where the builder knows it better than its caller: a machine that just becomes a node. */
  readonly by?: By
}

export interface Ledger {
  readonly model: Model
  /** What was changed before, by whom: not in the model, since it may be large. */
  readonly logs: AuditLogs
  now(): Wall
  /**
   * Builds a batch, commits it and applies it to the model before it returns the result. When somebody else
   * was faster, builds again from the newer model. The builder is synchronous and has no effects.
   * Throws `store/unavailable` or `store/full` when it cannot be committed.
   * @param by whom the audit log names
   */
  transact<T>(tailnet: TailnetNum, by: By, build: (model: Model, now: Wall) => Plan<T>): Promise<T>
  /** The next number of a counter that never repeats one. */
  nextId(counter: 'node' | 'user' | 'tailnet'): Promise<number>
}
