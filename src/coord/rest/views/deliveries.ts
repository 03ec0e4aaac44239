/** Webhooks, log streams and how their deliveries go, as the API shows them: no secret but one that was just made. */

import { formatTime, ZERO_TIME } from '../../../base/clock.ts'
import type { Wall } from '../../../base/clock.ts'
import type { Secret } from '../../../base/secret.ts'
import type { PublishingStatus, Webhook, WebhookStatus } from '../../../wire/api/delivery-objects.ts'
import { decayed, MAX_BODY_BYTES, NOTHING } from '../../model/deliveries.ts'
import type { DeliveryRecord, WebhookRecord } from '../../model/deliveries.ts'

export function viewWebhook(webhook: WebhookRecord, secret?: Secret): Webhook {
  return {
    endpointId: webhook.id,
    endpointUrl: webhook.url,
    providerType: webhook.providerType,
    creatorLoginName: webhook.creator,
    created: formatTime(webhook.created),
    lastModified: formatTime(webhook.updated),
    subscriptions: [...webhook.subscriptions],
    ...(secret === undefined ? {} : { secret: secret.reveal() }),
  }
}

export function viewWebhookStatus(delivery: DeliveryRecord | undefined): WebhookStatus {
  const { lastActivity, totals = NOTHING, leftOut = 0, attempts = 0, lastError = '', retryAt } = delivery ?? {}
  return {
    ...(lastActivity === undefined ? {} : { lastDelivered: formatTime(lastActivity) }),
    eventsDelivered: totals.entries,
    eventsLeftOut: leftOut,
    attemptsFailed: attempts,
    lastError,
    ...(retryAt === undefined ? {} : { nextAttempt: formatTime(retryAt) }),
  }
}

export function viewPublishing(delivery: DeliveryRecord | undefined, now: Wall): PublishingStatus {
  const { lastActivity, lastError = '', totals = NOTHING } = delivery ?? {}
  const rates = delivery === undefined ? NOTHING : decayed(delivery.rates, delivery.ratesAt, now)
  return {
    lastActivity: lastActivity === undefined ? ZERO_TIME : formatTime(lastActivity),
    lastError,
    maxBodySize: MAX_BODY_BYTES,
    numBytesSent: totals.bytes,
    numEntriesSent: totals.entries,
    // Entries come from this server alone: nobody can pass off others as its own.
    numSpoofedEntries: 0,
    numTotalRequests: totals.requests,
    numFailedRequests: totals.failed,
    rateBytesSent: rates.bytes,
    rateEntriesSent: rates.entries,
    rateTotalRequests: rates.requests,
    rateFailedRequests: rates.failed,
  }
}
