/**
 * What a restore decides, whatever the engine: whether it may, and which numbers things go on from.
 */

import { MeshError } from '../../../base/errors.ts'
import type { BackupRow } from './backup-file.ts'

/** A backup on its way into a database. */
export interface Load {
  /** Its name, for messages. */
  readonly file: string
  readonly rows: AsyncIterable<BackupRow>
  /** Replace what the database holds. */
  readonly force: boolean
}

/** What the database holds before. */
export interface Before {
  readonly heads: ReadonlyMap<number, number>
  readonly counters: ReadonlyMap<string, number>
  readonly empty: boolean
}

/** More commits than a tailnet makes between a backup and its restore: every reader then notices, and loads anew. */
const FEED_JUMP = 1_000_000
/** More nodes, users and tailnets than are made between them: an API client's old id never means something new. */
const COUNTER_JUMP = 1000

export interface Target {
  /** Where this tailnet's feed goes on; nothing before is kept. */
  headOf(tailnet: number, seq: number): number
  counterOf(name: string, next: number): number
  /** Counters of the database that the backup does not know; they are kept. */
  otherCounters(): readonly (readonly [string, number])[]
}

/** Throws `config/invalid` when the database holds something that may not be replaced. */
export function planRestore(before: Before, { file, force }: Load): Target {
  if (!before.empty && !force)
    throw new MeshError(
      'config/invalid',
      `Cannot restore ${file}: the database holds data; restore into an empty one, or replace all of it with --force`,
    )
  const left = new Map(before.counters)
  return {
    headOf: (tailnet, seq) => Math.max(seq, before.heads.get(tailnet) ?? 0) + FEED_JUMP,
    counterOf: (name, next) => {
      const had = left.get(name) ?? 0
      left.delete(name)
      return Math.max(next, had) + COUNTER_JUMP
    },
    otherCounters: () => [...left],
  }
}
