/** Describes changes of where events and logs are sent. Of secrets only that there is another one. */

import type { AuditTarget, AuditValue } from '../model/audit.ts'
import type { LogstreamRecord, WebhookRecord } from '../model/deliveries.ts'
import { became } from './describer.ts'
import type { Context, RecordChange, Said } from './describer.ts'
import { ownTarget } from './tailnets.ts'

export function describeWebhook({ before, after }: RecordChange<'webhook'>): readonly Said[] {
  const webhook = after ?? before
  if (webhook === undefined) return []
  const target: AuditTarget = { id: webhook.id, name: shownUrl(webhook), type: 'WEBHOOK_ENDPOINT' }
  if (after === undefined) return [{ target, action: 'DELETE', old: endpoint(webhook) }]
  if (before === undefined) return [{ target, action: 'CREATE', new: endpoint(webhook) }]
  return [
    ...(before.secret === after.secret
      ? []
      : [{ target: { ...target, property: 'SECRET' }, action: 'UPDATE' } as const]),
    ...became(target, 'SUBSCRIBED_EVENTS', before.subscriptions, after.subscriptions),
  ]
}

function endpoint(webhook: WebhookRecord): AuditValue {
  const { providerType, subscriptions } = webhook
  return { endpointUrl: shownUrl(webhook), providerType, subscriptions }
}

/** Whoever has the address of a chat's webhook may write into it, and a query may hold a token. */
function shownUrl({ url, providerType }: WebhookRecord): string {
  return providerType === '' ? url.replace(/\?.*$/s, '') : url.replace(/^(\w+:\/\/[^/?]+).*$/s, '$1/…')
}

export function describeLogstream({ before, after }: RecordChange<'logstream'>, context: Context): readonly Said[] {
  const target = ownTarget(context)
  const action = before === undefined ? 'CREATE' : after === undefined ? 'DELETE' : 'UPDATE'
  const said = became(target, 'LOGSTREAM_ENDPOINT', shown(before), shown(after), action)
  if (before === undefined || after === undefined || secretsOf(before) === secretsOf(after)) return said
  const details = `secret of the ${after.config.logType} log stream`
  return [...said, { target: { ...target, property: 'SECRET' }, action: 'UPDATE', details }]
}

function shown(record: LogstreamRecord | undefined): AuditValue | undefined {
  return record === undefined ? undefined : { ...record.config }
}

function secretsOf({ token, s3SecretAccessKey }: LogstreamRecord): string {
  return JSON.stringify([token, s3SecretAccessKey])
}
