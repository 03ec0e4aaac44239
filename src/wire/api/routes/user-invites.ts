/** Routes about links that let somebody join a tailnet. (api-v2.md §4.3) */

import * as z from 'zod'
import { CreateUserInvites, InviteRef, UserInvite } from '../account-objects.ts'
import { route } from '../route.ts'
import { TailnetRef } from '../words.ts'

const group = 'User invites'
const tailnet = z.object({ tailnet: TailnetRef })
const one = z.object({ userInviteId: InviteRef })
const read = { kind: 'scope', any: ['users'], act: 'read' } as const
/** Whose the token is, is the server's to check: it must be a user's. */
const write = { kind: 'scope', any: ['users'], act: 'write' } as const

export const userInviteRoutes = {
  listUserInvites: route({
    method: 'GET',
    path: '/tailnet/{tailnet}/user-invites',
    summary: 'List open invitations.',
    group,
    access: read,
    params: tailnet,
    reply: z.array(UserInvite),
  }),
  createUserInvites: route({
    method: 'POST',
    path: '/tailnet/{tailnet}/user-invites',
    summary: 'Make links that let somebody join, once each, within 30 days. Needs a token of a user.',
    group,
    access: write,
    params: tailnet,
    body: CreateUserInvites,
    reply: z.array(UserInvite),
  }),
  getUserInvite: route({
    method: 'GET',
    path: '/user-invites/{userInviteId}',
    summary: 'Show one invitation.',
    group,
    access: read,
    params: one,
    reply: UserInvite,
  }),
  deleteUserInvite: route({
    method: 'DELETE',
    path: '/user-invites/{userInviteId}',
    summary: 'Take an invitation back: its link leads nowhere any more. Needs a token of a user.',
    group,
    access: write,
    params: one,
  }),
  resendUserInvite: route({
    method: 'POST',
    path: '/user-invites/{userInviteId}/resend',
    summary: 'Make a new link for an invitation to a mail address, in place of the one before; once a minute.',
    group,
    access: write,
    params: one,
    reply: UserInvite,
  }),
} as const
