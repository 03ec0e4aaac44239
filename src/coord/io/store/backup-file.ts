/**
 * The backup file: everything a store keeps, for any engine, as gzipped lines of JSON that end with their checksum.
 *
 *   {"sett":"backup","format":1,"at":1700000000000}
 *   {"counter":"node","next":18}
 *   {"tailnet":1,"seq":42}
 *   {"claim":["node-key","nodekey:…","1/17"]}
 *   {"record":[1,"node","17",40],"value":{…}}            tailnet, kind, id, version
 *   {"log":1,"newest":[9,"…"],"trimmed":[3,"…"]}         an audit log's ends: numbers and hashes
 *   {"audit":[1,4,1700000000000,"1-42","…"],"entry":{…}} log, number, time, group, hash
 *   {"end":4,"sha256":"…"}                               lines between head and end; hash of all bytes before this line
 *
 * The feed is not in it: readers start from the records. A change of what rows there are gets a new format number, and
 * this file then reads the older formats too: format 1 had no audit logs.
 */

import { createHash, randomBytes } from 'node:crypto'
import { createReadStream, createWriteStream, statSync } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import type { Wall } from '../../../base/clock.ts'
import { MeshError } from '../../../base/errors.ts'
import type { ErrorCode } from '../../../base/errors.ts'

export type BackupRow =
  | { readonly is: 'counter'; readonly name: string; readonly next: number }
  | { readonly is: 'tailnet'; readonly num: number; readonly seq: number }
  | { readonly is: 'claim'; readonly space: string; readonly key: string; readonly owner: string }
  | {
      readonly is: 'record'
      readonly tailnet: number
      readonly kind: string
      readonly id: string
      readonly version: number
      /** JSON. */
      readonly value: string
    }
  | {
      readonly is: 'log'
      readonly log: number
      readonly number: number
      readonly hash: string
      readonly trimmed: number
      readonly trimmedHash: string
    }
  | {
      readonly is: 'audit'
      readonly log: number
      readonly number: number
      readonly at: number
      readonly group: string
      readonly hash: string
      /** JSON, to the letter: it is what was hashed. */
      readonly entry: string
    }

export interface BackupInfo {
  /** When it was made. */
  readonly at: Wall
  /** Feeds, the server's own included. */
  readonly tailnets: number
  readonly records: number
}

const FORMAT = 2
/** No line of ours is longer: a batch holds less than this. */
const MAX_LINE = 256 * 1024 * 1024
const CHUNK = 64 * 1024
/** The end of the year 9999: later times have no text. */
const LAST_TIME = Date.UTC(9999, 11, 31, 23, 59, 59, 999)

/** A row of `audit_heads`, as either engine gives it. */
export function logRow(row: Readonly<Record<string, unknown>>): BackupRow {
  return {
    is: 'log',
    log: Number(row['tailnet']),
    number: Number(row['number']),
    hash: row['hash'] as string,
    trimmed: Number(row['trimmed']),
    trimmedHash: row['trimmed_hash'] as string,
  }
}

/** A row of `audit`, as either engine gives it. */
export function auditRow(row: Readonly<Record<string, unknown>>): BackupRow {
  return {
    is: 'audit',
    log: Number(row['tailnet']),
    number: Number(row['number']),
    at: Number(row['at']),
    group: row['grp'] as string,
    hash: row['hash'] as string,
    entry: row['entry'] as string,
  }
}

/**
 * Writes a backup. It appears under its name only when it is whole and on the disk; readable by its owner only.
 * An older backup of that name is replaced; any other file is refused with `config/invalid`.
 */
export async function writeBackup(file: string, at: Wall, rows: AsyncIterable<BackupRow>): Promise<BackupInfo> {
  const part = join(dirname(file), `.${basename(file)}.${randomBytes(6).toString('hex')}`)
  const count = { tailnets: 0, records: 0 }
  try {
    const found = statSync(file, { throwIfNoEntry: false })
    if (found?.isDirectory() === true)
      throw new MeshError('config/invalid', `Cannot write a backup to ${file}: it is a folder; name a file in it`)
    if (found !== undefined && !(await isBackup(file)))
      throw new MeshError('config/invalid', `Cannot write a backup to ${file}: there is a file that is no Sett backup`)
    const out = createWriteStream(part, { flags: 'wx', mode: 0o600, flush: true })
    await pipeline(encode(at, rows, count), createGzip(), out)
    await rename(part, file)
    await syncFolder(dirname(file))
  } catch (error) {
    // Below what is no folder there is nothing to remove, and that is no error of ours.
    await rm(part, { force: true }).catch(() => undefined)
    if (error instanceof MeshError) throw error
    const { code, why } = whyNotWritten(file, error)
    throw new MeshError(code, `Cannot write the backup ${file}: ${why}`, { cause: error })
  }
  return { at, ...count }
}

