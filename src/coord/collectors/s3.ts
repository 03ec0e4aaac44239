/**
 * A batch as an object in S3, or in a store that speaks like it: a PUT that is signed by AWS Signature Version 4.
 *
 * The signature covers method, path, host, time and the body's hash, so that nobody on the way can change them.
 */

import { hex, utf8 } from '../../base/bytes.ts'
import type { Bytes } from '../../base/bytes.ts'
import { formatTime } from '../../base/clock.ts'
import type { Wall } from '../../base/clock.ts'
import type { Secret } from '../../base/secret.ts'
import type { LogstreamConfig } from '../../wire/api/delivery-objects.ts'
import type { LogEntry, Making, Outgoing } from '../model/outgoing.ts'
import { cutAddress } from './address.ts'
import { datedRecord } from './records.ts'
import type { Source } from './records.ts'

const SUFFIXES = { none: '', gzip: '.gz', zstd: '.zst' } as const

export function s3Upload(
  config: LogstreamConfig,
  secret: Secret | undefined,
  entries: readonly LogEntry[],
  { tailnetId }: Source,
  now: Wall,
  making: Making,
): Outgoing {
  const { s3Bucket = '', s3Region = '', s3KeyPrefix = '', s3AccessKeyId = '', url = '' } = config
  const format = config.compressionFormat ?? 'none'
  const lines = utf8(`${entries.map((entry) => JSON.stringify(datedRecord(entry))).join('\n')}\n`)
  const body = format === 'none' ? lines : making.compress(lines, format)
  const object = `${s3KeyPrefix}${keyOf(entries, tailnetId)}${SUFFIXES[format]}`
  // With an address of its own, the bucket is in the path: such stores often have one name only.
  const base = url === '' ? `https://${s3Bucket}.s3.${s3Region}.amazonaws.com` : url.replace(/\/+$/, '')
  const target = `${base}/${escaped(url === '' ? object : `${s3Bucket}/${object}`)}`
  const headers = { 'Content-Type': 'application/x-ndjson' }
  const signed = signV4(
    { method: 'PUT', url: target, headers, body },
    { region: s3Region, service: 's3', accessKeyId: s3AccessKeyId, secret: secret?.reveal() ?? '' },
    now,
    making,
  )
  return { kind: 'http', method: 'PUT', url: target, headers: { ...headers, ...signed }, body }
}

/** By time, for people and lifecycle rules; the numbers make it unique, and the same when it is sent again. */
function keyOf(entries: readonly LogEntry[], tailnetId: string): string {
  const [first, last] = [entries[0], entries.at(-1)]
  const [date, time] = formatTime(first?.at ?? (0 as Wall)).split('T') as [string, string]
  const clock = time.slice(0, 8).replaceAll(':', '-')
  return `${date.replaceAll('-', '/')}/${clock}-configuration-${tailnetId}-${first?.number}-${last?.number}.json`
}

export interface Unsigned {
  readonly method: string
  /** Escaped as it is to be signed; without a query. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Bytes
}
export interface Signer {
  readonly region: string
  readonly service: string
  readonly accessKeyId: string
  readonly secret: string
}

/** The headers that a request needs besides its own. (AWS Signature Version 4) */
export function signV4(
  { method, url, headers, body }: Unsigned,
  { region, service, accessKeyId, secret }: Signer,
  now: Wall,
  { sha256, hmac }: Pick<Making, 'sha256' | 'hmac'>,
): Readonly<Record<string, string>> {
  const at = `${formatTime(now).slice(0, 19).replaceAll(/[-:]/g, '')}Z`
  const day = at.slice(0, 8)
  const hash = hex(sha256(body))
  const own = { 'x-amz-content-sha256': hash, 'x-amz-date': at }
  const { host, path } = cutAddress(url)
  const all = { ...headers, ...own, host }
  const lines = Object.entries(all)
    .map(([name, value]) => [name.toLowerCase(), value.trim()] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  const names = lines.map(([name]) => name).join(';')
  const heads = lines.map(([name, value]) => `${name}:${value}\n`).join('')
  const canonical = [method, path, '', heads, names, hash].join('\n')
  const scope = `${day}/${region}/${service}/aws4_request`
  const text = ['AWS4-HMAC-SHA256', at, scope, hex(sha256(utf8(canonical)))].join('\n')
  const key = [day, region, service, 'aws4_request'].reduce<Bytes>(
    (key, part) => hmac(key, utf8(part)),
    utf8(`AWS4${secret}`),
  )
  const signature = hex(hmac(key, utf8(text)))
  return {
    ...own,
    Authorization: `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`,
  }
}

/** Everything but letters, digits and `-._~` is escaped, also where URLs would not. */
function encoded(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
}
function escaped(path: string): string {
  return path.split('/').map(encoded).join('/')
}
