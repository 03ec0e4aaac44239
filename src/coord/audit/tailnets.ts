/** Describes changes of a tailnet itself: that it is there, what it is called, and its settings one by one. */

import type { AuditTarget } from '../model/audit.ts'
import { DEFAULT_SETTINGS, SERVER } from '../model/records.ts'
import type { Tailnet, TailnetSettings } from '../model/records.ts'
import { became, switched } from './describer.ts'
import type { Context, RecordChange, Said } from './describer.ts'

export function describeTailnet({ before, after }: RecordChange<'tailnet'>): readonly Said[] {
  const tailnet = after ?? before
  if (tailnet === undefined) return []
  const target = tailnetTarget(tailnet)
  const log = tailnet.num
  const { name, domain } = tailnet
  if (before === undefined) return [{ target, action: 'CREATE', new: { name, domain }, log }]
  // Its own log can't be asked any more: the server's says it.
  if (after === undefined) return [{ target, action: 'DELETE', old: { name, domain }, log: SERVER }]
  return [
    ...became(target, 'NAME', before.name, after.name),
    ...became(target, 'TCD', before.domain, after.domain),
    ...settings(target, before, after),
  ].map((said) => ({ ...said, log }))
}

/** The tailnet that a transaction is about, for what is a property of the tailnet but has a record of its own. */
export function ownTarget({ model, tailnet }: Context): AuditTarget {
  const record = model.tailnet(tailnet)
  return record === undefined ? { id: String(tailnet), name: '', type: 'TAILNET' } : tailnetTarget(record)
}

export function tailnetTarget({ stableId, name }: Tailnet): AuditTarget {
  return { id: stableId, name, type: 'TAILNET' }
}

/** How the service calls them (api-v2.md §7.2); others are called as the API calls them, in capitals. */
const PROPERTIES: { readonly [K in keyof TailnetSettings]?: string } = {
  devicesApprovalOn: 'MACHINE_APPROVAL_NEEDED',
  devicesKeyDurationDays: 'MAX_KEY_DURATION',
  usersApprovalOn: 'USER_APPROVAL_REQUIRED',
  networkFlowLoggingOn: 'NETWORK_FLOW_LOGGING',
  regionalRoutingOn: 'GEOSTEERING',
  postureIdentityCollectionOn: 'COLLECT_POSTURE_IDENTITY',
  httpsEnabled: 'HTTPS',
}

function settings(target: AuditTarget, before: Tailnet, after: Tailnet): readonly Said[] {
  // Settings that came to be after a record was written are as they are for new tailnets.
  const [old, now] = [
    { ...DEFAULT_SETTINGS, ...before.settings },
    { ...DEFAULT_SETTINGS, ...after.settings },
  ]
  return (Object.keys(now) as (keyof TailnetSettings)[]).flatMap((member) => {
    const property = PROPERTIES[member] ?? capitals(member)
    const [was, is] = [old[member], now[member]]
    return typeof was === 'boolean' && typeof is === 'boolean'
      ? switched(target, property, was, is)
      : became(target, property, was, is)
  })
}

/** `policyApprovalOn` is `POLICY_APPROVAL`. */
function capitals(member: string): string {
  return member
    .replace(/(On|Enabled)$/, '')
    .replaceAll(/[A-Z]+/g, (upper) => `_${upper}`)
    .toUpperCase()
}
