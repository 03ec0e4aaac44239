/** How people come in, as the API shows it: never a secret, nor what a cookie or a link is known by. */

import { formatTime } from '../../../base/clock.ts'
import type { IdentityProvider, Session as SessionObject } from '../../../wire/api/people-objects.ts'
import type { Provider, Session } from '../../model/records.ts'
import type { TailnetState } from '../../model/model.ts'

/** So much of a session's id tells it from others. */
export const SESSION_ID_LENGTH = 16

export function viewProvider({ settings, ...provider }: Provider, url: string): IdentityProvider {
  const { clientSecret: _sealed, ...shown } =
    settings.kind === 'saml' ? { ...settings, clientSecret: undefined } : settings
  return {
    id: provider.id,
    title: provider.title,
    settings: structuredShown(shown),
    admits: {
      anyone: provider.admits.anyone,
      domains: [...provider.admits.domains],
      groups: [...provider.admits.groups],
      users: [...provider.admits.users],
    },
    ...(provider.groupDomain === undefined ? {} : { groupDomain: provider.groupDomain }),
    // Answers by SAML are posted, the others come as addresses.
    callbackUrl: `${url}/auth/${settings.kind === 'saml' ? 'saml' : 'callback'}`,
    created: formatTime(provider.created),
  }
}

type Shown = IdentityProvider['settings']

function structuredShown(settings: object): Shown {
  // Records are read only and replies are not; their members are the same.
  return JSON.parse(JSON.stringify(settings)) as Shown
}

export function viewSession(tailnet: TailnetState, id: string, session: Session): SessionObject {
  return {
    id: id.slice(0, SESSION_ID_LENGTH),
    userId: String(session.user),
    loginName: tailnet.usersById.get(session.user)?.loginName ?? '',
    method: session.authenticated.method,
    authenticated: formatTime(session.authenticated.at),
    created: formatTime(session.created),
    lastUsed: formatTime(session.used),
    expires: formatTime(session.expires),
    from: session.from,
    agent: session.agent,
  }
}
