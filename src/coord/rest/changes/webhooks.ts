/** Changing webhook endpoints. (api-v2.md §4.10) */

import { DAY_MS, later } from '../../../base/clock.ts'
import type { Secret } from '../../../base/secret.ts'
import type { CreateWebhook, Webhook } from '../../../wire/api/delivery-objects.ts'
import { newDelivery, webhookDelivery } from '../../model/deliveries.ts'
import type { DeliveryRecord, WebhookRecord } from '../../model/deliveries.ts'
import type { Plan } from '../../model/ledger.ts'
import type { Write } from '../../model/records.ts'
import type { TailnetState } from '../../model/model.ts'
import { commit, DONE, done, refuse, settle } from '../answer.ts'
import type { Answer } from '../answer.ts'
import { NO_WEBHOOK } from '../authorise.ts'
import type { At } from '../call.ts'
import { byOf } from '../caller.ts'
import { viewWebhook } from '../views/deliveries.ts'

const WEBHOOKS_MAX = 50
const TESTS_MAX = 10
/** Long enough to give receivers the new secret at leisure. */
const PREVIOUS_MS = DAY_MS

/** A secret that was just made: as it is shown, and as it is kept. */
export interface MintedSecret {
  readonly text: Secret
  readonly sealed: string
}

/** @param cursor the newest entry of the audit log, which is told of no more */
export function createWebhook(
  at: At,
  wanted: CreateWebhook,
  id: string,
  secret: MintedSecret,
  cursor: number,
): Plan<Answer<Webhook>> {
  if (at.tailnet.count('webhook') >= WEBHOOKS_MAX)
    return settle(refuse(400, `A tailnet has at most ${WEBHOOKS_MAX} webhook endpoints: remove one first`))
  const webhook: WebhookRecord = {
    id,
    url: wanted.endpointUrl,
    providerType: wanted.providerType,
    creator: nameOf(at),
    created: at.now,
    updated: at.now,
    subscriptions: [...new Set(wanted.subscriptions)],
    secret: secret.sealed,
  }
  const delivery = webhookDelivery(id)
  return commit(
    {
      writes: [
        { kind: 'webhook', id, expect: 'absent', value: webhook },
        { kind: 'delivery', id: delivery, expect: 'absent', value: newDelivery(cursor, at.now) },
      ],
    },
    done(viewWebhook(webhook, secret.text)),
  )
}

export function patchWebhook(at: At, id: string, subscriptions: readonly string[]): Plan<Answer<Webhook>> {
  const before = at.tailnet.get('webhook', id)
  if (before === undefined) return settle(refuse(404, NO_WEBHOOK))
  const after: WebhookRecord = { ...before, subscriptions: [...new Set(subscriptions)], updated: at.now }
  if (JSON.stringify(after.subscriptions) === JSON.stringify(before.subscriptions))
    return settle(done(viewWebhook(before)))
  return commit({ writes: [write(at.tailnet, after)] }, done(viewWebhook(after)))
}

export function deleteWebhook(at: At, id: string): Plan<Answer<undefined>> {
  if (at.tailnet.get('webhook', id) === undefined) return settle(refuse(404, NO_WEBHOOK))
  return commit(
    {
      writes: [
        { kind: 'webhook', id, expect: at.tailnet.version('webhook', id), value: null },
        { kind: 'delivery', id: webhookDelivery(id), expect: 'any', value: null },
      ],
    },
    DONE,
  )
}

export function rotateWebhook(at: At, id: string, secret: MintedSecret): Plan<Answer<Webhook>> {
  const before = at.tailnet.get('webhook', id)
  if (before === undefined) return settle(refuse(404, NO_WEBHOOK))
  const previous = { secret: before.secret, until: later(at.now, PREVIOUS_MS) }
  const after: WebhookRecord = { ...before, secret: secret.sealed, previous, updated: at.now }
  return commit({ writes: [write(at.tailnet, after)] }, done(viewWebhook(after, secret.text)))
}

/** Asks for a `test` event; it is tried at once, whatever else waits. */
export function testWebhook(at: At, id: string): Plan<Answer<undefined>> {
  const key = webhookDelivery(id)
  const delivery = at.tailnet.get('delivery', key)
  if (delivery === undefined) return settle(refuse(404, NO_WEBHOOK))
  if (delivery.tests.length >= TESTS_MAX)
    return settle(refuse(429, `${TESTS_MAX} tests wait already: the endpoint does not take them`))
  const { retryAt: _now, ...rest } = delivery
  const value: DeliveryRecord = { ...rest, tests: [...delivery.tests, { at: at.now, actor: nameOf(at) }] }
  const test: Write = { kind: 'delivery', id: key, expect: at.tailnet.version('delivery', key), value }
  return commit({ writes: [test] }, done(undefined, { status: 202 }))
}

function write(tailnet: TailnetState, value: WebhookRecord): Write {
  return { kind: 'webhook', id: value.id, expect: tailnet.version('webhook', value.id), value }
}

function nameOf(at: At): string {
  const { actor } = byOf(at.caller, undefined)
  return actor.loginName ?? actor.displayName ?? actor.id
}
