/**
 * Ties the events of a batch to the ends of their logs: the one rule for all engines.
 *
 * Engines call it inside the transaction, in the order of commits, with the logs' ends held; so numbers run without a
 * gap and an entry that is kept is hashed exactly once.
 */

import { auditHash } from '../../wire/audit-chain.ts'
import type { AuditHead } from '../../wire/audit-chain.ts'
import type { Sha256 } from '../model/credentials.ts'
import type { TailnetNum } from '../model/records.ts'
import type { EncodedBatch } from './encode.ts'
import type { AuditRow } from '../model/audit.ts'

export interface LinkedRow extends AuditRow {
  readonly log: TailnetNum
}

/**
 * The rows to add.
 *
 * @param seq number of the batch in its tailnet's feed, which names the group
 * @param heads the newest entry of each log; is moved forward
 */
export function linkEvents(
  sha256: Sha256,
  { tailnet, at, events }: EncodedBatch,
  seq: number,
  heads: { get(log: TailnetNum): AuditHead; set(log: TailnetNum, head: AuditHead): void },
): LinkedRow[] {
  return events.map(({ log, json }) => {
    const head = heads.get(log)
    const link = { number: head.number + 1, at, group: `${tailnet}-${seq}`, entry: json }
    const hash = auditHash(sha256, head.hash, link)
    heads.set(log, { number: link.number, hash })
    return { log, ...link, hash }
  })
}
