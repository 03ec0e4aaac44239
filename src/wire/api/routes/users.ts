/** Routes about users. (api-v2.md §4.3) */

import * as z from 'zod'
import { User } from '../objects.ts'
import { route } from '../route.ts'
import { Line, LoginName, Role, TailnetRef, UserRef } from '../words.ts'

const group = 'Users'
const params = z.object({ userId: UserRef })
const read = { kind: 'scope', any: ['users'], act: 'read' } as const
const write = { kind: 'scope', any: ['users'], act: 'write' } as const

export const CreateUser = z.object({
  loginName: LoginName,
  displayName: Line(254).optional(),
  role: Role.optional().meta({ description: 'Absent: owner for a tailnet’s first user, else member' }),
})
export type CreateUser = z.output<typeof CreateUser>

export const userRoutes = {
  listUsers: route({
    method: 'GET',
    path: '/tailnet/{tailnet}/users',
    summary: 'List users.',
    group,
    access: read,
    params: z.object({ tailnet: TailnetRef }),
    query: z.object({
      type: z.enum(['member', 'shared', 'all']).optional(),
      role: z.union([Role, z.literal('all')]).optional(),
    }),
    reply: z.object({ users: z.array(User) }),
  }),
  getUser: route({
    method: 'GET',
    path: '/users/{userId}',
    summary: 'Show one user.',
    group,
    access: read,
    params,
    reply: User,
  }),
  setUserRole: route({
    method: 'POST',
    path: '/users/{userId}/role',
    summary: 'Give a user another role. Making somebody owner makes the owner an admin.',
    group,
    access: write,
    params,
    body: z.object({ role: Role }),
  }),
  approveUser: route({
    method: 'POST',
    path: '/users/{userId}/approve',
    summary: 'Let a user in who waits for approval.',
    group,
    access: write,
    params,
  }),
  suspendUser: route({
    method: 'POST',
    path: '/users/{userId}/suspend',
    summary: 'Suspend a user: devices and credentials of theirs stop working.',
    group,
    access: write,
    params,
  }),
  restoreUser: route({
    method: 'POST',
    path: '/users/{userId}/restore',
    summary: 'Undo a suspension.',
    group,
    access: write,
    params,
  }),
  deleteUser: route({
    method: 'POST',
    path: '/users/{userId}/delete',
    summary: 'Delete a user, with their devices and credentials.',
    group,
    access: write,
    params,
  }),
  createUser: route({
    method: 'POST',
    path: '/sett/tailnet/{tailnet}/users',
    summary: 'Add a user.',
    group,
    access: write,
    params: z.object({ tailnet: TailnetRef }),
    body: CreateUser,
    reply: User,
  }),
} as const
