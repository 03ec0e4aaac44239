/**
 * A batch of a log as the request that its collector takes, and whether the answer says that it has it.
 *
 *   splunk, cribl, panther, crowdstrike   HTTP Event Collector: objects one after another (api-v2.md §7.4)
 *   elastic                               `_bulk`, with ids of our own: what comes twice is kept once
 *   datadog                               a JSON array, at most 1000 entries
 *   axiom                                 lines of JSON
 *   s3                                    one object of lines of JSON, named by its time and its entries' numbers
 *   syslog                                RFC 5424, framed by length (RFC 5425 §4.3)
 */

import { base64, utf8 } from '../../base/bytes.ts'
import { formatTime } from '../../base/clock.ts'
import type { Wall } from '../../base/clock.ts'
import type { Secret } from '../../base/secret.ts'
import type { LogstreamConfig } from '../../wire/api/delivery-objects.ts'
import { MAX_BODY_BYTES } from '../model/deliveries.ts'
import { faultOfSent } from '../model/outgoing.ts'
import type { LogEntry, Making, Outgoing, Sent } from '../model/outgoing.ts'
import { cutAddress } from './address.ts'
import { datedRecord, recordOf } from './records.ts'
import type { Source } from './records.ts'
import { s3Upload } from './s3.ts'
import { syslogFrames } from './syslog.ts'

/** Datadog takes no more. */
export const ENTRIES_MAX = 1000

export interface Destination {
  readonly config: LogstreamConfig
  readonly token?: Secret
  readonly s3SecretAccessKey?: Secret
}

/** Why nothing can be sent to this destination, by what it is; `undefined`: it can. */
export function unsupported({ destinationType, s3AuthenticationType }: LogstreamConfig): string | undefined {
  if (destinationType === 'gcs')
    return 'This server does not send to Google Cloud Storage: use its S3-compatible interface as an s3 destination'
  if (destinationType === 's3' && s3AuthenticationType === 'rolearn')
    return 'This server has no account at AWS to assume a role with: use an access key'
  return undefined
}

/** How many of the first entries go into one upload; at least one, however large it is. */
export function fittingEntries(entries: readonly LogEntry[], most = ENTRIES_MAX): number {
  let size = 0
  for (const [i, entry] of entries.entries()) {
    size += JSON.stringify(entry.entry).length
    if (i === most || (i > 0 && size > MAX_BODY_BYTES)) return i
  }
  return entries.length
}

/** @param entries at least one */
export function uploadOf(
  to: Destination,
  entries: readonly LogEntry[],
  source: Source,
  now: Wall,
  making: Making,
): Outgoing {
  const { config } = to
  if (config.destinationType === 'syslog')
    return { kind: 'stream', url: config.url ?? '', body: syslogFrames(entries, source) }
  if (config.destinationType === 's3') return s3Upload(config, to.s3SecretAccessKey, entries, source, now, making)
  const { body, type, path } = FORMS[config.destinationType](entries, source, config)
  const format = config.compressionFormat ?? 'none'
  return {
    kind: 'http',
    method: 'POST',
    url: path === undefined ? (config.url ?? '') : withPath(config.url ?? '', path),
    headers: {
      'Content-Type': type,
      'User-Agent': 'TailscaleLogStreamPublisher',
      ...(format === 'none' ? {} : { 'Content-Encoding': format }),
      ...authorisation(to),
    },
    body: format === 'none' ? utf8(body) : making.compress(utf8(body), format),
  }
}

/** Why the batch is not there; `undefined`: it is. */
export function faultOfUpload({ destinationType }: LogstreamConfig, sent: Sent): string | undefined {
  const fault = faultOfSent(sent)
  if (fault !== undefined || destinationType !== 'elastic' || sent.kind !== 'answered') return fault
  return faultOfBulk(sent.body)
}

interface Form {
  readonly body: string
  readonly type: string
  /** Where it goes below the origin, if the address names no path. */
  readonly path?: string
}
type Make = (entries: readonly LogEntry[], source: Source, config: LogstreamConfig) => Form

