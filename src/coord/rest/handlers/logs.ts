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
/** A page by number ends early when it has become as large. */
const PAGE_SIZE_MAX = 8 * 1024 * 1024
/** Entries of one read while they are large; and when they are. */
const FEW = 32
const LARGE = 1024 * 1024

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

  readAuditLog: ({ at, tools }, { query }) => readPage(tools, at.record.name, at.tailnet.num, query.after),

  readServerAuditLog: ({ tools }, { query }) => readPage(tools, '', SERVER, query.after),
}

async function readPage({ logs }: Tools, name: string, log: TailnetNum, after = '0'): Promise<Answer<AuditPage>> {
  const entries: AuditRow[] = []
  let size = 0
  for await (const rows of inPages((last, limit) => logs.audit(log, last?.number ?? Number(after), limit))) {
    entries.push(...rows)
    size += sizeOf(rows)
    if (entries.length >= MAX_AUDIT_PAGE || size > PAGE_SIZE_MAX) break
  }
  // Afterwards, so that what has been read is never beyond its end.
  return done(viewPage(name, log, await logs.auditEnds(log), entries.slice(0, MAX_AUDIT_PAGE)))
}

/** `undefined` when there is more than fits into an answer. */
async function collect(
  { logs, pause }: Tools,
  log: TailnetNum,
  period: AuditPeriod,
  filter: AuditFilter,
): Promise<AuditRecord[] | undefined> {
  const found: AuditRecord[] = []
  let size = 0
  const read = (after: AuditRow | undefined, limit: number) =>
    logs.auditOf(log, after === undefined ? period : { ...period, after }, limit)
  for await (const rows of inPages(read)) {
    for (const row of rows) {
      const entry = entryOf(row)
      if (!passes(filter, entry)) continue
      size += row.entry.length
      if (found.length === RECORDS_MAX || size > SIZE_MAX) return undefined
      found.push(viewRecord(row, entry))
    }
    await pause()
  }
  return found
}

/** Reads on and on: few entries at a time while they are large, such as whole policies, and many while they are not. */
async function* inPages(
  read: (last: AuditRow | undefined, limit: number) => Promise<readonly AuditRow[]>,
): AsyncGenerator<readonly AuditRow[]> {
  let limit = FEW
  let last: AuditRow | undefined
  for (;;) {
    const rows = await read(last, limit)
    yield rows
    if (rows.length < limit) return
    last = rows.at(-1)
    limit = sizeOf(rows) > LARGE ? FEW : Math.min(2 * limit, MAX_AUDIT_PAGE)
  }
}

function sizeOf(rows: readonly AuditRow[]): number {
  return rows.reduce((size, { entry }) => size + entry.length, 0)
}

function several(texts: string | readonly string[] | undefined): readonly string[] {
  return texts === undefined ? [] : typeof texts === 'string' ? [texts] : texts
}
