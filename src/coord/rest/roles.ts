/** What each role may do: the role table, and which line of it each scope falls under. (api-v2.md §2.4, §2.5) */

import type { Act, Scope } from '../../wire/api/scopes.ts'
import type { Role } from '../model/records.ts'

type Permission = 'read' | 'network' | 'machines' | 'credentials' | 'any-tag'

const PERMITS: Readonly<Record<Role, ReadonlySet<Permission>>> = {
  owner: new Set(['read', 'network', 'machines', 'credentials', 'any-tag']),
  admin: new Set(['read', 'network', 'machines', 'credentials', 'any-tag']),
  'network-admin': new Set(['read', 'network', 'credentials', 'any-tag']),
  'it-admin': new Set(['read', 'machines', 'credentials']),
  'billing-admin': new Set(['read']),
  auditor: new Set(['read']),
  member: new Set(),
}

/** What a role needs for writing under a scope. A scope that is not listed can't be written by any role. */
const TO_WRITE: Partial<Record<Scope, Permission>> = {
  'devices:core': 'machines',
  'devices:routes': 'network',
  'devices:posture_attributes': 'machines',
  dns: 'network',
  policy_file: 'network',
  auth_keys: 'credentials',
  oauth_keys: 'credentials',
  federated_keys: 'credentials',
  api_access_tokens: 'credentials',
  users: 'machines',
  webhooks: 'credentials',
  log_streaming: 'machines',
  account_settings: 'machines',
  feature_settings: 'machines',
  networking_settings: 'network',
  services: 'network',
  'logs:network': 'machines',
}

export function rolePermits(role: Role, scope: Scope, act: Act): boolean {
  if (act === 'read') return PERMITS[role].has('read')
  const needed = TO_WRITE[scope]
  return needed !== undefined && PERMITS[role].has(needed)
}

/** Is there nothing that this role may not do? */
export function hasEveryRight(role: Role): boolean {
  return PERMITS.owner.isSubsetOf(PERMITS[role])
}

/** May this role use tags that it does not own? Who owns a tag is the policy's to say. */
export function mayUseAnyTag(role: Role): boolean {
  return PERMITS[role].has('any-tag')
}
