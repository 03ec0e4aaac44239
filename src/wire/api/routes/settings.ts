/** Routes about a tailnet's settings. (api-v2.md §4.9) */

import * as z from 'zod'
import { RouteSelection, TailnetSettings } from '../objects.ts'
import { route } from '../route.ts'
import { Line, TailnetRef } from '../words.ts'

const group = 'Settings'
const params = z.object({ tailnet: TailnetRef })
const flag = z.boolean().nullish()

/** Which scope each member needs is the server's to check (api-v2.md §2.4); any of them opens the route. */
const any = ['feature_settings', 'networking_settings', 'logs:network'] as const

/** Absent or null: unchanged. */
export const SettingsPatch = z.object({
  aclsExternallyManagedOn: flag,
  aclsExternalLink: Line(2048).nullish(),
  devicesApprovalOn: flag,
  devicesAutoUpdatesOn: flag,
  devicesKeyDurationDays: z.number().int().min(1).max(180).nullish(),
  usersApprovalOn: flag,
  usersRoleAllowedToJoinExternalTailnets: z.enum(['none', 'admin', 'member']).nullish(),
  networkFlowLoggingOn: flag,
  regionalRoutingOn: flag,
  routeSelection: RouteSelection.nullish(),
  postureIdentityCollectionOn: flag,
  httpsEnabled: flag,
  policyApprovalOn: flag,
})
export type SettingsPatch = z.output<typeof SettingsPatch>

export const settingsRoutes = {
  getSettings: route({
    method: 'GET',
    path: '/tailnet/{tailnet}/settings',
    summary: 'Show the settings of a tailnet.',
    group,
    access: { kind: 'scope', any, act: 'read' },
    params,
    reply: TailnetSettings,
  }),
  patchSettings: route({
    method: 'PATCH',
    path: '/tailnet/{tailnet}/settings',
    summary: 'Change the members sent; the answer has all of them.',
    group,
    access: { kind: 'scope', any, act: 'write' },
    params,
    body: SettingsPatch,
    reply: TailnetSettings,
  }),
} as const
