/** Routes about auth keys and API tokens. (api-v2.md §4.4) */

import * as z from 'zod'
import { Key } from '../objects.ts'
import { route } from '../route.ts'
import { Description, ExpirySeconds, KeyRef, Tags, TailnetRef, UserName } from '../words.ts'

const group = 'Keys'
const params = z.object({ tailnet: TailnetRef, keyId: KeyRef })
const flag = z.boolean().default(false)

/** Sett's own: for whom the server's administrator makes it. */
const user = UserName.optional().meta({
  description: 'Whom it is made for: a login name or id. Only the server’s own administrator may name somebody',
})

export const CreateKey = z.object({
  keyType: z.string().max(32).default('auth').meta({ description: '`auth`' }),
  description: Description.default(''),
  expirySeconds: ExpirySeconds.nullish(),
  capabilities: z
    .object({
      devices: z
        .object({
          create: z.object({ reusable: flag, ephemeral: flag, preauthorized: flag, tags: Tags.nullish() }).prefault({}),
        })
        .prefault({}),
    })
    .prefault({}),
  user,
})
export type CreateKey = z.output<typeof CreateKey>

export const CreateToken = z.object({
  description: Description.default(''),
  expirySeconds: ExpirySeconds.nullish(),
  scopes: z.array(z.string().max(64)).min(1).max(64).default(['all']),
  user,
})
export type CreateToken = z.output<typeof CreateToken>

export const keyRoutes = {
  listKeys: route({
    method: 'GET',
    path: '/tailnet/{tailnet}/keys',
    summary: 'List one’s own keys; with `all=true` those of the whole tailnet.',
    group,
    access: { kind: 'scope', any: ['auth_keys', 'api_access_tokens'], act: 'read' },
    params: z.object({ tailnet: TailnetRef }),
    query: z.object({ all: z.string().optional().meta({ description: '`true`: of the whole tailnet' }) }),
    reply: z.object({ keys: z.array(Key) }),
  }),
  createKey: route({
    method: 'POST',
    path: '/tailnet/{tailnet}/keys',
    summary: 'Make an auth key. The answer is the only place that ever shows it.',
    group,
    access: { kind: 'scope', any: ['auth_keys'], act: 'write' },
    params: z.object({ tailnet: TailnetRef }),
    body: CreateKey,
    reply: Key,
  }),
  getKey: route({
    method: 'GET',
    path: '/tailnet/{tailnet}/keys/{keyId}',
    summary: 'Show one key, without its secret. A credential may always see itself.',
    group,
    access: { kind: 'credential' },
    params,
    reply: Key,
  }),
  deleteKey: route({
    method: 'DELETE',
    path: '/tailnet/{tailnet}/keys/{keyId}',
    summary: 'Revoke a key: nothing can join or log in by it any more.',
    group,
    access: { kind: 'scope', any: ['auth_keys', 'api_access_tokens'], act: 'write' },
    params,
  }),
  createToken: route({
    method: 'POST',
    path: '/sett/tailnet/{tailnet}/tokens',
    summary: 'Make an API token. The answer is the only place that ever shows it.',
    group,
    access: { kind: 'scope', any: ['api_access_tokens'], act: 'write' },
    params: z.object({ tailnet: TailnetRef }),
    body: CreateToken,
    reply: Key,
  }),
} as const
