/** Routes about auth keys, API tokens, OAuth clients and federated identities. (api-v2.md §4.4) */

import * as z from 'zod'
import { Key } from '../objects.ts'
import { route } from '../route.ts'
import { Description, ExpirySeconds, KeyRef, Line, Tags, TailnetRef, UserName } from '../words.ts'

const group = 'Keys'
const params = z.object({ tailnet: TailnetRef, keyId: KeyRef })
const flag = z.boolean().default(false)

/** Sett's own: for whom the server's administrator makes it. */
const user = UserName.optional().meta({
  description: 'Whom it is made for: a login name or id. Only the server’s own administrator may name somebody',
})

const Scopes = z.array(z.string().max(64)).max(64)
/** Clients send what they leave out as `""` or `null`, too. */
const empty = { description: Description.nullish(), scopes: Scopes.nullish(), tags: Tags.nullish() }
/** Whose ID tokens are taken for the identity's: `*` in `subject` and in the rules stands for any text. */
const federation = {
  issuer: z.string().max(512).nullish().meta({ description: 'URL of the OpenID Connect issuer; `iss` of its tokens' }),
  subject: Line(512).nullish().meta({ description: '`sub`; `*` stands for any text' }),
  audience: Line(512).nullish().meta({ description: '`aud`; made from the id if not given' }),
  customClaimRules: z
    .record(Line(128), Line(512))
    .refine((rules) => Object.keys(rules).length <= 32, 'want at most 32 rules')
    .nullish()
    .meta({ description: 'Further claims, and what they must be; `*` stands for any text' }),
}

export const CreateKey = z.object({
  keyType: z.string().max(32).default('auth').meta({ description: '`auth`, `client` or `federated`' }),
  ...empty,
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
  ...federation,
  user,
})
export type CreateKey = z.output<typeof CreateKey>

export const UpdateKey = z.object({
  keyType: z.string().max(32).optional().meta({ description: 'As it is: it cannot be changed' }),
  ...empty,
  ...federation,
})
export type UpdateKey = z.output<typeof UpdateKey>

export const CreateToken = z.object({
  description: Description.default(''),
  expirySeconds: ExpirySeconds.nullish(),
  scopes: Scopes.min(1).default(['all']),
  user,
})
export type CreateToken = z.output<typeof CreateToken>

/** Each type has its own scope; which one a request needs is looked at where the type is known. */
const anyType = ['auth_keys', 'api_access_tokens', 'oauth_keys', 'federated_keys'] as const

export const keyRoutes = {
  listKeys: route({
    method: 'GET',
    path: '/tailnet/{tailnet}/keys',
    summary: 'List one’s own keys, or those of the credential’s own type; with `all=true` those of the whole tailnet.',
    group,
    access: { kind: 'scope', any: anyType, act: 'read' },
    params: z.object({ tailnet: TailnetRef }),
    query: z.object({ all: z.string().optional().meta({ description: '`true`: of the whole tailnet' }) }),
    reply: z.object({ keys: z.array(Key) }),
  }),
  createKey: route({
    method: 'POST',
    path: '/tailnet/{tailnet}/keys',
    summary:
      'Make an auth key, an OAuth client or a federated identity. The answer is the only place that ever shows its secret.',
    group,
    access: { kind: 'scope', any: ['auth_keys', 'oauth_keys', 'federated_keys'], act: 'write' },
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
  updateKey: route({
    method: 'PUT',
    path: '/tailnet/{tailnet}/keys/{keyId}',
    summary:
      'Replace what an OAuth client or a federated identity may do, and for whom it stands. Its id and secret stay.',
    group,
    access: { kind: 'scope', any: ['oauth_keys', 'federated_keys'], act: 'write' },
    params,
    body: UpdateKey,
    reply: Key,
  }),
  deleteKey: route({
    method: 'DELETE',
    path: '/tailnet/{tailnet}/keys/{keyId}',
    summary: 'Revoke a key: nothing can join or log in by it any more, nor by the access tokens that it was given.',
    group,
    access: { kind: 'scope', any: anyType, act: 'write' },
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
