/**
 * Who is asking: first what a request proves, then what that is worth in the tailnet as it stands.
 *
 * The proof is made once for each request, since it compares secrets; its worth is looked up anew whenever a
 * transaction is built, so that a token revoked in between changes nothing any more.
 */

import { fromBase64, textOf } from '../../base/bytes.ts'
import type { Wall } from '../../base/clock.ts'
import { covers, grants } from '../../wire/api/scopes.ts'
import type { Act, Scope } from '../../wire/api/scopes.ts'
import { isSecretOf, isTrust, keyState, parseKeyText } from '../model/credentials.ts'
import type { Sha256 } from '../model/credentials.ts'
import { accountActor, clientActor, userActor } from '../model/actors.ts'
import type { Account } from '../model/actors.ts'
import type { By } from '../model/audit.ts'
import type { Model, TailnetState } from '../model/model.ts'
import type { Check, Role, User } from '../model/records.ts'
import type { Refusal } from './answer.ts'
import { rolePermits } from './roles.ts'

/** What the shell may vouch for: the caller is the server's own administrator, seen over its Unix socket. */
export interface Identity {
  readonly kind: 'server'
  /** Whose process it is. */
  readonly account: Account
}

/** What a request has proved. */
export type Proof = Identity | { readonly kind: 'token' | 'access-token'; readonly id: string }

export type Caller =
  | Identity
  | {
      readonly kind: 'token'
      readonly id: string
      readonly tailnet: TailnetState
      readonly scopes: readonly string[]
      /** Absent for a token that belongs to the tailnet rather than to somebody. */
      readonly user: User | undefined
    }
  | Client

/** An OAuth client or a federated identity, with one of its access tokens. */
export interface Client {
  readonly kind: 'client'
  /** Of the client, not of its access token. */
  readonly id: string
  readonly type: 'client' | 'federated'
  /** What people call it; may be empty. */
  readonly description: string
  /** Id of the access token. */
  readonly token: string
  readonly tailnet: TailnetState
  readonly scopes: readonly string[]
  /** Those that it may give to devices, and those that these own. */
  readonly tags: readonly string[]
  readonly user: undefined
}

/** Nobody was proved; the caller is not told more than that, and the log which way it was. */
export interface Unproved extends Refusal {
  readonly status: 401
  readonly fault: string
  /** Of a token that there is, or was. */
  readonly id?: string
}

function unproved(fault: string, id?: string, message = 'API token invalid'): Unproved {
  return { kind: 'refused', status: 401, message, fault, ...(id === undefined ? {} : { id }) }
}

/** Reads the credential of a request: `Bearer`, or Basic with the token as its user name (api-v2.md §2). */
export function prove(authorization: string | null, model: Model, sha256: Sha256): Proof | Unproved {
  if (authorization === null)
    return unproved(
      'no token',
      undefined,
      'API token missing: send it as a Bearer token, or as the user name of Basic authentication',
    )
  const text = credentialOf(authorization)
  const parsed = text === undefined ? undefined : parseKeyText(text)
  // Auth keys let devices join; they open nothing here.
  if (parsed === undefined) return unproved('not of the form of a token')
  if (parsed.type !== 'api') return unproved(OTHER[parsed.type])
  const key = model.keyById(parsed.id)?.key
  const token = key?.type === 'api' ? key : undefined
  const found = token ?? model.accessTokenById(parsed.id)?.token
  if (found === undefined) return unproved('unknown token')
  return isSecretOf(sha256, found, parsed.secret)
    ? { kind: token === undefined ? 'access-token' : 'token', id: parsed.id }
    : unproved('wrong secret', parsed.id)
}

const OTHER = { auth: 'an auth key', client: 'an OAuth secret', scim: 'a SCIM token' } as const

