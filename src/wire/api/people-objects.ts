/** How people come in: identity providers, sessions, links. Sett's own objects. */

import * as z from 'zod'
import { Line, Time } from './words.ts'

export const ProviderId = z
  .string()
  .regex(
    /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/,
    'want a label: lower-case letters, digits and inner hyphens, at most 32',
  )
  // It is the name of another way to log in.
  .refine((id) => id !== 'passkey', 'want another name than "passkey"')
  .meta({ description: 'A label of your choice, such as `google`' })

/** Over TLS; on this machine itself nobody reads along. No user, no fragment. */
const WEB_URL =
  /^(https:\/\/[^\s/?#@\\]{1,253}|http:\/\/(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?)(\/[^\s#\\]*)?$/i
const WebUrl = z.string().max(2048).regex(WEB_URL, 'want an https:// URL (http:// only on this machine itself)')

const ClientId = Line(512).min(1)
const ClientSecret = z.string().min(1).max(4096).meta({ description: 'Never shown again' })
const Name = Line(256).min(1)

export const Admits = z
  .object({
    anyone: z
      .boolean()
      .default(false)
      .meta({ description: 'Whoever has an account there; never for Google and the like' }),
    domains: z.array(Name).max(100).default([]).meta({ description: 'Of verified mail addresses' }),
    groups: z.array(Name).max(1000).default([]).meta({ description: 'As the provider names them' }),
    users: z.array(Name).max(10_000).default([]).meta({ description: 'Verified mail addresses' }),
  })
  .meta({ description: 'Who may join by it. Nobody is listed: only those who are known already.' })

const oidc = {
  kind: z.literal('oidc'),
  issuer: WebUrl,
  clientId: ClientId,
  scopes: z.array(Name).max(50).default(['openid', 'profile', 'email']),
  groupsClaim: Name.default('groups'),
  trustEmail: z
    .boolean()
    .default(false)
    .meta({ description: 'Its addresses count although it does not say that they are verified' }),
}
const github = {
  kind: z.literal('github'),
  clientId: ClientId,
  url: WebUrl.default('https://github.com'),
  apiUrl: WebUrl.default('https://api.github.com'),
}
const saml = {
  kind: z.literal('saml'),
  entityId: Name,
  ssoUrl: WebUrl,
  certificates: z.array(z.string().min(1).max(16_384)).min(1).max(10).meta({ description: 'PEM' }),
  emailAttribute: Name.default('email'),
  groupsAttribute: Name.default('groups'),
}

export const ProviderSettings = z.discriminatedUnion('kind', [z.object(oidc), z.object(github), z.object(saml)])
/** As a request has them: with the secret. */
export const NewProviderSettings = z.discriminatedUnion('kind', [
  z.object({ ...oidc, clientSecret: ClientSecret.optional() }),
  z.object({ ...github, clientSecret: ClientSecret.optional() }),
  z.object(saml),
])

export const IdentityProvider = z.object({
  id: ProviderId,
  title: Line(64).min(1),
  settings: ProviderSettings,
  admits: Admits,
  groupDomain: z
    .string()
    .regex(/^[a-z0-9.-]{1,189}$/, 'want a domain')
    .optional()
    .meta({ description: 'Its groups are `group:NAME@DOMAIN` in policies; absent: they are not used' }),
  callbackUrl: z.string().meta({ description: 'What to enter at the provider as the address to come back to' }),
  created: Time,
})
export type IdentityProvider = z.output<typeof IdentityProvider>

export const SetProvider = z.object({
  title: Line(64).min(1),
  settings: NewProviderSettings.meta({ description: 'Without `clientSecret`, the one that is there stays' }),
  admits: Admits.default({ anyone: false, domains: [], groups: [], users: [] }),
  groupDomain: IdentityProvider.shape.groupDomain,
})
export type SetProvider = z.output<typeof SetProvider>

export const SessionRef = z.string().regex(/^[0-9a-f]{16}$/, 'want a session id')

export const Session = z.object({
  id: SessionRef,
  userId: z.string(),
  loginName: z.string(),
  method: z.string().meta({ description: '`passkey`, or the id of a provider' }),
  authenticated: Time,
  created: Time,
  lastUsed: Time,
  expires: Time,
  from: z.string(),
  agent: z.string(),
})
export type Session = z.output<typeof Session>

export const LoginLink = z.object({
  url: z.string().meta({ description: 'Shown once' }),
  expires: Time,
})
export type LoginLink = z.output<typeof LoginLink>
