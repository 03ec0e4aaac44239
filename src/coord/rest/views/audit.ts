/** An audit log's rows as the API shows them. (api-v2.md §7.2) */

import { formatTime } from '../../../base/clock.ts'
import type { AuditEntry as EntryObject, AuditPage, AuditRecord } from '../../../wire/api/audit-objects.ts'
import type { AuditEnds, AuditEntry, AuditRow } from '../../model/audit.ts'
import type { TailnetNum } from '../../model/records.ts'

export function entryOf({ entry }: AuditRow): AuditEntry {
  return JSON.parse(entry) as AuditEntry
}

export function viewRecord({ at, group }: AuditRow, entry: AuditEntry): AuditRecord {
  const { old = null, new: now = null, ...rest } = entry as EntryObject
  return { eventTime: formatTime(at), type: 'CONFIG', eventGroupID: group, ...rest, old, new: now }
}

export function viewPage(
  tailnet: string,
  log: TailnetNum,
  { trimmed, newest }: AuditEnds,
  rows: readonly AuditRow[],
): AuditPage {
  return {
    tailnet,
    log,
    trimmed: { ...trimmed },
    newest: { ...newest },
    entries: rows.map(({ number, at, group, hash, entry }) => ({ number, at, group, hash, entry })),
  }
}
