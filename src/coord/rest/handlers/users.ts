/** Answers the routes about users. */

import type { userRoutes } from '../../../wire/api/routes/users.ts'
import type { Plan } from '../../model/ledger.ts'
import type { User } from '../../model/records.ts'
import { done, refuse, settle } from '../answer.ts'
import type { Answer } from '../answer.ts'
import { NO_USER } from '../authorise.ts'
import type { At, Call, Handlers } from '../call.ts'
import { approveUser, createUser, deleteUser, restoreUser, setRole, suspendUser } from '../changes/users.ts'
import { viewUser } from '../views/user.ts'

export const userHandlers: Handlers<keyof typeof userRoutes> = {
  listUsers({ at }, { query }) {
    // Nobody is shared in from another tailnet yet.
    const shown = query.type === 'shared' ? [] : [...at.tailnet.usersById.values()]
    const users = shown
      .filter((user) => query.role === undefined || query.role === 'all' || user.role === query.role)
      .sort((a, b) => a.id - b.id)
      .map((user) => viewUser(at, user))
    return done({ users })
  },

  getUser({ at }, { params }) {
    const user = at.tailnet.usersById.get(Number(params.userId))
    return user === undefined ? refuse(404, NO_USER) : done(viewUser(at, user))
  },

  setUserRole: (call, { params, body }) => change(call, params.userId, (at, user) => setRole(at, user, body.role)),
  approveUser: (call, { params }) => change(call, params.userId, approveUser),
  suspendUser: (call, { params }) => change(call, params.userId, suspendUser),
  restoreUser: (call, { params }) => change(call, params.userId, restoreUser),
  deleteUser: (call, { params }) => change(call, params.userId, deleteUser),

  async createUser({ tools, change }, { body }) {
    const id = await tools.nextId('user')
    return change((at) => createUser(at, id, body))
  },
}

function change(call: Call, ref: string, build: (at: At, user: User) => Plan<Answer<undefined>>) {
  return call.change((at) => {
    const user = at.tailnet.usersById.get(Number(ref))
    return user === undefined ? settle(refuse(404, NO_USER)) : build(at, user)
  })
}
