/** Routes about providers of device posture. (api-v2.md §4.8) */

import * as z from 'zod'
import {
  CreatePostureIntegration,
  IntegrationRef,
  PatchPostureIntegration,
  PostureIntegration,
} from '../account-objects.ts'
import { route } from '../route.ts'
import { TailnetRef } from '../words.ts'

const group = 'Device posture'
const tailnet = z.object({ tailnet: TailnetRef })
const one = z.object({ integrationId: IntegrationRef })
const read = { kind: 'scope', any: ['feature_settings'], act: 'read' } as const
const write = { kind: 'scope', any: ['feature_settings'], act: 'write' } as const

export const postureRoutes = {
  listPostureIntegrations: route({
    method: 'GET',
    path: '/tailnet/{tailnet}/posture/integrations',
    summary: 'List the providers of device posture that are configured.',
    group,
    access: read,
    params: tailnet,
    reply: z.object({ integrations: z.array(PostureIntegration) }),
  }),
  createPostureIntegration: route({
    method: 'POST',
    path: '/tailnet/{tailnet}/posture/integrations',
    summary: 'Keep the settings of a provider of device posture; this server does not ask it.',
    group,
    access: write,
    params: tailnet,
    body: CreatePostureIntegration,
    reply: PostureIntegration,
  }),
  getPostureIntegration: route({
    method: 'GET',
    path: '/posture/integrations/{integrationId}',
    summary: 'Show one of them, without its secret.',
    group,
    access: read,
    params: one,
    reply: PostureIntegration,
  }),
  patchPostureIntegration: route({
    method: 'PATCH',
    path: '/posture/integrations/{integrationId}',
    summary: 'Change the members sent; the provider stays what it is.',
    group,
    access: write,
    params: one,
    body: PatchPostureIntegration,
    reply: PostureIntegration,
  }),
  deletePostureIntegration: route({
    method: 'DELETE',
    path: '/posture/integrations/{integrationId}',
    summary: 'Forget the settings of a provider.',
    group,
    access: write,
    params: one,
  }),
} as const
