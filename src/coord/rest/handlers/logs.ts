/** Answers the routes about the configuration audit log. */

import { parseTime } from '../../../base/clock.ts'
import { passes } from '../../../wire/audit-filter.ts'
import type { AuditFilter } from '../../../wire/audit-filter.ts'
import type { AuditPage, AuditRecord } from '../../../wire/api/audit-objects.ts'
import { MAX_AUDIT_PAGE } from '../../../wire/api/routes/logs.ts'
import type { logRoutes } from '../../../wire/api/routes/logs.ts'
import type { AuditPeriod, AuditRow } from '../../model/audit.ts'
import { SERVER } from '../../model/records.ts'
import type { TailnetNum } from '../../model/records.ts'
import { done, refuse } from '../answer.ts'
import type { Answer } from '../answer.ts'
import type { Handlers, Tools } from '../call.ts'
import { inTurn } from '../long-work.ts'
import { entryOf, viewPage, viewRecord } from '../views/audit.ts'

/** Most records, and most characters of JSON, in one answer: the service has no pages here. */
const RECORDS_MAX = 50_000
const SIZE_MAX = 64 * 1024 * 1024

export const logHandlers: Handlers<keyof typeof logRoutes> = {
  getConfigurationLog: inTurn(async ({ at, tools }, { query }) => {
    const [from, to] = [parseTime(query.start), parseTime(query.end)]
    if (from === null || to === null)
      return refuse(400, `Cannot read the query: ${from === null ? 'start' : 'end'} is no RFC 3339 time`)
    if (from === undefined || to === undefined) return refuse(400, 'Cannot read the query: want start and end')
    if (from > to) return refuse(400, 'Cannot read the query: start is after end')
    const filter = { actor: several(query.actor), target: several(query.target), event: several(query.event) }
    const found = await collect(tools, at.tailnet.num, { from, to }, filter)
    if (found === undefined)
      return refuse(400, 'There are too many records for one answer: ask for a shorter period, or for fewer events')
    return done({ version: '1.1', tailnet: at.record.name, tailnetId: at.record.stableId, logs: found })
  }),

  readAuditLog: ({ at, tools }, { query }) => readPage(tools, at.tailnet.num, query.after),

  readServerAuditLog: ({ tools }, { query }) => readPage(tools, SERVER, query.after),
}

async function readPage({ logs }: Tools, log: TailnetNum, after = '0'): Promise<Answer<AuditPage>> {
  const rows = await logs.audit(log, Number(after), MAX_AUDIT_PAGE)
  // Afterwards, so that what has been read is never beyond its end.
  return done(viewPage(log, await logs.auditEnds(log), rows))
}

/** Reads page by page; `undefined` when there is more than fits into an answer. */
async function collect(
  { logs, pause }: Tools,
  log: TailnetNum,
  period: AuditPeriod,
  filter: AuditFilter,
): Promise<AuditRecord[] | undefined> {
  const found: AuditRecord[] = []
  let size = 0
  let last: AuditRow | undefined
  for (;;) {
    const rows = await logs.auditOf(log, last === undefined ? period : { ...period, after: last }, MAX_AUDIT_PAGE)
    for (const row of rows) {
      const entry = entryOf(row)
      if (!passes(filter, entry)) continue
      size += row.entry.length
      if (found.length === RECORDS_MAX || size > SIZE_MAX) return undefined
      found.push(viewRecord(row, entry))
    }
    last = rows.at(-1)
    if (rows.length < MAX_AUDIT_PAGE) return found
    await pause()
  }
}

function several(texts: string | readonly string[] | undefined): readonly string[] {
  return texts === undefined ? [] : typeof texts === 'string' ? [texts] : texts
}
