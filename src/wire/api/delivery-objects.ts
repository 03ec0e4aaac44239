/** Where the server sends things of its own accord: webhook endpoints and log streams. (api-v2.md §6.2) */

import * as z from 'zod'
import { SUBSCRIPTIONS } from '../webhook-events.ts'
import { Line, Time } from './words.ts'

const REST = '(:\\d{1,5})?([/?][^\\s#\\\\]*)?$'
const OVER_TLS = new RegExp(`^https://([A-Za-z0-9._-]{1,253}|\\[[0-9A-Fa-f:.]{2,45}\\])${REST}`, 'i')
/** This machine itself, and addresses that no network but one's own has. */
const CLEAR = new RegExp(
  `^http://(localhost|(127|10)(\\.\\d{1,3}){3}|192\\.168(\\.\\d{1,3}){2}|172\\.(1[6-9]|2\\d|3[01])(\\.\\d{1,3}){2}|100(\\.\\d{1,3}){3}|\\[(::1|f[cd][0-9A-Fa-f:]{2,43})\\])${REST}`,
  'i',
)

/** Over TLS. In clear text only to addresses that the server's operator lets it send to; that is seen when it sends. */
function isTarget(text: string): boolean {
  return OVER_TLS.test(text) || CLEAR.test(text)
}
const Target = z
  .string()
  .max(2048)
  .refine(isTarget, 'want an https:// URL without user and fragment (http:// only for private addresses)')

export const EndpointRef = z
  .string()
  .regex(/^[A-Za-z0-9]{1,64}$/, 'want an endpoint id')
  .meta({ description: 'Id of a webhook endpoint' })

export const ProviderType = z
  .enum(['', 'slack', 'mattermost', 'googlechat', 'discord'])
  .meta({ description: 'Empty: the events as JSON; else the body that this chat takes' })
const Subscriptions = z
  .array(z.enum(SUBSCRIPTIONS))
  .max(100)
  .meta({ description: 'Types of events, or categories of them' })

export const CreateWebhook = z.object({
  endpointUrl: Target,
  providerType: ProviderType.nullish().transform((type) => type ?? ''),
  subscriptions: Subscriptions,
})
export type CreateWebhook = z.output<typeof CreateWebhook>
export const PatchWebhook = z.object({ subscriptions: Subscriptions })

export const Webhook = z.object({
  endpointId: EndpointRef,
  endpointUrl: z.string(),
  providerType: ProviderType,
  creatorLoginName: z.string(),
  created: Time,
  lastModified: Time,
  subscriptions: z.array(z.string()),
  secret: z.string().optional().meta({ description: 'Only when it is made or rotated: deliveries are signed with it' }),
})
export type Webhook = z.output<typeof Webhook>

/** How deliveries to one endpoint go. Sett's own. */
export const WebhookStatus = z.object({
  lastDelivered: Time.optional().meta({ description: 'Absent: nothing has been delivered yet' }),
  eventsDelivered: z.number().int(),
  eventsLeftOut: z.number().int().meta({ description: 'They were older than three days and could not be delivered' }),
  attemptsFailed: z.number().int().meta({ description: 'In a row, since the last delivery' }),
  lastError: z.string(),
  nextAttempt: Time.optional().meta({ description: 'Absent: nothing waits for one' }),
})
export type WebhookStatus = z.output<typeof WebhookStatus>

export const LogType = z.enum(['configuration', 'network'])
export type LogType = z.output<typeof LogType>

export const DESTINATIONS = [
  'splunk',
  'elastic',
  'panther',
  'cribl',
  'datadog',
  'axiom',
  'crowdstrike',
  's3',
  'gcs',
  'syslog',
] as const
const DestinationType = z.enum(DESTINATIONS).meta({ description: '`syslog` is Sett’s own' })
const Compression = z.enum(['none', 'zstd', 'gzip'])

const Text = (max: number) => Line(max).optional()
const SecretText = z.string().max(16_384).optional().meta({ description: 'Never shown again' })

