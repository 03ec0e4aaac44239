/** Answers the routes about invitations of people. */

import type { userInviteRoutes } from '../../../wire/api/routes/user-invites.ts'
import { randomStableId } from '../../model/credentials.ts'
import { mintTicket, openInvites } from '../../model/tickets.ts'
import { done, refuse } from '../answer.ts'
import { NO_INVITE } from '../authorise.ts'
import type { Handlers } from '../call.ts'
import { createInvites, deleteInvite, findInvite, resendInvite } from '../changes/user-invites.ts'
import { viewInvite } from '../views/user-invite.ts'

export const userInviteHandlers: Handlers<keyof typeof userInviteRoutes> = {
  listUserInvites({ at }) {
    const open = [...openInvites(at.tailnet, at.now)].map(([, ticket]) => ticket)
    return done(open.sort((a, b) => a.created - b.created).map((ticket) => viewInvite(at, ticket)))
  },

  createUserInvites({ at, change, tools }, { body }) {
    const { dice, sha256, config } = tools
    const minted = body.map(() => ({
      id: randomStableId(dice, 'i'),
      ticket: mintTicket(dice, sha256, at.tailnet.num),
    }))
    return change((at) => createInvites(at, body, minted, config.url))
  },

  getUserInvite({ at }, { params }) {
    const found = findInvite(at, params.userInviteId)
    return found === undefined ? refuse(404, NO_INVITE) : done(viewInvite(at, found[1]))
  },

  deleteUserInvite: ({ change }, { params }) => change((at) => deleteInvite(at, params.userInviteId)),

  resendUserInvite({ at, change, tools }, { params }) {
    const ticket = mintTicket(tools.dice, tools.sha256, at.tailnet.num)
    return change((at) => resendInvite(at, params.userInviteId, ticket, tools.config.url))
  },
}
