/**
 * An audit log as the command line has it: read page by page, held against its hashes, and kept in a file.
 *
 * A file is lines of JSON: a head, then one line for each entry, with the hash that ties it to the one before. Whoever
 * has the file can check it without the server, and the server against it.
 *
 *   {"sett":"audit log","format":1,"tailnet":"home","log":1,"before":{"number":0,"hash":"…"}}
 *   {"number":1,"at":1700000000000,"group":"1-1","hash":"…","entry":{…}}
 */

import { createHash } from 'node:crypto'
import { MeshError } from '../../base/errors.ts'
import type { Client } from '../../sdk/client.ts'
import type { AuditPage } from '../../wire/api/audit-objects.ts'
import { auditHash, emptyAuditHead, sameAuditHead } from '../../wire/audit-chain.ts'
import type { AuditHead } from '../../wire/audit-chain.ts'

export type AuditRow = AuditPage['entries'][number]
export type ReadPage = (after: number) => Promise<AuditPage>

export interface AuditFile {
  readonly tailnet: string
  readonly log: number
  readonly before: AuditHead
  readonly rows: readonly AuditRow[]
}

/** What a log turned out to be. */
export type Verdict =
  | { readonly kind: 'whole'; readonly first: number; readonly last: AuditHead }
  | { readonly kind: 'broken'; readonly number: number; readonly why: string }

/** Reads a tailnet's log, or the server's own. */
export function pagesOf(client: Client, tailnet: string, isServers: boolean): ReadPage {
  return (after) => {
    const query = { after: String(after) }
    return isServers ? client.readServerAuditLog(query) : client.readAuditLog({ tailnet, ...query })
  }
}

/** Entries behind a number, page by page, up to the end as it then is. */
export async function* rowsAfter(read: ReadPage, after: number): AsyncGenerator<AuditRow> {
  for (let at = after; ;) {
    const { entries } = await read(at)
    yield* entries
    const last = entries.at(-1)
    if (last === undefined) return
    at = last.number
  }
}

/**
 * The entry that a reading behind `after` follows.
 *
 * @throws MeshError `input/invalid` where it is no longer kept, or not there yet
 */
export async function headAt(
  read: ReadPage,
  after: number,
): Promise<{ tailnet: string; log: number; head: AuditHead }> {
  const { tailnet, log, trimmed, newest, entries } = await read(Math.max(0, after - 1))
  if (after === 0) return { tailnet, log, head: trimmed }
  const found = entries.find(({ number }) => number === after)
  if (found !== undefined) return { tailnet, log, head: { number: found.number, hash: found.hash } }
  if (trimmed.number === after) return { tailnet, log, head: trimmed }
  throw new MeshError(
    'input/invalid',
    after > newest.number
      ? `The log has no entry ${after}: its newest is ${newest.number}`
      : `Entry ${after} is no longer kept: the oldest one is ${trimmed.number + 1}`,
  )
}

/** Holds each entry's hash against those before it. The first one's is that of an empty log, where it is known. */
export async function verify(
  log: number,
  before: AuditHead,
  rows: AsyncIterable<AuditRow> | Iterable<AuditRow>,
): Promise<Verdict> {
  if (before.number === 0 && !sameAuditHead(before, emptyAuditHead(sha256, log)))
    return { kind: 'broken', number: 0, why: 'it does not begin as a log of this tailnet does' }
  let last = before
  for await (const row of rows) {
    if (row.number !== last.number + 1)
      return { kind: 'broken', number: last.number + 1, why: `entry ${last.number + 1} is missing` }
    if (!sameAuditHead(row, { number: row.number, hash: auditHash(sha256, last.hash, row) }))
      return { kind: 'broken', number: row.number, why: `entry ${row.number} is not the one that was written` }
    last = { number: row.number, hash: row.hash }
  }
  return { kind: 'whole', first: before.number + 1, last }
}

export function headLine(tailnet: string, log: number, before: AuditHead): string {
  return `${JSON.stringify({ sett: 'audit log', format: 1, tailnet, log, before })}\n`
}

export function rowLine({ number, at, group, hash, entry }: AuditRow): string {
  // The entry stands there to the letter: it is what was hashed.
  return `${JSON.stringify({ number, at, group, hash }).slice(0, -1)},"entry":${entry}}\n`
}

/** @throws MeshError `input/invalid` for what is no such file */
export function readAuditFile(name: string, text: string): AuditFile {
  const lines = text.split('\n')
  if (lines.pop() !== '') throw no(name, 'its last line is not whole')
  const [head, ...rest] = lines.map((line, i) => parse(name, line, i + 1))
  const before = head?.['before'] as Partial<AuditHead> | undefined
  if (head?.['sett'] !== 'audit log' || typeof head['log'] !== 'number' || !isHead(before))
    throw no(name, 'its first line is not that of an audit log')
  const rows = rest.map((fields, i): AuditRow => {
    const { number, at, group, hash, entry } = fields
    if (
      typeof at !== 'number' ||
      typeof group !== 'string' ||
      entry === undefined ||
      !isHead({ number, hash } as never)
    )
      throw no(name, `line ${i + 2} is no entry`)
    return { number: number as number, at, group, hash: hash as string, entry: JSON.stringify(entry) }
  })
  return { tailnet: String(head['tailnet']), log: head['log'], before, rows }
}

function isHead(head: Partial<AuditHead> | undefined): head is AuditHead {
  return Number.isSafeInteger(head?.number) && /^[0-9a-f]{64}$/.test(String(head?.hash))
}

function parse(name: string, line: string, number: number): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(line)
    if (typeof value === 'object' && value !== null) return value as Readonly<Record<string, unknown>>
  } catch {
    // Said below.
  }
  throw no(name, `line ${number} is no JSON object`)
}

function no(name: string, why: string): MeshError {
  return new MeshError('input/invalid', `${name} is no exported audit log: ${why}`)
}

function sha256(...parts: Uint8Array[]): Uint8Array {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}
