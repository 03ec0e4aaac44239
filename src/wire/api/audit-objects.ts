/** The configuration audit log as the API shows it. (api-v2.md §7.2) */

import * as z from 'zod'
import { Time } from './words.ts'

const Value = z.unknown().meta({ description: 'Any JSON; null where there was nothing' })

const Actor = z.object({
  id: z.string(),
  type: z.string().meta({ description: 'USER, NODE, OAUTH_CLIENT, AUTOMATED_WORKER, SCIM, …' }),
  loginName: z.string().optional(),
  displayName: z.string().optional(),
  tags: z.array(z.string()).optional(),
})
const Target = z.object({
  id: z.string(),
  name: z.string(),
  type: z.string().meta({ description: 'TAILNET, USER, NODE, API_KEY, FAILED_REQUEST, …' }),
  isEphemeral: z.boolean().optional(),
  property: z.string().optional(),
})

/** One entry as it is kept and hashed. */
export const AuditEntry = z.object({
  origin: z.string(),
  actor: Actor,
  target: Target,
  action: z.string(),
  old: Value.optional(),
  new: Value.optional(),
  actionDetails: z.string().optional(),
  error: z.string().optional(),
  from: z.string().optional().meta({ description: 'Address that it was asked from; beyond the service’s own members' }),
})
export type AuditEntry = z.infer<typeof AuditEntry>

export const AuditRecord = z.object({
  eventTime: Time,
  type: z.literal('CONFIG'),
  eventGroupID: z.string().meta({ description: 'The same for everything that one operation changed' }),
  ...AuditEntry.shape,
  old: Value,
  new: Value,
})
export type AuditRecord = z.infer<typeof AuditRecord>

export const ConfigurationLog = z.object({
  version: z.literal('1.1'),
  tailnet: z.string(),
  tailnetId: z.string(),
  logs: z.array(AuditRecord),
})

/** An end of a log: the number and the hash of an entry. */
const End = z.object({ number: z.number().int(), hash: z.string() })

export const AuditPage = z.object({
  tailnet: z.string().meta({ description: 'Its name; empty for what belongs to no tailnet' }),
  log: z.number().int().meta({ description: 'What the chain of this log begins with' }),
  trimmed: End.meta({ description: 'The newest entry that is no longer kept' }),
  newest: End.meta({ description: 'The newest entry' }),
  entries: z.array(
    z.object({
      number: z.number().int(),
      at: z.number().int().meta({ description: 'Milliseconds since 1970' }),
      group: z.string(),
      hash: z.string().meta({ description: 'SHA-256 over the hash before, and this entry' }),
      entry: z.string().meta({ description: 'JSON, exactly as it was hashed' }),
    }),
  ),
})
export type AuditPage = z.infer<typeof AuditPage>
