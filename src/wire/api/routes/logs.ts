/** Routes about the configuration audit log. (api-v2.md §4.6) */

import * as z from 'zod'
import { AuditPage, ConfigurationLog } from '../audit-objects.ts'
import { route } from '../route.ts'
import { TailnetRef, Time } from '../words.ts'

const group = 'Logging'
const params = z.object({ tailnet: TailnetRef })
const read = { kind: 'scope', any: ['logs:configuration'], act: 'read' } as const

/** Most entries of one page. */
export const MAX_AUDIT_PAGE = 1000
const page = z.object({
  after: z
    .string()
    .regex(/^\d{1,15}$/, 'want the number of an entry')
    .optional()
    .meta({ description: 'Entries behind this number; from the oldest if not given' }),
})

/** May stand several times. */
const Filters = z.union([z.string().max(256), z.array(z.string().max(256)).max(200)]).optional()

export const logRoutes = {
  getConfigurationLog: route({
    method: 'GET',
    path: '/tailnet/{tailnet}/logging/configuration',
    summary: 'List what was changed in a period, by whom, and what it was before; oldest first.',
    group,
    access: read,
    params,
    query: z.object({
      start: Time.meta({ description: 'First moment of the period' }),
      end: Time.meta({ description: 'Last moment of the period' }),
      actor: Filters.meta({ description: 'Who: an id, or `~` and part of a name; may be repeated' }),
      target: Filters.meta({ description: 'What: an id, or `~` and part of a name; may be repeated' }),
      event: Filters.meta({ description: '`TARGET.ACTION` or `TARGET.ACTION.PROPERTY`; may be repeated' }),
    }),
    reply: ConfigurationLog,
  }),
  readAuditLog: route({
    method: 'GET',
    path: '/sett/tailnet/{tailnet}/log',
    summary:
      'Read the audit log by number, with the hashes that chain it: 1000 entries at once, fewer if they are large.',
    group,
    access: read,
    params,
    query: page,
    reply: AuditPage,
  }),
  readServerAuditLog: route({
    method: 'GET',
    path: '/sett/log',
    summary: 'Read the audit log of what belongs to no tailnet.',
    group,
    access: { kind: 'server' },
    params: z.object({}),
    query: page,
    reply: AuditPage,
  }),
} as const
