/** Answers the routes about how people come in. */

import type { peopleRoutes } from '../../../wire/api/routes/people.ts'
import { providerSecretPlace } from '../../model/people.ts'
import { mintTicket } from '../../model/tickets.ts'
import { done, refuse, settle } from '../answer.ts'
import { NO_USER } from '../authorise.ts'
import type { Handlers } from '../call.ts'
import { deleteProvider, endSessions, linkUser, NO_PROVIDER, sessionsOf, setProvider } from '../changes/people.ts'
import { SESSION_ID_LENGTH, viewProvider, viewSession } from '../views/people.ts'

export const peopleHandlers: Handlers<keyof typeof peopleRoutes> = {
  listProviders({ at, tools }) {
    const all = [...at.tailnet.all('provider')].sort((a, b) => (a.id < b.id ? -1 : 1))
    return done({ identityProviders: all.map((provider) => viewProvider(provider, tools.config.url)) })
  },

  getProvider({ at, tools }, { params }) {
    const provider = at.tailnet.get('provider', params.provider)
    return provider === undefined ? refuse(404, NO_PROVIDER) : done(viewProvider(provider, tools.config.url))
  },

  setProvider({ change, tools }, { params, body }) {
    const { settings } = body
    const plain = settings.kind === 'saml' ? undefined : settings.clientSecret
    const sealed = plain === undefined ? undefined : tools.seal(plain, providerSecretPlace(params.provider))
    return change((at) => setProvider(at, params.provider, body, sealed, tools.config.url))
  },

  deleteProvider: ({ change }, { params }) => change((at) => deleteProvider(at, params.provider)),

  listSessions({ at, shared }) {
    const sessions = sessionsOf(shared.server, at.tailnet).filter(([, session]) => session.expires > at.now)
    return done({
      sessions: sessions.sort(([, a], [, b]) => b.used - a.used).map(([id, one]) => viewSession(at.tailnet, id, one)),
    })
  },

  endSession: ({ changeShared }, { params }) =>
    changeShared((at, shared) => {
      const found = sessionsOf(shared.server, at.tailnet).find(
        ([id]) => id.slice(0, SESSION_ID_LENGTH) === params.session,
      )
      return found === undefined ? settle(refuse(404, 'session not found')) : endSessions([found[0]])
    }),

  endSessionsOfUser: ({ changeShared }, { params }) =>
    changeShared((at, shared) =>
      endSessions(
        sessionsOf(shared.server, at.tailnet)
          .filter(([, session]) => session.user === Number(params.userId))
          .map(([id]) => id),
      ),
    ),

  linkUser({ at: { tailnet }, change, tools }, { params }) {
    const minted = mintTicket(tools.dice, tools.sha256, tailnet.num)
    return change((at) => {
      const user = at.tailnet.usersById.get(Number(params.userId))
      return user === undefined ? settle(refuse(404, NO_USER)) : linkUser(at, user, minted, tools.config.url)
    })
  },
}
