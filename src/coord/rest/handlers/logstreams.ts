/** Answers the routes about where logs are streamed to. */

import { hex, utf8 } from '../../../base/bytes.ts'
import type { logstreamRoutes } from '../../../wire/api/routes/logstreams.ts'
import { logstreamDelivery, logstreamSecretPlace } from '../../model/deliveries.ts'
import { done, refuse } from '../answer.ts'
import type { Handlers } from '../call.ts'
import { deleteLogstream, NO_STREAM, setLogstream } from '../changes/logstreams.ts'
import type { SealedSecrets } from '../changes/logstreams.ts'
import { viewPublishing } from '../views/deliveries.ts'

const NO_ACCOUNT =
  'This server has no account at AWS to assume a role with: give it an access key (s3AuthenticationType accesskey)'

export const logstreamHandlers: Handlers<keyof typeof logstreamRoutes> = {
  getLogstream({ at }, { params }) {
    const found = at.tailnet.get('logstream', params.logType)
    return found === undefined ? refuse(404, NO_STREAM) : done(found.config)
  },

  async setLogstream({ at, change, tools }, { params, body }) {
    const { logType } = params
    const seal = (member: 'token' | 's3SecretAccessKey'): SealedSecrets => {
      const text = body[member]
      return text === undefined || text === ''
        ? {}
        : { [member]: tools.seal(text, logstreamSecretPlace(logType, member)) }
    }
    const sealed = { ...seal('token'), ...seal('s3SecretAccessKey') }
    const { newest } = await tools.logs.auditEnds(at.record.num)
    return await change((at) => setLogstream(at, logType, body, sealed, newest.number))
  },

  deleteLogstream: ({ change }, { params }) => change((at) => deleteLogstream(at, params.logType)),

  getLogstreamStatus({ at }, { params }) {
    if (at.tailnet.get('logstream', params.logType) === undefined) return refuse(404, NO_STREAM)
    const status = viewPublishing(at.tailnet.get('delivery', logstreamDelivery(params.logType)), at.now)
    // Nodes report no flows here, so that there is nothing to send.
    return done(params.logType === 'network' ? { ...status, lastError: NO_FLOWS } : status)
  },

  createAwsExternalId({ at, tools }, { body }) {
    // It is no secret: it keeps others from having a server of theirs act for this tailnet.
    const seed = body.reusable ? utf8(`aws external id of ${at.record.stableId}`) : tools.dice(32)
    return done({ externalId: hex(tools.sha256(seed)).slice(0, 32), tailscaleAwsAccountId: '' })
  },

  validateAwsTrustPolicy: () => refuse(422, NO_ACCOUNT),
}

const NO_FLOWS = 'This server has no network flow logs: the stream is kept, and nothing is sent'
