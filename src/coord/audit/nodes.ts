/**
 * Describes changes of machines. What a machine reports of itself (its system, where it is reached, what it offers) is
 * no configuration; what it may do, and as whom, is.
 */

import { formatTime } from '../../base/clock.ts'
import type { AuditTarget, AuditValue } from '../model/audit.ts'
import type { Node } from '../model/records.ts'
import { became } from './describer.ts'
import type { Context, RecordChange, Said } from './describer.ts'

export function describeNode({ before, after }: RecordChange<'node'>, context: Context): readonly Said[] {
  const node = after ?? before
  if (node === undefined) return []
  const target = nodeTarget(node)
  if (after === undefined) return [{ target, action: 'DELETE', old: view(node, context) }]
  return before === undefined ? joined(target, after, context) : changed(target, before, after, context)
}

export function nodeTarget({ stableId, name, ephemeral }: Node): AuditTarget {
  return { id: stableId, name, type: 'NODE', isEphemeral: ephemeral }
}

/** The service's own order (api-v2.md §7.2). */
function joined(target: AuditTarget, node: Node, context: Context): readonly Said[] {
  return [
    ...became(target, 'MACHINE_NAME', undefined, node.name),
    { target, action: 'CREATE', new: view(node, context) },
    ...became(target, 'KEY_EXPIRY_TIME', undefined, expiry(node)),
    { target, action: 'LOGIN', new: login(node) },
    ...(node.authorized ? [{ target, action: 'APPROVE', new: true } as const] : []),
  ]
}

function changed(target: AuditTarget, before: Node, after: Node, context: Context): readonly Said[] {
  const isLogin = before.nodeKey !== after.nodeKey || before.loggedIn !== after.loggedIn
  const isLogout = !isLogin && isSelf(after, context) && isOver(after, context) && !isOver(before, context)
  const routes = routeProperty(before, after, context)
  return [
    ...became(target, 'MACHINE_NAME', before.name, after.name),
    ...became(target, 'ADDRESS', [before.ipv4, before.ipv6], [after.ipv4, after.ipv6]),
    ...became(target, 'ACL_TAGS', before.tags, after.tags),
    ...became(target, 'OWNER', userName(before, context), userName(after, context)),
    ...became(target, routes, before.approvedRoutes, after.approvedRoutes),
    ...became(
      target,
      'KEY_EXPIRY',
      !before.keyExpiryDisabled,
      !after.keyExpiryDisabled,
      after.keyExpiryDisabled ? 'DISABLE' : 'ENABLE',
    ),
    ...(isLogout
      ? [{ target, action: 'LOGOUT' } as const]
      : became(target, 'KEY_EXPIRY_TIME', expiry(before), expiry(after))),
    ...(isLogin ? [{ target, action: 'LOGIN', old: login(before), new: login(after) } as const] : []),
    ...approval(target, before, after),
  ]
}

function approval(target: AuditTarget, before: Node, after: Node): readonly Said[] {
  if (before.authorized === after.authorized) return []
  const why =
    after.heldBack === true
      ? { details: 'its owner is suspended' }
      : before.heldBack === true
        ? { details: 'its owner is restored' }
        : {}
  return [
    { target, action: after.authorized ? 'APPROVE' : 'REVOKE', old: before.authorized, new: after.authorized, ...why },
  ]
}

/** Routes to everywhere make an exit node; those that the policy approves, nobody else did. */
function routeProperty(before: Node, after: Node, context: Context): string {
  const [old, now] = [new Set(before.approvedRoutes), new Set(after.approvedRoutes)]
  const moved = [...new Set([...old, ...now])].filter((route) => old.has(route) !== now.has(route))
  if (moved.length > 0 && moved.every((route) => EVERYWHERE.has(route))) return 'EXIT_NODE'
  return isSelf(after, context) ? 'AUTO_APPROVED_ROUTES' : 'ALLOWED_IPS'
}

const EVERYWHERE: ReadonlySet<string> = new Set(['0.0.0.0/0', '::/0'])

function isSelf(node: Node, { by }: Context): boolean {
  return by.actor.type === 'NODE' && by.actor.id === node.stableId
}

function isOver({ keyExpiry, keyExpiryDisabled }: Node, { now }: Context): boolean {
  return !keyExpiryDisabled && keyExpiry !== undefined && keyExpiry <= now
}

function expiry({ keyExpiry }: Node): string | undefined {
  return keyExpiry === undefined ? undefined : formatTime(keyExpiry)
}

/** Node keys are public. */
function login({ nodeKey, authKey, loggedIn }: Node): AuditValue {
  return { nodeKey, loggedIn: formatTime(loggedIn), ...(authKey === undefined ? {} : { authKey }) }
}

function userName(node: Node, { model, tailnet }: Context): string {
  return model.state(tailnet).usersById.get(node.user)?.loginName ?? String(node.user)
}

function view(node: Node, context: Context): AuditValue {
  return {
    name: node.name,
    addresses: [node.ipv4, node.ipv6],
    user: userName(node, context),
    tags: node.tags,
    os: node.hostinfo.OS ?? '',
    hostname: node.hostinfo.Hostname ?? '',
    keyExpiryDisabled: node.keyExpiryDisabled,
    authorized: node.authorized,
    ephemeral: node.ephemeral,
    approvedRoutes: node.approvedRoutes,
  }
}
