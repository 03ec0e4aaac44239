/** Answers the routes about auth keys and API tokens. */

import type { keyRoutes } from '../../../wire/api/routes/keys.ts'
import { mintKey } from '../../model/credentials.ts'
import { done, refuse } from '../answer.ts'
import type { Handlers } from '../call.ts'
import { may, userIdOf } from '../caller.ts'
import { createKey, createToken, NO_KEY, revokeKey, scopeOfKey } from '../changes/keys.ts'
import { isForgotten, joinedBy, viewKey } from '../views/key.ts'

export const keyHandlers: Handlers<keyof typeof keyRoutes> = {
  listKeys({ at, caller }, { query }) {
    const own = userIdOf(caller)
    const keys = [...at.tailnet.all('key')]
      .filter((key) => !isForgotten(key, at.now) && may(caller, scopeOfKey(key), 'read'))
      .filter((key) => query.all === 'true' || caller.kind === 'server' || key.user === own)
      .sort((a, b) => a.created - b.created || (a.id < b.id ? -1 : 1))
    const joined = joinedBy(at.tailnet)
    return done({ keys: keys.map((key) => viewKey(at, key, joined)) })
  },

  createKey({ tools, change }, { body }) {
    const minted = mintKey(tools.dice, tools.sha256, 'auth')
    return change((at) => createKey(at, body, minted))
  },

  getKey({ at, caller }, { params }) {
    const key = at.tailnet.key(params.keyId)
    if (key === undefined || isForgotten(key, at.now)) return refuse(404, NO_KEY)
    const isItself = caller.kind === 'token' && caller.id === key.id
    if (!isItself && !may(caller, scopeOfKey(key), 'read'))
      return refuse(403, `This credential may not do this: it needs ${scopeOfKey(key)} (read)`)
    return done(viewKey(at, key))
  },

  deleteKey: ({ change }, { params }) => change((at) => revokeKey(at, params.keyId)),

  createToken({ tools, change }, { body }) {
    const minted = mintKey(tools.dice, tools.sha256, 'api')
    return change((at) => createToken(at, body, minted))
  },
}
