/** Answers the routes that Sett has beyond Tailscale's. */

import { formatTime } from '../../../base/clock.ts'
import { openApiDocument } from '../../../wire/api/openapi.ts'
import type { settRoutes } from '../../../wire/api/routes/sett.ts'
import { randomStableId } from '../../model/credentials.ts'
import { commit, done, refuse, settle } from '../answer.ts'
import { NO_DEVICE, nodeIn } from '../authorise.ts'
import type { Handlers } from '../call.ts'
import { approveLogin, findLogin, NO_LOGIN, refuseLogin } from '../changes/logins.ts'
import { newTailnet, tailnetWrites } from '../changes/tailnets.ts'
import { viewAddress, viewCertificate, viewLogin, viewTailnet } from '../views/sett.ts'

export const settHandlers: Handlers<keyof typeof settRoutes> = {
  getStatus({ tools, live, now, visible }) {
    const { version, url, started } = tools.config
    return done({
      version,
      url,
      started: formatTime(started),
      now: formatTime(now),
      ...viewCertificate(live),
      tailnets: visible.map((place) => viewTailnet(place, live)),
    })
  },

  getOpenApi: ({ tools }) => done(openApiDocument(tools.config.version)),

  listTailnets: ({ visible, live }) => done({ tailnets: visible.map((place) => viewTailnet(place, live)) }),

  async createTailnet({ tools, live, change }, { body }) {
    const num = await tools.nextId('tailnet')
    const stableId = randomStableId(tools.dice, 'T')
    return change((scope, now) => {
      const record = newTailnet(num, stableId, body.name, tools.config.tailnetDomain, now)
      const writes = tailnetWrites(scope, record)
      if (writes === undefined) return settle(refuse(409, `A tailnet "${body.name}" exists already`))
      const nobody = { nodesById: new Map(), usersById: new Map(), num }
      return commit({ writes }, done(viewTailnet({ record, tailnet: nobody }, live)))
    })
  },

  listLogins({ scope, now }) {
    const logins = [...scope.all('login')].filter((login) => login.outcome === undefined && login.expires > now)
    return done({ logins: logins.sort((a, b) => a.created - b.created).map((login) => viewLogin(login, now)) })
  },

  getLogin({ at, shared }, { params }) {
    const login = findLogin(at, shared, params.code)
    return login === undefined ? refuse(404, NO_LOGIN) : done(viewLogin(login, at.now))
  },

  approveLogin: ({ changeShared }, { params, body }) =>
    changeShared((at, shared) => approveLogin(at, shared, params.code, body.user)),

  refuseLogin: ({ changeShared }, { params, body }) =>
    changeShared((at, shared) => refuseLogin(at, shared, params.code, body.reason)),

  async pingDevice({ at, live }, { params, body }) {
    const node = nodeIn(at.tailnet, params.deviceId)
    return node === undefined ? refuse(404, NO_DEVICE) : done(await live.ping(at.tailnet.num, node, body.echo))
  },

  listAddresses({ at }, { query }) {
    const addresses = [...at.tailnet.entries('address')]
      .filter(([address]) => query.address === undefined || address === query.address)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([address, record]) => viewAddress(at.tailnet, address, record))
    return done({ addresses })
  },
}
