/** Answers the routes about providers of device posture. */

import type { postureRoutes } from '../../../wire/api/routes/posture.ts'
import { postureSecretPlace } from '../../model/account.ts'
import { randomStableId } from '../../model/credentials.ts'
import { done, refuse } from '../answer.ts'
import { NO_INTEGRATION } from '../authorise.ts'
import type { Handlers, Tools } from '../call.ts'
import { createIntegration, deleteIntegration, patchIntegration } from '../changes/posture.ts'
import { viewIntegration } from '../views/posture.ts'

export const postureHandlers: Handlers<keyof typeof postureRoutes> = {
  listPostureIntegrations({ at }) {
    const all = [...at.tailnet.all('posture-integration')].sort((a, b) => (a.provider < b.provider ? -1 : 1))
    return done({ integrations: all.map(viewIntegration) })
  },

  createPostureIntegration({ change, tools }, { body }) {
    const id = randomStableId(tools.dice, 'p')
    const sealed = seal(tools, id, body.clientSecret)
    return change((at) => createIntegration(at, id, body, sealed))
  },

  getPostureIntegration({ at }, { params }) {
    const found = at.tailnet.get('posture-integration', params.integrationId)
    return found === undefined ? refuse(404, NO_INTEGRATION) : done(viewIntegration(found))
  },

  patchPostureIntegration({ change, tools }, { params, body }) {
    const sealed = seal(tools, params.integrationId, body.clientSecret)
    return change((at) => patchIntegration(at, params.integrationId, body, sealed))
  },

  deletePostureIntegration: ({ change }, { params }) => change((at) => deleteIntegration(at, params.integrationId)),
}

/** An empty secret is none. */
function seal(tools: Tools, id: string, secret: string | null | undefined): string | undefined {
  return secret == null || secret === '' ? undefined : tools.seal(secret, postureSecretPlace(id))
}
