/** Routes about SCIM, by which the directory of an identity provider pushes its people and groups. */

import * as z from 'zod'
import { Key } from '../objects.ts'
import { ProviderId } from '../people-objects.ts'
import { route } from '../route.ts'
import { Description, TailnetRef } from '../words.ts'

export const CreateScimToken = z.object({ description: Description.default('') })
export type CreateScimToken = z.output<typeof CreateScimToken>

export const scimRoutes = {
  createScimToken: route({
    method: 'POST',
    path: '/sett/tailnet/{tailnet}/identity-providers/{provider}/scim-tokens',
    summary:
      'Make a token for the directory of an identity provider. The answer is the only place that ever shows it; it is listed and revoked as keys are.',
    group: 'People',
    access: { kind: 'scope', any: ['users'], act: 'write' },
    params: z.object({ tailnet: TailnetRef, provider: ProviderId }),
    body: CreateScimToken,
    reply: z.object({
      token: Key,
      url: z.string().meta({ description: 'What the directory asks for as the address of the server' }),
    }),
  }),
} as const
