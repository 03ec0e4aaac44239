/** Changing where logs are streamed to. (api-v2.md §4.6) */

import type { LogstreamConfig, LogType, SetLogstream } from '../../../wire/api/delivery-objects.ts'
import { logstreamDelivery, newDelivery } from '../../model/deliveries.ts'
import type { LogstreamRecord } from '../../model/deliveries.ts'
import type { Plan } from '../../model/ledger.ts'
import type { Write } from '../../model/records.ts'
import { commit, DONE, refuse, settle } from '../answer.ts'
import type { Answer } from '../answer.ts'
import type { At } from '../call.ts'

export const NO_STREAM = 'log stream not found'

/** New secrets, sealed; absent: those that are there stay. */
export interface SealedSecrets {
  readonly token?: string
  readonly s3SecretAccessKey?: string
}

/** @param cursor the newest entry of the audit log: a new stream begins behind it */
export function setLogstream(
  at: At,
  logType: LogType,
  wanted: SetLogstream,
  sealed: SealedSecrets,
  cursor: number,
): Plan<Answer<undefined>> {
  const before = at.tailnet.get('logstream', logType)
  const config = configOf(logType, wanted)
  // A secret is that of one customer at one place: it does not go along to another.
  const kept: SealedSecrets = before !== undefined && isSamePlace(before.config, config) ? before : {}
  const token = sealed.token ?? kept.token
  const s3SecretAccessKey = sealed.s3SecretAccessKey ?? kept.s3SecretAccessKey
  const isS3 = config.destinationType === 's3'
  if (isS3 && config.s3AuthenticationType !== 'rolearn' && s3SecretAccessKey === undefined)
    return settle(refuse(400, 's3SecretAccessKey: want the secret of the access key'))
  if (!isS3 && !WITHOUT_TOKEN.has(config.destinationType) && token === undefined)
    return settle(refuse(400, 'token: want the token that the collector gave for this'))
  const record: LogstreamRecord = {
    config,
    ...(token === undefined ? {} : { token }),
    ...(s3SecretAccessKey === undefined ? {} : { s3SecretAccessKey }),
    created: before?.created ?? at.now,
  }
  const key = logstreamDelivery(logType)
  const delivery = at.tailnet.get('delivery', key)
  const { retryAt: _now, ...going } = delivery ?? newDelivery(cursor, at.now)
  return commit(
    {
      writes: [
        { kind: 'logstream', id: logType, expect: at.tailnet.version('logstream', logType), value: record },
        // What did not go to where it was sent before may go at once to where it is sent now.
        { kind: 'delivery', id: key, expect: at.tailnet.version('delivery', key), value: { ...going, attempts: 0 } },
      ],
    },
    DONE,
  )
}

const WITHOUT_TOKEN: ReadonlySet<string> = new Set(['gcs', 'syslog'])

/** The members as they were given, in an order of their own. */
function configOf(logType: LogType, wanted: SetLogstream): LogstreamConfig {
  const { token: _token, s3SecretAccessKey: _secret, gcsScopes, ...shown } = wanted
  const given = Object.fromEntries(Object.entries(shown).filter(([, value]) => value !== undefined))
  const { destinationType } = wanted
  return {
    logType,
    ...given,
    destinationType,
    // Clients compare what they read with what they meant, and this is what leaving it out means.
    compressionFormat: wanted.compressionFormat ?? 'none',
    ...(gcsScopes === undefined || gcsScopes === null ? {} : { gcsScopes }),
  }
}

function isSamePlace(a: LogstreamConfig, b: LogstreamConfig): boolean {
  const place = ({ destinationType, url, user, s3Bucket, s3AccessKeyId }: LogstreamConfig) =>
    JSON.stringify([destinationType, url ?? '', user ?? '', s3Bucket ?? '', s3AccessKeyId ?? ''])
  return place(a) === place(b)
}

export function deleteLogstream(at: At, logType: LogType): Plan<Answer<undefined>> {
  if (at.tailnet.get('logstream', logType) === undefined) return settle(refuse(404, NO_STREAM))
  const writes: Write[] = [
    { kind: 'logstream', id: logType, expect: at.tailnet.version('logstream', logType), value: null },
    { kind: 'delivery', id: logstreamDelivery(logType), expect: 'any', value: null },
  ]
  return commit({ writes }, DONE)
}