function credentialOf(authorization: string): string | undefined {
  const m = /^(Bearer|Basic) +(\S+) *$/i.exec(authorization)
  if (m === null) return undefined
  if ((m[1] as string).toLowerCase() === 'bearer') return m[2] as string
  const bytes = fromBase64(m[2] as string)
  return bytes === undefined ? undefined : textOf(bytes)?.split(':', 1)[0]
}

/** What a proof is worth now. A token that has run out may be told so: its secret was right. */
export function callerOf(proof: Proof, model: Model, now: Wall): Caller | Unproved {
  if (proof.kind === 'server') return proof
  if (proof.kind === 'access-token') return clientOf(proof.id, model, now)
  const found = model.keyById(proof.id)
  if (found === undefined) return unproved('unknown token')
  const { tailnet, key } = found
  const state = keyState(tailnet, key, now)
  if (state === 'valid')
    return { kind: 'token', id: key.id, tailnet, scopes: key.scopes, user: tailnet.usersById.get(key.user) }
  return state === 'expired' ? unproved(state, key.id, 'API token expired') : unproved(state, key.id)
}

/** What was taken from a client since is taken from its access tokens as well. */
function clientOf(id: string, model: Model, now: Wall): Client | Unproved {
  const found = model.accessTokenById(id)
  const key = found?.tailnet.key(found.token.client)
  if (found === undefined || key === undefined || !isTrust(key)) return unproved('unknown token')
  const { tailnet, token } = found
  if (token.expires <= now) return unproved('expired', id, 'API token expired')
  const state = keyState(tailnet, key, now)
  if (state !== 'valid') return unproved(`its client is ${state}`, id)
  return {
    kind: 'client',
    id: key.id,
    type: key.type,
    description: key.description,
    token: id,
    tailnet,
    scopes: token.scopes.filter((scope) => covers(key.scopes, [scope])),
    tags: token.tags.filter((tag) => key.tags.includes(tag)),
    user: undefined,
  }
}

/** The caller's role; clients, and tokens of nobody in particular, have an admin's rights, within their scopes. */
export function roleOf(caller: Caller): Role {
  if (caller.kind === 'server') return 'owner'
  return caller.user?.role ?? 'admin'
}

/** Id of the user behind the caller, 0 for the server, for clients and for tokens of nobody. */
export function userIdOf(caller: Caller): number {
  return caller.kind === 'token' ? (caller.user?.id ?? 0) : 0
}

/** May the caller do this at all? Both its scopes and its user's role must say so. */
export function may(caller: Caller, scope: Scope, act: Act): boolean {
  if (caller.kind === 'server') return true
  return grants(caller.scopes, scope, act) && rolePermits(roleOf(caller), scope, act)
}

/**
 * Whom the audit log names: a person wherever one is known, else the client by its credential.
 *
 * @param from Address that the caller asks from
 */
export function byOf(caller: Caller, from: string | undefined): By {
  const where = from === undefined ? {} : { from }
  if (caller.kind === 'server') return { origin: 'CONFIG_API', actor: accountActor(caller.account), ...where }
  if (caller.kind === 'client')
    return { origin: 'CONFIG_API', actor: clientActor(caller), details: `access token ${caller.token}`, ...where }
  const { id, user } = caller
  const details = `token ${id}`
  if (user === undefined)
    return { origin: 'CONFIG_API', actor: { id, type: 'OAUTH_CLIENT', displayName: details }, details, ...where }
  return { origin: 'CONFIG_API', actor: userActor(user), details, ...where }
}

/** The records that made the caller what it is: a transaction of its tailnet rests on them. */
export function checksOf(caller: Caller): Check[] {
  if (caller.kind === 'server') return []
  const { tailnet, id, user } = caller
  const checks: Check[] = [{ kind: 'key', id, version: tailnet.version('key', id) }]
  if (caller.kind === 'client')
    checks.push({ kind: 'access-token', id: caller.token, version: tailnet.version('access-token', caller.token) })
  if (user !== undefined)
    checks.push({ kind: 'user', id: String(user.id), version: tailnet.version('user', String(user.id)) })
  return checks
}
