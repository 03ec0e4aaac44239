/**
 * Deciding about devices that wait for somebody to say whose they are.
 *
 * Whoever knows a code may decide, once, and only for users of their own tailnet. Whether the user is still
 * active when the device comes back for its answer is looked at again then.
 */

import type { Login } from '../../../wire/api/sett-objects.ts'
import type { Plan } from '../../model/ledger.ts'
import type { PendingLogin } from '../../model/records.ts'
import { commit, done, refuse, settle } from '../answer.ts'
import type { Answer, Refusal } from '../answer.ts'
import type { At, Shared } from '../call.ts'
import { findUser, noSuchUser } from '../../model/people.ts'
import { viewLogin } from '../views/sett.ts'

export const NO_LOGIN = 'login not found: it may have expired; start again on the device'

export function approveLogin(at: At, shared: Shared, code: string, userName: string): Plan<Answer<Login>> {
  const login = waiting(at, shared, code)
  if (login.kind !== 'waiting') return settle(login)
  const user = findUser(at.tailnet, userName)
  if (user === undefined) return settle(refuse(400, noSuchUser(at.tailnet, userName)))
  if (user.status !== 'active') return settle(refuse(400, `User "${user.loginName}" is not active`))
  return decide(at, shared, login.login, { kind: 'approved', tailnet: at.tailnet.num, user: user.id })
}

export function refuseLogin(at: At, shared: Shared, code: string, reason: string): Plan<Answer<Login>> {
  const login = waiting(at, shared, code)
  if (login.kind !== 'waiting') return settle(login)
  return decide(at, shared, login.login, { kind: 'refused', why: reason || 'refused by an administrator' })
}

function decide(
  at: At,
  shared: Shared,
  login: PendingLogin,
  outcome: NonNullable<PendingLogin['outcome']>,
): Plan<Answer<Login>> {
  const after = { ...login, outcome }
  return commit({ writes: [shared.writeLogin(after)] }, done(viewLogin(after, at.now)))
}

/** The login behind a code, if the caller may see it: one that was decided is known to its own tailnet only. */
export function findLogin(at: At, shared: Shared, code: string): PendingLogin | undefined {
  const login = shared.login(code)
  const { outcome } = login ?? {}
  const isOthers = outcome?.kind === 'approved' && outcome.tailnet !== at.tailnet.num
  return isOthers && at.caller.kind !== 'server' ? undefined : login
}

function waiting(
  at: At,
  shared: Shared,
  code: string,
): { readonly kind: 'waiting'; readonly login: PendingLogin } | Refusal {
  const login = findLogin(at, shared, code)
  if (login === undefined) return refuse(404, NO_LOGIN)
  if (login.outcome !== undefined) return refuse(409, `This login was ${login.outcome.kind} already`)
  return login.expires <= at.now
    ? refuse(410, 'This login has expired: start again on the device')
    : { kind: 'waiting', login }
}