function whyNotWritten(file: string, error: unknown): { readonly code: ErrorCode; readonly why: string } {
  const { code = '', message } = error as NodeJS.ErrnoException
  const folder = dirname(file)
  const mistakes: Readonly<Record<string, string>> = {
    ENOENT: `there is no folder ${folder}`,
    ENOTDIR: `${folder} is no folder`,
    EACCES: `this user may not write into ${folder}`,
    EPERM: `this user may not write into ${folder}`,
    EROFS: `${folder} is on a read-only file system`,
  }
  const mistake = mistakes[code]
  if (mistake !== undefined) return { code: 'config/invalid', why: mistake }
  if (code === 'ENOSPC' || code === 'EDQUOT') return { code: 'store/full', why: 'the disk is full; make room' }
  return { code: 'store/unavailable', why: message }
}

/**
 * Reads a backup's rows. What is wrong with the file comes out at the latest after the last row, so whoever changes
 * anything by it keeps it only when this has ended. Throws `store/corrupt`, `store/schema` or `config/invalid`.
 */
export async function* readBackup(file: string): AsyncGenerator<BackupRow, Wall> {
  const hash = createHash('sha256')
  let at: Wall | undefined
  let count = 0
  let whole = false
  for await (const line of readLines(file)) {
    if (whole) throw damaged(file, 'something follows its end')
    const fields = parseLine(file, line)
    if (at === undefined) at = readHead(file, fields)
    else if ('end' in fields) {
      if (fields['end'] !== count || fields['sha256'] !== hash.digest('hex'))
        throw damaged(file, 'its checksum does not match')
      whole = true
    } else {
      count++
      yield readRow(file, fields)
    }
    if (!whole) hash.update(line).update('\n')
  }
  if (!whole || at === undefined) throw damaged(file, 'its end is missing')
  return at
}

/** Reads the whole file, and throws as `readBackup` does unless it is good from beginning to end. */
export async function verifyBackup(file: string): Promise<BackupInfo> {
  const rows = readBackup(file)
  const count = { tailnets: 0, records: 0 }
  for (;;) {
    const { done, value } = await rows.next()
    if (done === true) return { at: value, ...count }
    if (value.is === 'tailnet') count.tailnets++
    else if (value.is === 'record') count.records++
  }
}

async function* encode(
  at: Wall,
  rows: AsyncIterable<BackupRow>,
  count: { tailnets: number; records: number },
): AsyncGenerator<string> {
  const hash = createHash('sha256')
  let lines = 0
  let chunk = `${JSON.stringify({ sett: 'backup', format: FORMAT, at })}\n`
  for await (const row of rows) {
    lines++
    if (row.is === 'tailnet') count.tailnets++
    else if (row.is === 'record') count.records++
    chunk += `${writeRow(row)}\n`
    if (chunk.length < CHUNK) continue
    hash.update(chunk)
    yield chunk
    chunk = ''
  }
  hash.update(chunk)
  yield `${chunk}${JSON.stringify({ end: lines, sha256: hash.digest('hex') })}\n`
}

function writeRow(row: BackupRow): string {
  switch (row.is) {
    case 'counter':
      return JSON.stringify({ counter: row.name, next: row.next })
    case 'tailnet':
      return JSON.stringify({ tailnet: row.num, seq: row.seq })
    case 'claim':
      return JSON.stringify({ claim: [row.space, row.key, row.owner] })
    case 'record':
      // The value is JSON that was made by JSON.stringify, so reading and writing it again gives the same text.
      return `{"record":${JSON.stringify([row.tailnet, row.kind, row.id, row.version])},"value":${row.value}}`
    case 'log':
      return JSON.stringify({ log: row.log, newest: [row.number, row.hash], trimmed: [row.trimmed, row.trimmedHash] })
    case 'audit':
      return `{"audit":${JSON.stringify([row.log, row.number, row.at, row.group, row.hash])},"entry":${row.entry}}`
  }
}

