/** Making and revoking auth keys and API tokens. (api-v2.md §4.4) */

import { later, SECOND_MS } from '../../../base/clock.ts'
import type { CreateKey, CreateToken } from '../../../wire/api/routes/keys.ts'
import type { Key as KeyObject } from '../../../wire/api/objects.ts'
import { covers, isScope } from '../../../wire/api/scopes.ts'
import type { Act, Scope } from '../../../wire/api/scopes.ts'
import { MAX_EXPIRY_S } from '../../../wire/api/words.ts'
import type { MintedKey } from '../../model/credentials.ts'
import type { Plan } from '../../model/ledger.ts'
import { ownerIn } from '../../model/owner.ts'
import type { Key } from '../../model/records.ts'
import { commit, done, DONE, refuse, settle } from '../answer.ts'
import type { Answer, Refusal } from '../answer.ts'
import type { At } from '../call.ts'
import { may, userIdOf } from '../caller.ts'
import { findUser, noSuchUser } from '../../model/people.ts'
import { joinedBy, viewKey } from '../views/key.ts'
import { shownScope } from '../bounds.ts'
import { permittedTags } from './tags.ts'

/** Makes an auth key. */
export function createKey(at: At, wanted: CreateKey, minted: MintedKey): Plan<Answer<KeyObject>> {
  const { caller } = at
  if (!may(caller, 'auth_keys', 'write')) return settle(scopeNeeded({ type: 'auth' }, 'write'))
  const { reusable, ephemeral, preauthorized, tags: asked } = wanted.capabilities.devices.create
  const tags = permittedTags(at, asked ?? [])
  if (!Array.isArray(tags)) return settle(tags)
  if (caller.kind === 'client' && tags.length === 0)
    return settle(refuse(400, 'A key that a client makes needs tags: its devices belong to them, and to no person'))
  const user = keyOwner(at, wanted.user)
  if (typeof user !== 'number') return settle(user)
  // A device without tags is somebody's; one that joins by the server's own key would be nobody's.
  const owner = user === 0 && tags.length === 0 ? ownerIn(at.tailnet)?.id : user
  if (owner === undefined)
    return settle(
      refuse(
        400,
        'A key without tags needs a user whose devices join by it, and there is none: create one, or give tags',
      ),
    )
  return add(at, minted, {
    ...common(at, minted, wanted),
    type: 'auth',
    user: owner,
    ...(caller.kind === 'client' ? { client: caller.id } : {}),
    reusable,
    ephemeral,
    preauthorized,
    tags,
    scopes: [],
  })
}

export function createToken(at: At, wanted: CreateToken, minted: MintedKey): Plan<Answer<KeyObject>> {
  const unknown = wanted.scopes.filter((scope) => !isScope(scope))
  if (unknown.length > 0) return settle(refuse(400, `No such scope: ${unknown.map(shownScope).join(' ')}`))
  const { caller } = at
  // A token of nobody in particular may use any tag, and is good for longer.
  if (caller.kind === 'client')
    return settle(
      refuse(403, 'Clients make no API tokens: they get access tokens of their own, at /api/v2/oauth/token'),
    )
  if (caller.kind === 'token' && !covers(caller.scopes, wanted.scopes))
    return settle(refuse(403, 'A token may not be given scopes that its maker does not have'))
  const user = keyOwner(at, wanted.user)
  if (typeof user !== 'number') return settle(user)
  return add(at, minted, {
    ...common(at, minted, wanted),
    type: 'api',
    user,
    reusable: true,
    ephemeral: false,
    preauthorized: false,
    tags: [],
    scopes: [...wanted.scopes],
  })
}

function common(at: At, minted: MintedKey, wanted: Pick<CreateKey, 'description' | 'expirySeconds'>) {
  const { id, hash } = minted
  const seconds = wanted.expirySeconds || MAX_EXPIRY_S
  return {
    id,
    hash,
    description: wanted.description ?? '',
    created: at.now,
    expires: later(at.now, seconds * SECOND_MS),
  }
}

function add(at: At, minted: MintedKey, key: Key): Plan<Answer<KeyObject>> {
  const shown = { ...viewKey(at, key, joinedBy(at.tailnet)), key: minted.text.reveal() }
  return commit({ writes: [{ kind: 'key', id: key.id, expect: 'absent', value: key }] }, done(shown))
}

/** Whose the new key is: the caller's, unless the server's administrator names somebody. */
function keyOwner(at: At, named: string | undefined) {
  if (named === undefined) return userIdOf(at.caller)
  const user = findUser(at.tailnet, named)
  if (at.caller.kind !== 'server' && (user === undefined || user.id !== userIdOf(at.caller)))
    return refuse(403, 'Only the administrator of the server may make keys for somebody else')
  if (user === undefined) return refuse(400, noSuchUser(at.tailnet, named))
  if (user.status !== 'active') return refuse(400, `User "${user.loginName}" is not active`)
  return user.id
}

/** Revoking what is revoked already changes nothing. */
export function revokeKey(at: At, id: string): Plan<Answer<undefined>> {
  const key = at.tailnet.key(id)
  if (key === undefined) return settle(refuse(404, NO_KEY))
  if (!may(at.caller, scopeOfKey(key), 'write')) return settle(scopeNeeded(key, 'write'))
  if (key.revoked !== undefined) return settle(DONE)
  return commit(
    { writes: [{ kind: 'key', id, expect: at.tailnet.version('key', id), value: { ...key, revoked: at.now } }] },
    DONE,
  )
}

export const NO_KEY = 'key not found'

const SCOPES = {
  auth: 'auth_keys',
  api: 'api_access_tokens',
  client: 'oauth_keys',
  federated: 'federated_keys',
  // What it does, it does to users.
  scim: 'users',
} as const satisfies Record<Key['type'], Scope>

export function scopeOfKey({ type }: Pick<Key, 'type'>): Scope {
  return SCOPES[type]
}

export function scopeNeeded(key: Pick<Key, 'type'>, act: Act): Refusal {
  return refuse(403, `This credential may not do this: it needs ${scopeOfKey(key)} (${act})`)
}
