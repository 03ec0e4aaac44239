/** Answers the routes about webhook endpoints. */

import type { webhookRoutes } from '../../../wire/api/routes/webhooks.ts'
import { mintWebhookId, mintWebhookSecret, webhookDelivery, webhookSecretPlace } from '../../model/deliveries.ts'
import { done, refuse } from '../answer.ts'
import { NO_WEBHOOK } from '../authorise.ts'
import type { Handlers, Tools } from '../call.ts'
import { createWebhook, deleteWebhook, patchWebhook, rotateWebhook, testWebhook } from '../changes/webhooks.ts'
import type { MintedSecret } from '../changes/webhooks.ts'
import { viewWebhook, viewWebhookStatus } from '../views/deliveries.ts'

export const webhookHandlers: Handlers<keyof typeof webhookRoutes> = {
  listWebhooks({ at }) {
    const all = [...at.tailnet.all('webhook')].sort((a, b) => a.created - b.created || (a.id < b.id ? -1 : 1))
    return done({ webhooks: all.map((webhook) => viewWebhook(webhook)) })
  },

  async createWebhook({ at, change, tools }, { body }) {
    const id = mintWebhookId(tools.dice)
    const secret = mint(tools, id)
    // What happened before is no news to it.
    const { newest } = await tools.logs.auditEnds(at.record.num)
    return await change((at) => createWebhook(at, body, id, secret, newest.number))
  },

  getWebhook({ at }, { params }) {
    const webhook = at.tailnet.get('webhook', params.endpointId)
    return webhook === undefined ? refuse(404, NO_WEBHOOK) : done(viewWebhook(webhook))
  },

  patchWebhook: ({ change }, { params, body }) =>
    change((at) => patchWebhook(at, params.endpointId, body.subscriptions)),

  deleteWebhook: ({ change }, { params }) => change((at) => deleteWebhook(at, params.endpointId)),

  testWebhook: ({ change }, { params }) => change((at) => testWebhook(at, params.endpointId)),

  rotateWebhook({ change, tools }, { params }) {
    const secret = mint(tools, params.endpointId)
    return change((at) => rotateWebhook(at, params.endpointId, secret))
  },

  getWebhookStatus: ({ at }, { params }) =>
    done(viewWebhookStatus(at.tailnet.get('delivery', webhookDelivery(params.endpointId)))),
}

function mint({ dice, seal }: Tools, id: string): MintedSecret {
  const text = mintWebhookSecret(dice, id)
  return { text, sealed: seal(text.reveal(), webhookSecretPlace(id)) }
}