/** A syslog receiver: `tls://HOST:PORT`; `tcp://` only to private addresses. */
const SYSLOG = /^(tls|tcp):\/\/([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:\d{1,5})?\/?$/

const shown = {
  destinationType: DestinationType,
  url: Text(2048),
  user: Text(256),
  uploadPeriodMinutes: z.number().int().min(0).max(1440).optional(),
  compressionFormat: Compression.optional(),
  s3Bucket: Text(255),
  s3Region: Text(64),
  s3KeyPrefix: Text(512),
  s3AuthenticationType: z.enum(['', 'accesskey', 'rolearn']).optional(),
  s3AccessKeyId: Text(256),
  s3RoleArn: Text(2048),
  s3ExternalId: Text(1224),
  gcsBucket: Text(255),
  gcsKeyPrefix: Text(512),
  gcsScopes: z.array(Line(256)).max(20).nullish(),
  gcsCredentials: z.string().max(16_384).optional(),
}

export const LogstreamConfig = z.object({ logType: LogType, ...shown, gcsScopes: z.array(z.string()).optional() })
export type LogstreamConfig = z.output<typeof LogstreamConfig>

export const SetLogstream = z
  .object({ ...shown, token: SecretText, s3SecretAccessKey: SecretText })
  .superRefine((config, context) => {
    const fault = faultOf(config)
    if (fault !== undefined) context.addIssue({ code: 'custom', path: [fault.member], message: fault.want })
  })
export type SetLogstream = z.output<typeof SetLogstream>

interface Fault {
  readonly member: string
  readonly want: string
}
type Shown = { readonly [K in keyof typeof shown]?: z.output<(typeof shown)[K]> | undefined }

/** What a destination needs before anything can be sent to it; secrets are looked at with those that are there. */
function faultOf({ destinationType, url = '', ...config }: Shown): Fault | undefined {
  const missing = (member: string, text: string | undefined, want: string) =>
    text === undefined || text === '' ? { member, want } : undefined
  if (destinationType === 's3')
    return (
      (url === '' || isTarget(url)
        ? undefined
        : { member: 'url', want: 'want the https:// URL of the object store' }) ??
      (/^[a-z0-9][a-z0-9.-]{1,253}[a-z0-9]$/.test(config.s3Bucket ?? '')
        ? undefined
        : { member: 's3Bucket', want: 'want the name of a bucket' }) ??
      (/^[a-z0-9-]{1,64}$/.test(config.s3Region ?? '')
        ? undefined
        : { member: 's3Region', want: 'want a region such as eu-central-1' }) ??
      (config.s3AuthenticationType === 'rolearn'
        ? missing('s3RoleArn', config.s3RoleArn, 'want the role to assume')
        : missing('s3AccessKeyId', config.s3AccessKeyId, 'want the id of an access key'))
    )
  if (destinationType === 'gcs') {
    if (/private_key/.test(config.gcsCredentials ?? ''))
      return { member: 'gcsCredentials', want: 'want the configuration of a workload identity, not a private key' }
    return missing('gcsBucket', config.gcsBucket, 'want the name of a bucket')
  }
  if (destinationType === 'syslog') {
    if (config.compressionFormat !== undefined && config.compressionFormat !== 'none')
      return { member: 'compressionFormat', want: 'want none: syslog knows no compression' }
    return SYSLOG.test(url) ? undefined : { member: 'url', want: 'want tls://HOST:PORT or tcp://HOST:PORT' }
  }
  return isTarget(url) ? undefined : { member: 'url', want: 'want the https:// URL of the collector' }
}

export const PublishingStatus = z.object({
  lastActivity: Time,
  lastError: z.string(),
  maxBodySize: z.number().int(),
  numBytesSent: z.number().int(),
  numEntriesSent: z.number().int(),
  numSpoofedEntries: z.number().int(),
  numTotalRequests: z.number().int(),
  numFailedRequests: z.number().int(),
  rateBytesSent: z.number(),
  rateEntriesSent: z.number(),
  rateTotalRequests: z.number(),
  rateFailedRequests: z.number(),
})
export type PublishingStatus = z.output<typeof PublishingStatus>

export const AwsExternalId = z.object({ externalId: z.string(), tailscaleAwsAccountId: z.string() })
