/** Changing how people come in: identity providers, sessions, links. */

import { formatTime, HOUR_MS, later } from '../../../base/clock.ts'
import type { LoginLink, IdentityProvider, SetProvider } from '../../../wire/api/people-objects.ts'
import type { Plan } from '../../model/ledger.ts'
import { hasWayIn } from '../../model/people.ts'
import type { Provider, Session, User, Write } from '../../model/records.ts'
import type { TailnetState } from '../../model/model.ts'
import { forgetDirectory, renamedGroups } from '../../model/groups.ts'
import { ticketUrl, ticketWrite } from '../../model/tickets.ts'
import type { MintedTicket } from '../../model/tickets.ts'
import { commit, DONE, done, refuse, settle } from '../answer.ts'
import type { Answer } from '../answer.ts'
import { roleOf } from '../caller.ts'
import type { At } from '../call.ts'
import { viewProvider } from '../views/people.ts'

export const NO_PROVIDER = 'identity provider not found'
const PROVIDERS_MAX = 20
/** A link is sent to somebody who opens it within the day. */
const LINK_MS = 24 * HOUR_MS

/**
 * Whoever says where an identity provider is, or which certificate it signs with, may be whom they like by it; so that
 * is the owner's.
 *
 * @param sealed the new secret, sealed; absent: the one that is there stays
 */
export function setProvider(
  at: At,
  id: string,
  wanted: SetProvider,
  sealed: string | undefined,
  url: string,
): Plan<Answer<IdentityProvider>> {
  if (roleOf(at.caller) !== 'owner')
    return settle(refuse(403, 'Only the owner, or the server’s own administrator, sets identity providers'))
  const before = at.tailnet.get('provider', id)
  if (before === undefined && at.tailnet.count('provider') >= PROVIDERS_MAX)
    return settle(refuse(400, `A tailnet has at most ${PROVIDERS_MAX} identity providers: remove one first`))
  const settings = settingsOf(wanted.settings, sealed, before?.settings)
  if (settings === undefined)
    return settle(refuse(400, 'settings.clientSecret: want the secret that the provider gave for this client'))
  const provider: Provider = {
    id,
    title: wanted.title,
    settings,
    admits: wanted.admits,
    ...(wanted.groupDomain === undefined ? {} : { groupDomain: wanted.groupDomain }),
    created: before?.created ?? at.now,
  }
  const write: Write = { kind: 'provider', id, expect: at.tailnet.version('provider', id), value: provider }
  return commit({ writes: [write, ...renamedGroups(at.tailnet, provider)] }, done(viewProvider(provider, url)))
}

function settingsOf(
  wanted: SetProvider['settings'],
  sealed: string | undefined,
  before: Provider['settings'] | undefined,
): Provider['settings'] | undefined {
  if (wanted.kind === 'saml') return wanted
  const { clientSecret: _plain, ...rest } = wanted
  // A secret is that of one client at one provider: it does not go along to another.
  const kept =
    before?.kind !== 'saml' &&
    before?.kind === rest.kind &&
    before.clientId === rest.clientId &&
    isSamePlace(before, rest)
      ? before.clientSecret
      : undefined
  const clientSecret = sealed ?? kept
  if (rest.kind === 'oidc') return { ...rest, ...(clientSecret === undefined ? {} : { clientSecret }) }
  return clientSecret === undefined ? undefined : { ...rest, clientSecret }
}

type Rest =
  | { readonly kind: 'oidc'; readonly issuer: string }
  | { readonly kind: 'github'; readonly url: string; readonly apiUrl: string }

function isSamePlace(a: Rest, b: Rest): boolean {
  if (a.kind === 'oidc') return b.kind === 'oidc' && a.issuer === b.issuer
  return b.kind === 'github' && a.url === b.url && a.apiUrl === b.apiUrl
}

export function deleteProvider(at: At, id: string): Plan<Answer<undefined>> {
  if (at.tailnet.get('provider', id) === undefined) return settle(refuse(404, NO_PROVIDER))
  const write: Write = { kind: 'provider', id, expect: at.tailnet.version('provider', id), value: null }
  return commit({ writes: [write, ...forgetDirectory(at.tailnet, id, at.now)] }, DONE)
}

/** The sessions of a tailnet, with the ids of their records. */
export function sessionsOf(server: TailnetState, tailnet: TailnetState): (readonly [string, Session])[] {
  return [...server.entries('session')].filter(([, session]) => session.tailnet === tailnet.num)
}

export function endSessions(ids: readonly string[]): Plan<Answer<undefined>> {
  if (ids.length === 0) return settle(DONE)
  return commit({ writes: ids.map((id): Write => ({ kind: 'session', id, expect: 'any', value: null })) }, DONE)
}

/** A link for somebody who has no way in. Nobody makes one for whoever may do more than they. */
export function linkUser(at: At, user: User, minted: MintedTicket, url: string): Plan<Answer<LoginLink>> {
  if (user.status !== 'active') return settle(refuse(400, `User "${user.loginName}" is not active`))
  if (user.role === 'owner' && roleOf(at.caller) !== 'owner')
    return settle(refuse(403, 'Only the owner, or the server’s own administrator, makes a link for the owner'))
  const expires = later(at.now, LINK_MS)
  const write = ticketWrite(minted, {
    purpose: user.role === 'owner' && !hasWayIn(at.tailnet, user.id) ? 'owner' : 'passkey',
    user: user.id,
    by: at.caller.kind === 'server' ? '' : (at.caller.user?.loginName ?? at.caller.id),
    created: at.now,
    expires,
  })
  return commit({ writes: [write] }, done({ url: ticketUrl(url, minted), expires: formatTime(expires) }))
}
