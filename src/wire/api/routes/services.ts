/** Routes about Services, which answer under `/vip-services` as well. (api-v2.md §4.11) */

import * as z from 'zod'
import { route } from '../route.ts'
import { ServiceApproval, ServiceHost, ServiceRef, SetService, VipService } from '../service-objects.ts'
import { DeviceRef, TailnetRef } from '../words.ts'

const group = 'Services'
const one = z.object({ tailnet: TailnetRef, service: ServiceRef })
const host = z.object({ tailnet: TailnetRef, service: ServiceRef, hostId: DeviceRef })
const read = { kind: 'scope', any: ['services'], act: 'read' } as const
const write = { kind: 'scope', any: ['services'], act: 'write' } as const

export const serviceRoutes = {
  listServices: route({
    method: 'GET',
    path: '/tailnet/{tailnet}/services',
    summary: 'List Services. All of this answers under /vip-services as well.',
    group,
    access: read,
    params: z.object({ tailnet: TailnetRef }),
    reply: z.object({ vipServices: z.array(VipService) }),
  }),
  getService: route({
    method: 'GET',
    path: '/tailnet/{tailnet}/services/{service}',
    summary: 'Show one Service.',
    group,
    access: read,
    params: one,
    reply: VipService,
  }),
  setService: route({
    method: 'PUT',
    path: '/tailnet/{tailnet}/services/{service}',
    summary: 'Add a Service, or replace what is set of one; another name in the body renames it.',
    group,
    access: write,
    params: one,
    body: SetService,
    reply: VipService,
  }),
  deleteService: route({
    method: 'DELETE',
    path: '/tailnet/{tailnet}/services/{service}',
    summary: 'Remove a Service.',
    group,
    access: write,
    params: one,
  }),
  listServiceHosts: route({
    method: 'GET',
    path: '/tailnet/{tailnet}/services/{service}/devices',
    summary:
      'List the devices about which somebody decided whether they may host a Service. Needs devices:core as well.',
    group,
    access: read,
    params: one,
    reply: z.object({ hosts: z.array(ServiceHost) }),
  }),
  getServiceApproval: route({
    method: 'GET',
    path: '/tailnet/{tailnet}/services/{service}/device/{hostId}/approved',
    summary: 'Tell whether a device may host a Service, by hand or by autoApprovers. Needs devices:core as well.',
    group,
    access: read,
    params: host,
    reply: ServiceApproval,
  }),
  setServiceApproval: route({
    method: 'POST',
    path: '/tailnet/{tailnet}/services/{service}/device/{hostId}/approved',
    summary: 'Say by hand whether a device may host a Service. Needs devices:core as well.',
    group,
    access: write,
    params: host,
    body: z.object({ approved: z.boolean() }),
    reply: ServiceApproval,
  }),
} as const
