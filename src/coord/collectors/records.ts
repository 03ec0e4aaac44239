/** Entries of a configuration log as collectors get them: the record of the API, and what it is called. (api-v2.md §7.2) */

import { formatTime } from '../../base/clock.ts'
import type { LogEntry } from '../model/outgoing.ts'

/** Where the entries are from. */
export interface Source {
  readonly tailnet: string
  readonly tailnetId: string
  /** Host name of the server. */
  readonly host: string
}

/** As in the API, without its time: that is the envelope's to say. (api-v2.md §7.4) */
export function recordOf({ group, entry }: LogEntry): Readonly<Record<string, unknown>> {
  const { old = null, new: now = null, ...rest } = entry
  return { type: 'CONFIG', eventGroupID: group, ...rest, old, new: now }
}

export function datedRecord(entry: LogEntry): Readonly<Record<string, unknown>> {
  return { eventTime: formatTime(entry.at), ...recordOf(entry) }
}
