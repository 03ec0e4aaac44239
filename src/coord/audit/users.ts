/** Describes changes of people: who came, went, was let in or kept out, and what they may do. */

import type { AuditTarget, AuditValue } from '../model/audit.ts'
import type { User } from '../model/records.ts'
import { became } from './describer.ts'
import type { RecordChange, Said } from './describer.ts'

export function describeUser({ before, after }: RecordChange<'user'>): readonly Said[] {
  const user = after ?? before
  if (user === undefined) return []
  const target = userTarget(user)
  if (after === undefined) return [{ target, action: 'DELETE', old: view(user) }]
  if (before === undefined) return [{ target, action: 'CREATE', new: view(user) }]
  return [
    ...became(target, 'USER_ROLE', before.role, after.role),
    ...standing(target, before, after),
    ...became(target, 'ATTRIBUTES', attributes(before), attributes(after)),
  ]
}

export function userTarget({ id, loginName }: User): AuditTarget {
  return { id: String(id), name: loginName, type: 'USER' }
}

function standing(target: AuditTarget, { status: old }: User, { status: now }: User): readonly Said[] {
  if (old === now) return []
  const action =
    now === 'suspended' ? 'SUSPEND' : now === 'active' ? (old === 'suspended' ? 'RESTORE' : 'APPROVE') : 'REVOKE'
  return [{ target, action, old, new: now }]
}

function attributes({ loginName, displayName, profilePicUrl }: User): AuditValue {
  return { loginName, displayName, profilePicUrl }
}

function view({ loginName, displayName, role, status }: User): AuditValue {
  return { loginName, displayName, role, status }
}
