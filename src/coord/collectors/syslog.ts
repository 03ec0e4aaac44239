/**
 * Entries as syslog messages, each with its length before it. (RFC 5424 §6, RFC 5425 §4.3, RFC 6587 §3.4.1)
 *
 *   LENGTH <109>1 TIME HOST sett - CONFIG - {"type":"CONFIG",…}
 */

import { concat, utf8 } from '../../base/bytes.ts'
import { formatTime } from '../../base/clock.ts'
import type { LogEntry } from '../model/outgoing.ts'
import { datedRecord } from './records.ts'
import type { Source } from './records.ts'

/** Facility 13, log audit; severity 5, notice. */
const PRIORITY = 13 * 8 + 5

export function syslogFrames(entries: readonly LogEntry[], { tailnet, host }: Source): Uint8Array {
  return concat(
    entries.map((entry) => {
      const message = JSON.stringify({ tailnet, ...datedRecord(entry) })
      const line = utf8(`<${PRIORITY}>1 ${formatTime(entry.at)} ${name(host)} sett - CONFIG - ${message}`)
      return concat([utf8(`${line.length} `), line])
    }),
  )
}

/** Printable ASCII without blanks, or that there is none. */
function name(host: string): string {
  return /^[\x21-\x7e]{1,255}$/.test(host) ? host : '-'
}