function readRow(file: string, fields: { readonly [name: string]: unknown }): BackupRow {
  const { counter, next, tailnet, seq, claim, record, value, log, newest, trimmed, audit, entry } = fields
  if (typeof counter === 'string' && isCount(next)) return { is: 'counter', name: counter, next }
  if (isCount(tailnet) && isCount(seq)) return { is: 'tailnet', num: tailnet, seq }
  if (Array.isArray(claim)) {
    const [space, key, owner] = claim as unknown[]
    if (typeof space === 'string' && typeof key === 'string' && typeof owner === 'string')
      return { is: 'claim', space, key, owner }
  }
  if (Array.isArray(record) && value !== undefined && value !== null) {
    const [num, kind, id, version] = record as unknown[]
    if (isCount(num) && typeof kind === 'string' && typeof id === 'string' && isCount(version))
      return { is: 'record', tailnet: num, kind, id, version, value: JSON.stringify(value) }
  }
  if (isCount(log) && Array.isArray(newest) && Array.isArray(trimmed)) {
    const [number, end, from, start] = [...newest, ...trimmed] as unknown[]
    if (isCount(number) && typeof end === 'string' && isCount(from) && typeof start === 'string')
      return { is: 'log', log, number, hash: end, trimmed: from, trimmedHash: start }
  }
  if (Array.isArray(audit) && entry !== undefined) {
    const [num, number, at, group, link] = audit as unknown[]
    if (isCount(num) && isCount(number) && isCount(at) && typeof group === 'string' && typeof link === 'string')
      return { is: 'audit', log: num, number, at, group, hash: link, entry: JSON.stringify(entry) }
  }
  throw damaged(file, 'it holds a line that no backup has')
}

function readHead(file: string, fields: { readonly [name: string]: unknown }): Wall {
  const { sett, format, at } = fields
  if (sett !== 'backup' || !isCount(format)) throw stranger(file)
  if (format > FORMAT)
    throw new MeshError(
      'store/schema',
      `Cannot read the backup ${file}: a newer Sett made it (format ${format}; this one knows up to ${FORMAT})`,
    )
  if (!isCount(at) || at > LAST_TIME) throw damaged(file, 'its head has no time')
  return at as Wall
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function parseLine(file: string, line: Buffer): { readonly [name: string]: unknown } {
  try {
    const value: unknown = JSON.parse(line.toString('utf8'))
    if (typeof value === 'object' && value !== null) return value as { [name: string]: unknown }
  } catch {
    // Said below.
  }
  throw damaged(file, 'it holds a line that is no JSON')
}

/** Lines as bytes, without their ends. Own, since readline also ends lines at characters that JSON may hold. */
async function* readLines(file: string): AsyncGenerator<Buffer> {
  let rest: Buffer[] = []
  let size = 0
  const source = createReadStream(file)
  const gunzip = createGunzip()
  // Errors of the source come out of gunzip, which is the one that is read.
  source.on('error', (error) => gunzip.destroy(error))
  try {
    for await (const chunk of source.pipe(gunzip) as AsyncIterable<Buffer>) {
      let from = 0
      for (let to = chunk.indexOf(10); to >= 0; to = chunk.indexOf(10, from)) {
        yield Buffer.concat([...rest, chunk.subarray(from, to)])
        rest = []
        size = 0
        from = to + 1
      }
      rest.push(chunk.subarray(from))
      size += chunk.length - from
      if (size > MAX_LINE) throw damaged(file, 'it holds an endless line')
    }
  } catch (error) {
    const code = (error as { code?: unknown }).code
    if (code === 'Z_BUF_ERROR') throw damaged(file, 'its end is missing')
    if (code === 'Z_DATA_ERROR') {
      if (/incorrect header/.test((error as Error).message)) throw stranger(file)
      throw damaged(file, 'it does not unpack')
    }
    if (error instanceof MeshError || typeof code !== 'string') throw error
    throw new MeshError('config/invalid', `Cannot read the backup ${file}: ${whyUnread(code, error)}`, { cause: error })
  } finally {
    source.destroy()
    gunzip.destroy()
  }
  if (size > 0) throw damaged(file, 'its end is missing')
}

function whyUnread(code: string, error: unknown): string {
  if (code === 'ENOENT' || code === 'ENOTDIR') return 'there is no such file'
  if (code === 'EISDIR') return 'it is a folder'
  if (code === 'EACCES' || code === 'EPERM') return 'this user may not read it'
  return (error as Error).message
}

async function isBackup(file: string): Promise<boolean> {
  try {
    for await (const line of readLines(file))
      return (JSON.parse(line.toString()) as { sett?: unknown }).sett === 'backup'
    return false
  } catch {
    return false
  }
}

async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, 'r')
  await handle.sync()
}

function damaged(file: string, why: string): MeshError {
  return new MeshError(
    'store/corrupt',
    `Cannot read the backup ${file}: it is damaged or cut off (${why}); use another`,
  )
}

function stranger(file: string): MeshError {
  return new MeshError('config/invalid', `Cannot read the backup ${file}: it is no Sett backup`)
}
