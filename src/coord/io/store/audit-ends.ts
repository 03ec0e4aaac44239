/** Both ends of an audit log as rows of `audit_heads` have them, and the hash by which both engines chain entries. */

import { hash } from '../../../crypto/io/node-handshake.ts'
import { emptyAuditHead } from '../../../wire/audit-chain.ts'
import type { Sha256 } from '../../model/credentials.ts'
import type { TailnetNum } from '../../model/records.ts'
import type { AuditEnds } from '../../model/audit.ts'

export const sha256: Sha256 = (...parts) => hash('sha256', parts)

/** @param row absent: nothing was ever written to this log */
export function endsOf(log: TailnetNum, row: Readonly<Record<string, unknown>> | undefined): AuditEnds {
  if (row === undefined) {
    const empty = emptyAuditHead(sha256, log)
    return { trimmed: empty, newest: empty }
  }
  return {
    trimmed: { number: Number(row['trimmed']), hash: String(row['trimmed_hash']) },
    newest: { number: Number(row['number']), hash: String(row['hash']) },
  }
}
