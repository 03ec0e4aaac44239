/**
 * What an entry of the audit log is to webhooks: an event of theirs, two, or none. (api-v2.md §7.1)
 *
 * Pure: what it says follows from the entry, and for names and links from the tailnet as it is when it is told.
 */

import type { Wall } from '../../base/clock.ts'
import type { EventType } from '../../wire/webhook-events.ts'
import type { AuditEntry, AuditValue } from '../model/audit.ts'
import type { TailnetState } from '../model/model.ts'
import { fqdn } from '../model/naming.ts'
import type { LogEntry } from '../model/outgoing.ts'
import type { Node, Tailnet } from '../model/records.ts'

/** The tailnet that events are of, and where the API shows its things. */
export interface About {
  readonly state: TailnetState
  readonly record: Tailnet
  /** Where clients reach the server, without a slash at its end. */
  readonly url: string
}

/** An event before it is known under which name an endpoint wants it. */
export interface Happened {
  readonly at: Wall
  readonly type: EventType
  readonly message: string
  readonly data: Readonly<Record<string, unknown>> | null
}

/** @param endpoint the endpoint that is told: it hears of changes to itself */
export function happenedIn({ at, entry }: LogEntry, about: About, endpoint: string): readonly Happened[] {
  return typesOf(entry, endpoint).map((type) => ({ at, type, ...tell(type, entry, about) }))
}

/** The event of an endpoint that was tested. */
export function testOf(at: Wall, actor: string): Happened {
  return { at, type: 'test', message: 'This is a test event', data: { actor } }
}

function typesOf(entry: AuditEntry, endpoint: string): readonly EventType[] {
  const { target, action, old } = entry
  const now = fieldsOf(entry.new)
  const what = `${target.type}.${action}${target.property === undefined ? '' : `.${target.property}`}`
  switch (what) {
    case 'NODE.CREATE':
      return now['authorized'] === false ? ['nodeCreated', 'nodeNeedsApproval'] : ['nodeCreated']
    // One that joins approved has not been approved by anybody: there is nothing that it was before.
    case 'NODE.APPROVE':
      return old === false ? ['nodeApproved'] : []
    case 'NODE.REVOKE':
      return ['nodeNeedsApproval']
    case 'NODE.DELETE':
      return ['nodeDeleted']
    case 'NODE.EXPIRED.KEY_EXPIRY_TIME':
      return ['nodeKeyExpired']
    case 'TAILNET.UPDATE.ACL':
      return ['policyUpdate']
    case 'USER.CREATE':
      return now['status'] === 'needs-approval' ? ['userCreated', 'userNeedsApproval'] : ['userCreated']
    case 'USER.APPROVE':
      return ['userApproved']
    case 'USER.REVOKE':
      return ['userNeedsApproval']
    case 'USER.SUSPEND':
      return ['userSuspended']
    case 'USER.RESTORE':
      return ['userRestored']
    case 'USER.DELETE':
      return ['userDeleted']
    case 'USER.UPDATE.USER_ROLE':
      return ['userRoleUpdated']
    case 'WEBHOOK_ENDPOINT.UPDATE.SECRET':
    case 'WEBHOOK_ENDPOINT.UPDATE.SUBSCRIBED_EVENTS':
      return target.id === endpoint ? ['webhookUpdated'] : []
    default:
      return []
  }
}

/** What became of a thing, as the end of a sentence. */
const BECAME: { readonly [K in EventType]?: string } = {
  nodeCreated: 'was added',
  nodeNeedsApproval: 'needs approval',
  nodeApproved: 'was approved',
  nodeKeyExpiringInOneDay: 'has a key that expires within a day',
  nodeKeyExpired: 'has a key that has expired',
  nodeDeleted: 'was removed',
  subnetIPForwardingNotEnabled: 'routes a subnet, but does not forward IP packets',
  exitNodeIPForwardingNotEnabled: 'is an exit node, but does not forward IP packets',
  userCreated: 'was added',
  userNeedsApproval: 'needs approval',
  userApproved: 'was approved',
  userSuspended: 'was suspended',
  userRestored: 'was restored',
  userDeleted: 'was removed',
}

type Told = Pick<Happened, 'message' | 'data'>

function tell(type: EventType, entry: AuditEntry, about: About): Told {
  const { target, old, new: now } = entry
  const actor = entry.actor.loginName ?? entry.actor.displayName ?? entry.actor.id
  if (target.type === 'NODE') return tellNode(type, entry, actor, about)
  if (type === 'policyUpdate')
    return {
      message: `Policy of ${about.record.name} was changed by ${actor}`,
      data: { newPolicy: now ?? '', oldPolicy: old ?? '', url: `${about.url}/api/v2/tailnet/-/acl`, actor },
    }
  if (type === 'webhookUpdated')
    return {
      message: `This webhook endpoint was changed by ${actor}`,
      data: { endpointID: target.id, property: target.property ?? '', actor },
    }
  const data = { user: target.name, url: `${about.url}/api/v2/users/${target.id}`, actor }
  if (type === 'userRoleUpdated')
    return {
      message: `Role of ${target.name} was changed from ${textOf(old)} to ${textOf(now)}`,
      data: { ...data, oldRoles: [textOf(old)], newRoles: [textOf(now)] },
    }
  return { message: `User ${target.name} ${BECAME[type] ?? type}`, data }
}

function tellNode(type: EventType, entry: AuditEntry, actor: string, about: About): Told {
  const { target, old, new: now } = entry
  const node = about.state.nodesByStableId.get(target.id)
  if (node !== undefined) {
    const expiration = type === 'nodeKeyExpired' ? { expiration: textOf(now) } : {}
    return nodeTold(type, node, about, { ...expiration, actor })
  }
  // It is gone since: what the log says of it.
  const kept = fieldsOf(type === 'nodeDeleted' ? old : now)
  const tags = Array.isArray(kept['tags']) ? (kept['tags'] as string[]) : []
  return nodeWords(type, {
    nodeID: target.id,
    deviceName: fullName(about.record, target.name),
    managedBy: tags.length > 0 ? tags.join(' ') : textOf(kept['user']),
    url: `${about.url}/api/v2/device/${target.id}`,
    actor,
  })
}

/** An event of a node that is there. @param more further members of its data */
export function nodeTold(
  type: EventType,
  node: Node,
  { state, record, url }: About,
  more: Readonly<Record<string, unknown>>,
): Told {
  return nodeWords(type, {
    nodeID: node.stableId,
    deviceName: fullName(record, node.name),
    managedBy: node.tags.length > 0 ? node.tags.join(' ') : (state.usersById.get(node.user)?.loginName ?? ''),
    url: `${url}/api/v2/device/${node.stableId}`,
    ...more,
  })
}

/** As the API says it: without the dot at its end. */
function fullName(record: Tailnet, name: string): string {
  return fqdn(record, { name }).replace(/\.$/, '')
}

function nodeWords(type: EventType, data: { readonly deviceName: string; readonly [member: string]: unknown }): Told {
  return { message: `Device ${data.deviceName} ${BECAME[type] ?? type}`, data }
}

function fieldsOf(value: AuditValue | undefined): Readonly<Record<string, AuditValue | undefined>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, AuditValue | undefined>>)
    : {}
}

function textOf(value: AuditValue | undefined): string {
  return typeof value === 'string' ? value : ''
}
