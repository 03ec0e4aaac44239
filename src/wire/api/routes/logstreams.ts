/** Routes about where logs are streamed to. (api-v2.md §4.6) */

import * as z from 'zod'
import { AwsExternalId, LogstreamConfig, LogType, PublishingStatus, SetLogstream } from '../delivery-objects.ts'
import { route } from '../route.ts'
import { Line, TailnetRef } from '../words.ts'

const group = 'Logging'
const stream = z.object({ tailnet: TailnetRef, logType: LogType })
const read = { kind: 'scope', any: ['log_streaming'], act: 'read' } as const
const write = { kind: 'scope', any: ['log_streaming'], act: 'write' } as const

export const logstreamRoutes = {
  getLogstream: route({
    method: 'GET',
    path: '/tailnet/{tailnet}/logging/{logType}/stream',
    summary: 'Show where a log is streamed to; its secrets are left out.',
    group,
    access: read,
    params: stream,
    reply: LogstreamConfig,
  }),
  setLogstream: route({
    method: 'PUT',
    path: '/tailnet/{tailnet}/logging/{logType}/stream',
    summary: 'Stream a log somewhere. A secret that is left out stays, as long as the destination does.',
    group,
    access: write,
    params: stream,
    body: SetLogstream,
  }),
  deleteLogstream: route({
    method: 'DELETE',
    path: '/tailnet/{tailnet}/logging/{logType}/stream',
    summary: 'Stream a log no longer.',
    group,
    access: write,
    params: stream,
  }),
  getLogstreamStatus: route({
    method: 'GET',
    path: '/tailnet/{tailnet}/logging/{logType}/stream/status',
    summary: 'Show how streaming a log goes.',
    group,
    access: read,
    params: stream,
    reply: PublishingStatus,
  }),
  createAwsExternalId: route({
    method: 'POST',
    path: '/tailnet/{tailnet}/aws-external-id',
    summary: 'Make an external id for the trust policy of a role at AWS.',
    group,
    access: write,
    params: z.object({ tailnet: TailnetRef }),
    body: z.object({ reusable: z.boolean().default(false).meta({ description: 'The same one each time' }) }),
    reply: AwsExternalId,
  }),
  validateAwsTrustPolicy: route({
    method: 'POST',
    path: '/tailnet/{tailnet}/aws-external-id/{externalId}/validate-aws-trust-policy',
    summary: 'Try to assume a role at AWS: this server has no account there to do it with.',
    group,
    access: write,
    params: z.object({ tailnet: TailnetRef, externalId: Line(1224).min(1) }),
    body: z.object({ roleArn: Line(2048).min(1) }),
  }),
} as const
