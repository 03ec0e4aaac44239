/** Routes that give access tokens to OAuth clients and federated identities. (api-v2.md §2.1, §2.2; RFC 6749) */

import * as z from 'zod'
import { route } from '../route.ts'

const group = 'OAuth'
const params = z.object({})

/** Longest ID token that is read. Those of large issuers have 1 to 3 kB. */
export const MAX_ID_TOKEN = 16 * 1024
const maxBody = 32 * 1024

/** Words between blanks. */
const Words = (max: number) => z.string().max(max).optional()

export const TokenRequest = z.object({
  grant_type: z.string().max(128).optional().meta({ description: '`client_credentials`, which it may also leave out' }),
  client_id: z.string().max(256).optional().meta({ description: 'Not looked at: the secret says whose it is' }),
  client_secret: z.string().max(512).optional().meta({ description: 'Here, or as the password of Basic' }),
  scope: Words(4096).meta({ description: 'Some of the client’s scopes, between blanks; all if not given' }),
  tags: Words(8192).meta({ description: 'Some of the client’s tags, between blanks; all if not given' }),
})
export type TokenRequest = z.output<typeof TokenRequest>

export const ExchangeRequest = z.object({
  client_id: z.string().min(1).max(256).meta({ description: 'Id of the federated identity' }),
  jwt: z.string().min(1).max(MAX_ID_TOKEN).meta({ description: 'ID token of its issuer' }),
})
export type ExchangeRequest = z.output<typeof ExchangeRequest>

export const AccessToken = z
  .object({
    access_token: z.string(),
    token_type: z.literal('Bearer'),
    expires_in: z.number().int().meta({ description: 'Seconds' }),
    scope: z.string().meta({ description: 'What it may be used for, between blanks' }),
  })
  .meta({ id: 'AccessToken' })
export type AccessToken = z.infer<typeof AccessToken>

export const oauthRoutes = {
  createAccessToken: route({
    method: 'POST',
    path: '/oauth/token',
    summary: 'Give an OAuth client an access token for an hour, by its secret.',
    group,
    access: { kind: 'self' },
    params,
    body: TokenRequest,
    takes: 'form',
    maxBody,
    reply: AccessToken,
  }),
  exchangeToken: route({
    method: 'POST',
    path: '/oauth/token-exchange',
    summary: 'Give a federated identity an access token for an hour, by an ID token of its issuer.',
    group,
    access: { kind: 'self' },
    params,
    body: ExchangeRequest,
    takes: 'form',
    maxBody,
    reply: AccessToken,
  }),
} as const
