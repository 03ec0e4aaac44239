/** `sett admin log`: who changed what, when and from where; listed, followed, exported, and held against its hashes. */

import { readFileSync } from 'node:fs'
import { Option } from 'commander'
import type { Command } from 'commander'
import { formatTime, parseTime } from '../../../base/clock.ts'
import type { Wall } from '../../../base/clock.ts'
import { MeshError } from '../../../base/errors.ts'
import type { AuditEntry, AuditRecord } from '../../../wire/api/audit-objects.ts'
import { sameAuditHead } from '../../../wire/audit-chain.ts'
import { eventName, passes } from '../../../wire/audit-filter.ts'
import { headAt, headLine, pagesOf, readAuditFile, rowLine, rowsAfter, verify } from '../audit-log.ts'
import type { Verdict } from '../audit-log.ts'
import { show } from '../context.ts'
import type { Begin, Context } from '../context.ts'
import { Told } from '../policy-print.ts'
import { plain, printTable } from '../print.ts'
import { parseDuration } from '../words.ts'
import { addLogStream } from './log-stream.ts'

interface ListOptions {
  readonly since: number
  readonly from?: string
  readonly to?: string
  readonly actor: readonly string[]
  readonly target: readonly string[]
  readonly event: readonly string[]
  readonly follow?: true
}
type Shown = Pick<AuditRecord, 'eventTime' | 'actor' | 'target' | 'action' | 'old' | 'new' | 'error' | 'from'>

const FOLLOW_MS = 1000
/** Numbers of entries are below this. */
const BEYOND = 999_999_999_999_999
/** What a member was and became, in so many characters each. */
const VALUE_MAX = 48
const several = (text: string, before: readonly string[]): string[] => [...before, text]

export function addLog(admin: Command, begin: Begin): void {
  const log = admin.command('log').description('who changed what: list, export, verify; send it elsewhere: stream')
  addLogStream(log, begin)
  log
    .command('list', { isDefault: true })
    .description('list changes, oldest first')
    .addOption(
      new Option('--since <TIME>', 'those of the last so long, such as 30m, 12h or 7d')
        .argParser(parseDuration)
        .default(86_400, '1d'),
    )
    .option('--from <TIME>', 'from this time on, in RFC 3339, such as 2026-01-31T12:00:00Z', parseMoment)
    .option('--to <TIME>', 'up to this time', parseMoment)
    .option('--actor <WHO>', 'by whom: an id, or ~ and part of a name; may be repeated', several, [])
    .option('--target <WHAT>', 'of what: an id, or ~ and part of a name; may be repeated', several, [])
    .option('--event <EVENT>', 'such as NODE.CREATE or TAILNET.UPDATE.ACL; may be repeated', several, [])
    .option('-f, --follow', 'go on with what happens from now on')
    .action(async (options: ListOptions) => list(begin(), options))

  log
    .command('export')
    .description('print the log as lines of JSON, with the hashes that chain it')
    .option('--after <NUMBER>', 'entries behind this one, such as the last of an earlier export', parseCount)
    .option('--server', 'the log of what belongs to no tailnet')
    .action(async ({ after = 0, server }: { after?: number; server?: true }) => {
      const { client, tailnet, out } = begin()
      const read = pagesOf(client, tailnet, server === true)
      const { tailnet: name, log, head } = await headAt(read, after)
      out.write(headLine(name, log, head))
      for await (const row of rowsAfter(read, head.number)) out.write(rowLine(row))
    })

  log
    .command('verify [FILE]')
    .description(
      'check that nothing was changed or left out; with an exported file, that the log still goes on from it',
    )
    .option('--server', 'the log of what belongs to no tailnet')
    .addHelpText('after', '\nExit code: 0 if the log is whole, 1 if it is not.')
    .action(async (file: string | undefined, { server }: { server?: true }) => {
      const context = begin()
      const verdict = await verifyLog(context, file, server === true)
      await show(context, verdict, () => {
        if (verdict.kind === 'whole') context.out.write(`${wholeLine(verdict)}\n`)
        else context.err.write(`The log is not whole: ${verdict.why}\n`)
      })
      if (verdict.kind === 'broken') throw new Told()
    })
}