const collector: Make = (entries) => ({
  // No separators: each object ends where its braces do.
  body: entries
    .map((entry) =>
      JSON.stringify({ time: entry.at / 1000, event: recordOf(entry), fields: { recorded: formatTime(entry.at) } }),
    )
    .join(''),
  type: 'application/json',
  path: '/services/collector/event',
})

/** Whatever calls itself a collector and whose address is taken as it stands. */
const named: Make = (...args) => {
  const { path: _path, ...form } = collector(...args)
  return form
}

const FORMS: Readonly<Record<Exclude<LogstreamConfig['destinationType'], 's3' | 'syslog'>, Make>> = {
  splunk: collector,
  cribl: collector,
  crowdstrike: collector,
  panther: named,
  // Nothing is sent there: see `unsupported`.
  gcs: named,
  elastic(entries, { tailnetId }, config) {
    const index = /^\/?(_bulk)?$/.test(cutAddress(config.url ?? '').path) ? { _index: 'sett-configuration' } : {}
    const lines = entries.flatMap((entry) => [
      JSON.stringify({ create: { ...index, _id: `${tailnetId}-${entry.number}` } }),
      JSON.stringify({ '@timestamp': formatTime(entry.at), ...datedRecord(entry) }),
    ])
    return { body: `${lines.join('\n')}\n`, type: 'application/x-ndjson', path: '/_bulk' }
  },
  datadog(entries, { tailnet, host }) {
    const items = entries.map((entry) => ({
      ddsource: 'tailscale',
      service: 'sett',
      hostname: host,
      ddtags: `tailnet:${tailnet},logtype:configuration`,
      timestamp: entry.at,
      message: JSON.stringify(datedRecord(entry)),
    }))
    return { body: JSON.stringify(items), type: 'application/json', path: '/api/v2/logs' }
  },
  axiom(entries) {
    const lines = entries.map((entry) => JSON.stringify({ _time: formatTime(entry.at), ...datedRecord(entry) }))
    return { body: lines.join('\n'), type: 'application/x-ndjson' }
  },
}

function authorisation({ config, token }: Destination): Readonly<Record<string, string>> {
  const secret = token?.reveal() ?? ''
  if (config.destinationType === 'datadog') return { 'DD-API-KEY': secret }
  if (config.destinationType === 'axiom' || config.destinationType === 'crowdstrike')
    return { Authorization: `Bearer ${secret}` }
  const user = config.user ?? ''
  return { Authorization: `Basic ${base64(utf8(`${user === '' ? 'user' : user}:${secret}`))}` }
}

/** Elastic's address may name an index, to which `_bulk` is added; the others' stands as it is, if it has any path. */
function withPath(text: string, path: string): string {
  const { origin, path: own, query } = cutAddress(text)
  if (path === '/_bulk') return `${origin}${own.endsWith(path) ? own : `${own.replace(/\/$/, '')}${path}`}${query}`
  return `${origin}${own === '' || own === '/' ? path : own}${query}`
}

/** `_bulk` answers 200 although some of it failed. What is there already was sent before. (409) */
function faultOfBulk(text: string): string | undefined {
  let answer: { errors?: unknown; items?: readonly Record<string, { status?: number } | undefined>[] }
  try {
    answer = JSON.parse(text) as typeof answer
  } catch {
    return 'its answer is no JSON: is this the address of Elasticsearch?'
  }
  if (answer.errors === false) return undefined
  if (!Array.isArray(answer.items)) return 'its answer does not say what became of the entries'
  const statuses = (answer.items as readonly Record<string, { status?: number } | undefined>[]).map(
    (item) => Object.values(item)[0]?.status ?? 0,
  )
  const failed = statuses.filter((status) => (status < 200 || status >= 300) && status !== 409)
  return failed.length === 0 ? undefined : `it refused ${failed.length} of ${statuses.length} entries (${failed[0]})`
}
