/** Answers the routes about auth keys, API tokens, OAuth clients and federated identities. */

import type { keyRoutes } from '../../../wire/api/routes/keys.ts'
import { isTrust, mintKey } from '../../model/credentials.ts'
import type { Key } from '../../model/records.ts'
import { done, refuse } from '../answer.ts'
import type { Handlers } from '../call.ts'
import { may, userIdOf } from '../caller.ts'
import type { Caller } from '../caller.ts'
import { createKey, createToken, NO_KEY, revokeKey, scopeNeeded, scopeOfKey } from '../changes/keys.ts'
import { createTrust, replaceTrust } from '../changes/trust.ts'
import { isForgotten, joinedBy, viewKey } from '../views/key.ts'

export const keyHandlers: Handlers<keyof typeof keyRoutes> = {
  listKeys({ at, caller }, { query }) {
    const isListed = query.all === 'true' || caller.kind === 'server' ? () => true : isOf(caller)
    const keys = [...at.tailnet.all('key')]
      .filter((key) => !isForgotten(key, at.now) && may(caller, scopeOfKey(key), 'read'))
      .filter(isListed)
      .sort((a, b) => a.created - b.created || (a.id < b.id ? -1 : 1))
    const joined = joinedBy(at.tailnet)
    return done({ keys: keys.map((key) => viewKey(at, key, joined)) })
  },

  createKey({ tools, change }, { body }) {
    const { keyType: type } = body
    if (type !== 'auth' && type !== 'client' && type !== 'federated')
      return refuse(400, 'This type of key cannot be made: want "auth", "client" or "federated"')
    const minted = mintKey(tools.dice, tools.sha256, type === 'auth' ? 'auth' : 'client')
    if (type === 'auth') return change((at) => createKey(at, body, minted))
    return change((at) => createTrust(at, type, body, minted, hostOf(tools.config.url)))
  },

  getKey({ at, caller }, { params }) {
    const key = at.tailnet.key(params.keyId)
    if (key === undefined || isForgotten(key, at.now)) return refuse(404, NO_KEY)
    if (!isItself(caller, key) && !may(caller, scopeOfKey(key), 'read')) return scopeNeeded(key, 'read')
    return done(viewKey(at, key))
  },

  updateKey: ({ tools, change }, { params, body }) =>
    change((at) => replaceTrust(at, params.keyId, body, hostOf(tools.config.url))),

  deleteKey: ({ change }, { params }) => change((at) => revokeKey(at, params.keyId)),

  createToken({ tools, change }, { body }) {
    const minted = mintKey(tools.dice, tools.sha256, 'api')
    return change((at) => createToken(at, body, minted))
  },
}

function isItself(caller: Caller, { id }: Key): boolean {
  return caller.kind !== 'server' && caller.id === id
}

/** Without `all`: a client lists its own kind, everybody else what is their own and not the tailnet's. (api-v2.md §4.4) */
function isOf(caller: Caller): (key: Key) => boolean {
  if (caller.kind === 'client') return (key) => key.type === caller.type
  const own = userIdOf(caller)
  return (key) => !isTrust(key) && key.user === own && key.client === undefined
}

function hostOf(url: string): string {
  return new URL(url).host
}
