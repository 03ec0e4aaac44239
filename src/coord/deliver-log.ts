/** What is sent next of one log stream: entries behind its cursor, as many as fit, when its period is over. */

import { later, MINUTE_MS } from '../base/clock.ts'
import type { Wall } from '../base/clock.ts'
import { Secret } from '../base/secret.ts'
import type { LogType } from '../wire/api/delivery-objects.ts'
import { ENTRIES_MAX, faultOfUpload, fittingEntries, unsupported, uploadOf } from './collectors/upload.ts'
import type { Destination } from './collectors/upload.ts'
import type { DeliveriesOptions, Job, Prepared } from './deliveries.ts'
import type { AuditEntry } from './model/audit.ts'
import { logstreamSecretPlace } from './model/deliveries.ts'
import type { DeliveryRecord, LogstreamRecord } from './model/deliveries.ts'

/** Objects cost by the piece. */
const S3_PERIOD_MINUTES = 1

type Options = Pick<DeliveriesOptions, 'ledger' | 'url' | 'making' | 'unseal'>

export async function prepareUpload(
  options: Options,
  job: Job,
  type: LogType,
  before: DeliveryRecord,
  now: Wall,
): Promise<Prepared | undefined> {
  const { ledger, making, url } = options
  const stream = ledger.model.state(job.tailnet).get('logstream', type)
  const record = ledger.model.tailnet(job.tailnet)
  if (stream === undefined || record === undefined) return undefined
  const { config } = stream
  const why = unsupported(config)
  if (why !== undefined) return { kind: 'unable', why }

  // Whoever does not take many may take few.
  const most = Math.max(1, ENTRIES_MAX >> Math.min(before.attempts, 10))
  const rows = await ledger.logs.audit(job.tailnet, job.seen, most)
  const entries = rows.map(({ entry, number, at, group }) => ({
    number,
    at,
    group,
    entry: JSON.parse(entry) as AuditEntry,
  }))
  const [first] = entries
  if (first === undefined) return { kind: 'wait', reached: job.seen, leftOut: 0 }
  const batch = entries.slice(0, fittingEntries(entries, most))
  const isFull = batch.length < entries.length || entries.length === most
  const due = periodEnd(stream, before)
  // A batch that is full need not wait, nor one that was tried already.
  if (!isFull && before.attempts === 0 && due > now) return { kind: 'wait', until: due, reached: job.seen, leftOut: 0 }
  const source = { tailnet: record.name, tailnetId: record.stableId, host: hostOf(url) }
  return {
    kind: 'send',
    outgoing: uploadOf(destinationOf(options, stream, type), batch, source, now, making),
    entries: batch.length,
    reached: batch.at(-1)?.number ?? job.seen,
    noticed: before.noticed,
    tests: 0,
    // Numbers run without a gap: those between are no longer kept.
    leftOut: first.number - job.seen - 1,
    faultOf: (sent) => faultOfUpload(config, sent),
  }
}

/** The server's own name, without its port. */
function hostOf(url: string): string {
  return url.replace(/^\w+:\/\//, '').replace(/(:\d+)?(\/.*)?$/, '')
}

/** The first entries go at once, so that whoever sets a stream up sees them arrive. */
function periodEnd({ config }: LogstreamRecord, { lastActivity }: DeliveryRecord): Wall {
  const set = config.uploadPeriodMinutes ?? 0
  const minutes = set === 0 && config.destinationType === 's3' ? S3_PERIOD_MINUTES : set
  return lastActivity === undefined ? (0 as Wall) : later(lastActivity, minutes * MINUTE_MS)
}

function destinationOf(
  { unseal }: Options,
  { config, token, s3SecretAccessKey }: LogstreamRecord,
  type: LogType,
): Destination {
  const opened = (sealed: string, member: 'token' | 's3SecretAccessKey') =>
    new Secret(unseal(sealed, logstreamSecretPlace(type, member)), `${member} of a log stream`)
  return {
    config,
    ...(token === undefined ? {} : { token: opened(token, 'token') }),
    ...(s3SecretAccessKey === undefined ? {} : { s3SecretAccessKey: opened(s3SecretAccessKey, 's3SecretAccessKey') }),
  }
}
