/** Routes about webhook endpoints. (api-v2.md §4.10) */

import * as z from 'zod'
import { CreateWebhook, EndpointRef, PatchWebhook, Webhook, WebhookStatus } from '../delivery-objects.ts'
import { route } from '../route.ts'
import { TailnetRef } from '../words.ts'

const group = 'Webhooks'
const tailnet = z.object({ tailnet: TailnetRef })
const one = z.object({ endpointId: EndpointRef })
const read = { kind: 'scope', any: ['webhooks'], act: 'read' } as const
const write = { kind: 'scope', any: ['webhooks'], act: 'write' } as const

export const webhookRoutes = {
  listWebhooks: route({
    method: 'GET',
    path: '/tailnet/{tailnet}/webhooks',
    summary: 'List the endpoints that events are posted to.',
    group,
    access: read,
    params: tailnet,
    reply: z.object({ webhooks: z.array(Webhook) }),
  }),
  createWebhook: route({
    method: 'POST',
    path: '/tailnet/{tailnet}/webhooks',
    summary: 'Add an endpoint. The answer holds the secret that deliveries are signed with, once.',
    group,
    access: write,
    params: tailnet,
    body: CreateWebhook,
    reply: Webhook,
  }),
  getWebhook: route({
    method: 'GET',
    path: '/webhooks/{endpointId}',
    summary: 'Show one endpoint.',
    group,
    access: read,
    params: one,
    reply: Webhook,
  }),
  patchWebhook: route({
    method: 'PATCH',
    path: '/webhooks/{endpointId}',
    summary: 'Change what an endpoint is told of.',
    group,
    access: write,
    params: one,
    body: PatchWebhook,
    reply: Webhook,
  }),
  deleteWebhook: route({
    method: 'DELETE',
    path: '/webhooks/{endpointId}',
    summary: 'Remove an endpoint; what was not delivered yet is not delivered any more.',
    group,
    access: write,
    params: one,
  }),
  testWebhook: route({
    method: 'POST',
    path: '/webhooks/{endpointId}/test',
    summary: 'Post a `test` event to an endpoint.',
    group,
    access: write,
    params: one,
  }),
  rotateWebhook: route({
    method: 'POST',
    path: '/webhooks/{endpointId}/rotate',
    summary: 'Give an endpoint a new secret. For a day, deliveries are signed with the one before as well.',
    group,
    access: write,
    params: one,
    reply: Webhook,
  }),
  getWebhookStatus: route({
    method: 'GET',
    path: '/sett/webhooks/{endpointId}/status',
    summary: 'Show how deliveries to an endpoint go.',
    group,
    access: read,
    params: one,
    reply: WebhookStatus,
  }),
} as const
