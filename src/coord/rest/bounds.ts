/**
 * What a caller may give to a credential of its tailnet: never more than it has. (api-v2.md §2.4, §2.5)
 *
 * API tokens stay with their user's role, which is looked at when they are used. What outlives its maker, clients and
 * federated identities, is bounded here, when it is made.
 */

import { covers, isScope, meaningOf } from '../../wire/api/scopes.ts'
import type { Role } from '../model/records.ts'
import { refuse } from './answer.ts'
import type { Refusal } from './answer.ts'
import type { Caller } from './caller.ts'
import { hasEveryRight, rolePermits } from './roles.ts'

/** Why these scopes may not be given; `undefined` if they may. */
export function scopesAmiss(caller: Caller, scopes: readonly string[]): Refusal | undefined {
  const unknown = scopes.filter((scope) => !isScope(scope))
  if (unknown.length > 0) return refuse(400, `No such scope: ${unknown.map(shownScope).join(' ')}`)
  const beyond = scopes.filter((scope) => !mayGive(caller, scope))
  if (beyond.length > 0)
    return refuse(403, `Whoever makes a credential cannot give it more than they may do: ${beyond.join(' ')}`)
  return undefined
}

function mayGive(caller: Caller, scope: string): boolean {
  if (caller.kind === 'server') return true
  return covers(caller.scopes, [scope]) && (caller.user === undefined || roleCovers(caller.user.role, scope))
}

/** `all` is everything that there will ever be: only for those who may do everything. */
function roleCovers(role: Role, text: string): boolean {
  const { scopes, act } = meaningOf(text)
  if (act === 'write' && hasEveryRight(role)) return true
  return scopes.every((scope) => rolePermits(role, scope, act))
}

/** Devices that come by such a credential need tags. (api-v2.md §2.4) */
export function needsTags(scopes: readonly string[]): boolean {
  return scopes.some((text) => {
    const { scopes, act } = meaningOf(text)
    return act === 'write' && scopes.some((scope) => scope === 'devices:core' || scope === 'auth_keys')
  })
}

/** What is no scope's form stays out of the message: it might be a token, pasted by mistake. */
export function shownScope(text: string): string {
  return /^[a-z_]+(:[a-z_]+)*$/.test(text) ? text : '(not shown)'
}
