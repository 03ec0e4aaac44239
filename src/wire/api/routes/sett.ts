/** Routes that Sett has beyond Tailscale's: logins, tailnets, addresses, the server. */

import * as z from 'zod'
import { route } from '../route.ts'
import { AddressHistory, Login, Pinged, ServerStatus, Tailnet } from '../sett-objects.ts'
import { DeviceRef, DnsLabel, Line, LoginCode, TailnetRef, UserName } from '../words.ts'

const group = 'Sett'
const server = { kind: 'server' } as const
const loginParams = z.object({ tailnet: TailnetRef, code: LoginCode })
/** A login's code is known only to whoever was shown it, so knowing one is half of the permission. */
const loginWrite = { kind: 'scope', any: ['devices:core'], act: 'write' } as const

export const settRoutes = {
  getStatus: route({
    method: 'GET',
    path: '/sett/status',
    summary: 'Show the server, and the tailnets that the credential may see.',
    group,
    access: { kind: 'credential' },
    params: z.object({}),
    reply: ServerStatus,
  }),
  getOpenApi: route({
    method: 'GET',
    path: '/openapi.json',
    summary: 'This document.',
    group,
    access: { kind: 'credential' },
    params: z.object({}),
    reply: z.looseObject({ openapi: z.string() }),
  }),
  listTailnets: route({
    method: 'GET',
    path: '/sett/tailnets',
    summary: 'List the tailnets of this server.',
    group,
    access: server,
    params: z.object({}),
    reply: z.object({ tailnets: z.array(Tailnet) }),
  }),
  createTailnet: route({
    method: 'POST',
    path: '/sett/tailnets',
    summary: 'Add a tailnet, apart from all others.',
    group,
    access: server,
    params: z.object({}),
    body: z.object({ name: DnsLabel }),
    reply: Tailnet,
  }),
  listLogins: route({
    method: 'GET',
    path: '/sett/logins',
    summary: 'List the devices that wait for somebody to approve them.',
    group,
    access: server,
    params: z.object({}),
    reply: z.object({ logins: z.array(Login) }),
  }),
  getLogin: route({
    method: 'GET',
    path: '/sett/tailnet/{tailnet}/logins/{code}',
    summary: 'Show which device waits under a code.',
    group,
    access: loginWrite,
    params: loginParams,
    reply: Login,
  }),
  approveLogin: route({
    method: 'POST',
    path: '/sett/tailnet/{tailnet}/logins/{code}/approve',
    summary: 'Let a waiting device join the tailnet as a device of a user.',
    group,
    access: loginWrite,
    params: loginParams,
    body: z.object({ user: UserName }),
    reply: Login,
  }),
  refuseLogin: route({
    method: 'POST',
    path: '/sett/tailnet/{tailnet}/logins/{code}/refuse',
    summary: 'Turn a waiting device away.',
    group,
    access: loginWrite,
    params: loginParams,
    body: z.object({ reason: Line(200).default('') }),
    reply: Login,
  }),
  pingDevice: route({
    method: 'POST',
    path: '/sett/device/{deviceId}/ping',
    summary: 'Ask a device over its control connection whether it is there; it has 15 seconds.',
    group,
    access: { kind: 'scope', any: ['devices:core'], act: 'read' },
    params: z.object({ deviceId: DeviceRef }),
    body: z.object({
      echo: z
        .boolean()
        .default(false)
        .meta({ description: 'Have its own handler echo a text, instead of a mere sign' }),
    }),
    reply: Pinged,
  }),
  listAddresses: route({
    method: 'GET',
    path: '/sett/tailnet/{tailnet}/addresses',
    summary: 'List who holds or held which address, and when.',
    group,
    access: { kind: 'scope', any: ['devices:core'], act: 'read' },
    params: z.object({ tailnet: TailnetRef }),
    query: z.object({ address: z.string().optional().meta({ description: 'Only this address' }) }),
    reply: z.object({ addresses: z.array(AddressHistory) }),
  }),
} as const
