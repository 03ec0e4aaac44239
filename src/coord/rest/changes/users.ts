/**
 * Users: added, let in, given roles, suspended, restored, deleted. (api-v2.md §2.5, §4.3)
 *
 * A tailnet has exactly one owner from its first user on; that, and that login names are unique, are records that
 * the transactions rest on. Nobody changes their own standing, but for the owner, who may hand the tailnet over.
 */

import type { CreateUser } from '../../../wire/api/routes/users.ts'
import type { User as UserObject } from '../../../wire/api/objects.ts'
import type { Plan } from '../../model/ledger.ts'
import { findUser, holderWrite, newUser, OWNER_HOLDER, userWrite, userWrites } from '../../model/people.ts'
import type { Role, User } from '../../model/records.ts'
import { restoreWrites, suspendWrites, userDeletion } from '../../model/user-changes.ts'
import { commit, DONE, done, refuse, settle } from '../answer.ts'
import type { Answer } from '../answer.ts'
import { userIdOf } from '../caller.ts'
import type { At } from '../call.ts'
import { viewUser } from '../views/user.ts'

type Change = Plan<Answer<undefined>>

export function createUser(at: At, id: number, wanted: CreateUser): Plan<Answer<UserObject>> {
  if (findUser(at.tailnet, wanted.loginName) !== undefined)
    return settle(refuse(409, `A user "${wanted.loginName}" exists already`))
  const hasOwner = at.tailnet.get('holder', OWNER_HOLDER) !== undefined
  const role = wanted.role ?? (hasOwner ? 'member' : 'owner')
  if ((role === 'owner') === hasOwner)
    return settle(
      refuse(
        400,
        hasOwner
          ? 'A tailnet has one owner: create the user with another role, then hand the ownership over'
          : 'The first user of a tailnet is its owner',
      ),
    )
  const user = newUser(id, wanted.loginName, role, at.now, wanted.displayName)
  return commit({ writes: userWrites(at.tailnet, user) }, done(viewUser(at, user)))
}

export function setRole(at: At, user: User, role: Role): Change {
  const self = userIdOf(at.caller)
  const isSelf = self === user.id
  if (role === user.role) return isSelf && role !== 'owner' ? settle(refuse(403, NOT_SELF)) : settle(DONE)
  if (user.role === 'owner')
    return settle(refuse(400, 'The owner’s role changes only when they make somebody else the owner'))
  if (isSelf) return settle(refuse(403, NOT_SELF))
  const writes = [userWrite(at.tailnet, { ...user, role })]
  if (role === 'owner') {
    const owner = at.tailnet.usersById.get(at.tailnet.get('holder', OWNER_HOLDER)?.holder ?? 0)
    if (at.caller.kind !== 'server' && (owner === undefined || owner.id !== self))
      return settle(refuse(403, 'Only the owner may make somebody else the owner'))
    if (user.status !== 'active') return settle(refuse(400, 'Only an active user can become the owner'))
    if (owner !== undefined) writes.push(userWrite(at.tailnet, { ...owner, role: 'admin' }))
    writes.push(holderWrite(at.tailnet, OWNER_HOLDER, user.id))
  }
  return commit({ writes }, DONE)
}

const NOT_SELF = 'You may not change your own role or standing'
const NOT_OWNER = 'The owner of the tailnet can neither be suspended nor deleted: hand the ownership over first'

function untouchable(at: At, user: User) {
  if (userIdOf(at.caller) === user.id) return refuse(403, NOT_SELF)
  return user.role === 'owner' ? refuse(400, NOT_OWNER) : undefined
}

export function approveUser(at: At, user: User): Change {
  if (userIdOf(at.caller) === user.id) return settle(refuse(403, NOT_SELF))
  if (user.status !== 'needs-approval') return settle(DONE)
  return commit({ writes: [userWrite(at.tailnet, { ...user, status: 'active' })] }, DONE)
}

/** Their devices are cut off until they are restored; their keys and tokens do not work meanwhile. */
export function suspendUser(at: At, user: User): Change {
  const no = untouchable(at, user)
  if (no !== undefined) return settle(no)
  if (user.status === 'suspended') return settle(DONE)
  return commit({ writes: suspendWrites(at.tailnet, user) }, DONE)
}

export function restoreUser(at: At, user: User): Change {
  if (userIdOf(at.caller) === user.id) return settle(refuse(403, NOT_SELF))
  if (user.status !== 'suspended') return settle(DONE)
  return commit({ writes: restoreWrites(at.tailnet, user) }, DONE)
}

export function deleteUser(at: At, user: User): Change {
  const no = untouchable(at, user)
  return no === undefined ? commit(userDeletion(at.tailnet, user, at.now), DONE) : settle(no)
}
