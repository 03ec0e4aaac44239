/** Routes about what a tailnet routes, and about what waits to be approved. Sett's own. */

import * as z from 'zod'
import { DeviceRoutes } from '../objects.ts'
import { route } from '../route.ts'
import { Approval, Routing } from '../routing-objects.ts'
import { DeviceRef, TailnetRef } from '../words.ts'

const group = 'Sett'
const prefixes = () => z.array(z.string().max(64)).max(2048).default([])

export const routingRoutes = {
  listRoutings: route({
    method: 'GET',
    path: '/sett/tailnet/{tailnet}/routes',
    summary: 'List what the tailnet routes: by which devices, and which of them is used.',
    group,
    access: { kind: 'scope', any: ['devices:routes'], act: 'read' },
    params: z.object({ tailnet: TailnetRef }),
    reply: z.object({ routes: z.array(Routing) }),
  }),
  changeDeviceRoutes: route({
    method: 'POST',
    path: '/sett/device/{deviceId}/routes',
    summary: 'Approve routes of a device beside those that it has, offered or not, and withdraw others.',
    group,
    access: { kind: 'scope', any: ['devices:routes'], act: 'write' },
    params: z.object({ deviceId: DeviceRef }),
    body: z.object({ approve: prefixes(), withdraw: prefixes() }),
    reply: DeviceRoutes,
  }),
  listApprovals: route({
    method: 'GET',
    path: '/sett/tailnet/{tailnet}/approvals',
    summary: 'List the devices that wait for approval: for themselves, for subnets, as exit nodes.',
    group,
    access: { kind: 'scope', any: ['devices:core'], act: 'read' },
    params: z.object({ tailnet: TailnetRef }),
    reply: z.object({ approvals: z.array(Approval) }),
  }),
} as const