async function list(context: Context, options: ListOptions): Promise<void> {
  const { client, tailnet, json, out } = context
  const { since, from, to, actor, target, event, follow } = options
  if (follow === true && to !== undefined)
    throw new MeshError('config/invalid', '--follow goes on for ever: leave --to away')
  // By the clock of the server, whose times these are.
  const { now } = await client.getStatus()
  const end = to ?? now
  const start = from ?? formatTime((Date.parse(end) - since * 1000) as Wall)
  const read = pagesOf(client, tailnet, false)
  const newest = follow === true ? (await read(BEYOND)).newest : undefined
  const filter = { actor: [...actor], target: [...target], event: [...event] }
  const found = await client.getConfigurationLog({ tailnet, start, end, ...filter })
  if (newest === undefined)
    return await show(context, found, ({ logs }) =>
      printTable(
        out,
        ['TIME', 'WHO', 'FROM', 'EVENT', 'TARGET', 'CHANGE'],
        logs.map(cells),
        'Nothing was changed then.',
      ),
    )
  const line = (record: AuditRecord | Shown): string =>
    json
      ? `${JSON.stringify(record)}\n`
      : `${cells(record)
          .filter((cell) => cell !== '')
          .map(plain)
          .join('  ')}\n`
  for (const record of found.logs) out.write(line(record))
  // Whatever one operation changes is there all at once.
  const seen = new Set(found.logs.map((record) => record.eventGroupID))
  let after = newest.number
  for (;;) {
    for await (const row of rowsAfter(read, after)) {
      after = row.number
      const entry = JSON.parse(row.entry) as AuditEntry
      if (seen.has(row.group) || !passes(filter, entry)) continue
      const { old = null, new: is = null, ...rest } = entry
      const eventTime = formatTime(row.at as Wall)
      out.write(line({ eventTime, type: 'CONFIG', eventGroupID: row.group, ...rest, old, new: is }))
    }
    await new Promise((resolve) => setTimeout(resolve, FOLLOW_MS))
  }
}

/** The server's log, or a file and how the server's log goes on from it. */
async function verifyLog({ client, tailnet }: Context, name: string | undefined, isServers: boolean): Promise<Verdict> {
  const read = pagesOf(client, tailnet, isServers)
  if (name === undefined) {
    const { log, head } = await headAt(read, 0)
    return await endOf(read, await verify(log, head, rowsAfter(read, head.number)))
  }
  const file = readAuditFile(name, readText(name))
  const own = await verify(file.log, file.before, file.rows)
  if (own.kind === 'broken') return own
  const { log, trimmed } = await read(BEYOND)
  if (log !== file.log)
    throw new MeshError(
      'input/invalid',
      `${name} is the log of another tailnet, "${file.tailnet}": name that with --tailnet`,
    )
  // What the file ends with may be older than what is kept.
  if (trimmed.number > own.last.number) return own
  const { head } = await headAt(read, own.last.number).catch((error: unknown) => {
    if (error instanceof MeshError && error.code === 'input/invalid') return { head: undefined }
    throw error
  })
  const number = own.last.number
  if (head === undefined) return { kind: 'broken', number, why: `entry ${number} of ${name} is not in it any more` }
  if (!sameAuditHead(head, own.last))
    return { kind: 'broken', number, why: `entry ${number} is another one than in ${name}` }
  const rest = await endOf(read, await verify(log, head, rowsAfter(read, head.number)))
  return rest.kind === 'broken' ? rest : { ...rest, first: own.first }
}

/** The log must end where the server says that it does. */
async function endOf(
  read: (after: number) => Promise<{ newest: { number: number } }>,
  verdict: Verdict,
): Promise<Verdict> {
  if (verdict.kind === 'broken') return verdict
  const { newest } = await read(BEYOND)
  return newest.number >= verdict.last.number
    ? verdict
    : { kind: 'broken', number: newest.number, why: `the server says that it ends with entry ${newest.number}` }
}

function wholeLine({ first, last }: Extract<Verdict, { kind: 'whole' }>): string {
  if (last.number < first)
    return first === 1 ? 'The log is empty' : `The log is whole: nothing is kept behind entry ${last.number}`
  const older = first === 1 ? '' : '; older ones are no longer kept'
  return `The log is whole: entries ${first} to ${last.number}${older}\nIts newest hash is ${last.hash}`
}

function cells({ eventTime, actor, target, action, old, new: now, error, from = '' }: Shown): string[] {
  const change =
    error ?? (old === null ? value(now) : now === null ? `was ${value(old)}` : `${value(old)} → ${value(now)}`)
  return [
    `${eventTime.slice(0, 10)} ${eventTime.slice(11, 19)}`,
    actor.loginName ?? actor.displayName ?? actor.id,
    from,
    eventName({ actor, target, action }),
    target.name === '' ? target.id : target.name,
    change,
  ]
}

function value(of: unknown): string {
  if (of === null || of === undefined) return ''
  const text = typeof of === 'string' ? of.replaceAll(/\s+/g, ' ').trim() : JSON.stringify(of)
  if (text === '') return '""'
  return text.length <= VALUE_MAX ? text : `${text.slice(0, VALUE_MAX - 1)}…`
}

function parseMoment(text: string): string {
  if (typeof parseTime(text) === 'number') return text
  throw new MeshError('config/invalid', `"${text}" is no time: want one such as 2026-01-31T12:00:00Z`)
}

function parseCount(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new MeshError('config/invalid', `"${text}" is no number of an entry`)
}

function readText(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8')
  } catch (cause) {
    throw new MeshError('config/invalid', `Cannot read ${file}: ${(cause as Error).message}`, { cause })
  }
}
