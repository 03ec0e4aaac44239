/** Routes about how people come in: identity providers, sessions, and links that let somebody in once. */

import * as z from 'zod'
import { IdentityProvider, LoginLink, ProviderId, Session, SessionRef, SetProvider } from '../people-objects.ts'
import { route } from '../route.ts'
import { TailnetRef, UserRef } from '../words.ts'

const group = 'People'
const tailnet = z.object({ tailnet: TailnetRef })
const one = z.object({ tailnet: TailnetRef, provider: ProviderId })
const readProviders = { kind: 'scope', any: ['feature_settings'], act: 'read' } as const
const writeProviders = { kind: 'scope', any: ['feature_settings'], act: 'write' } as const
const readUsers = { kind: 'scope', any: ['users'], act: 'read' } as const
const writeUsers = { kind: 'scope', any: ['users'], act: 'write' } as const

export const peopleRoutes = {
  listProviders: route({
    method: 'GET',
    path: '/sett/tailnet/{tailnet}/identity-providers',
    summary: 'List the identity providers that people log in with.',
    group,
    access: readProviders,
    params: tailnet,
    reply: z.object({ identityProviders: z.array(IdentityProvider) }),
  }),
  getProvider: route({
    method: 'GET',
    path: '/sett/tailnet/{tailnet}/identity-providers/{provider}',
    summary: 'Show one identity provider.',
    group,
    access: readProviders,
    params: one,
    reply: IdentityProvider,
  }),
  setProvider: route({
    method: 'PUT',
    path: '/sett/tailnet/{tailnet}/identity-providers/{provider}',
    summary: 'Add an identity provider, or replace what is set of one. For the owner: it decides who is who.',
    group,
    access: writeProviders,
    params: one,
    body: SetProvider,
    reply: IdentityProvider,
  }),
  deleteProvider: route({
    method: 'DELETE',
    path: '/sett/tailnet/{tailnet}/identity-providers/{provider}',
    summary: 'Remove an identity provider. Who came by it stays, and can’t log in by it any more.',
    group,
    access: writeProviders,
    params: one,
  }),
  listSessions: route({
    method: 'GET',
    path: '/sett/tailnet/{tailnet}/sessions',
    summary: 'List the browsers in which people are logged in.',
    group,
    access: readUsers,
    params: tailnet,
    reply: z.object({ sessions: z.array(Session) }),
  }),
  endSession: route({
    method: 'DELETE',
    path: '/sett/tailnet/{tailnet}/sessions/{session}',
    summary: 'Log a browser out.',
    group,
    access: writeUsers,
    params: z.object({ tailnet: TailnetRef, session: SessionRef }),
  }),
  endSessionsOfUser: route({
    method: 'DELETE',
    path: '/sett/users/{userId}/sessions',
    summary: 'Log a user out of all browsers.',
    group,
    access: writeUsers,
    params: z.object({ userId: UserRef }),
  }),
  linkUser: route({
    method: 'POST',
    path: '/sett/users/{userId}/login-link',
    summary: 'Make a link by which a user gets one more way to log in, once: a passkey, or an account at a provider.',
    group,
    access: writeUsers,
    params: z.object({ userId: UserRef }),
    reply: LoginLink,
  }),
} as const
