/** Describes what the directory of an identity provider pushes by SCIM: people and groups. */

import type { AuditTarget, AuditValue } from '../model/audit.ts'
import type { DirectoryGroup, DirectoryUser } from '../model/records.ts'
import type { Context, RecordChange, Said } from './describer.ts'

/** Of a change of many members, so many are named. */
const NAMED_MAX = 100

export function describeDirectoryUser(change: RecordChange<'directory-user'>, context: Context): readonly Said[] {
  const { before, after } = change
  const record = after ?? before
  if (record === undefined) return []
  const [old, now] = [before && user(before), after && user(after)]
  if (JSON.stringify(old) === JSON.stringify(now)) return []
  const target: AuditTarget = { id: change.id, name: loginName(context, record.user), type: 'USER' }
  return [{ target, action: 'PUSH_USER', ...said(old, now) }]
}

export function describeDirectoryGroup(change: RecordChange<'directory-group'>, context: Context): readonly Said[] {
  const { id, before, after } = change
  const record = after ?? before
  if (record === undefined) return []
  const target: AuditTarget = { id, name: record.displayName, type: 'GROUP' }
  const members = membership(before?.members ?? [], after?.members ?? [], context)
  const [old, now] = [before && { ...group(before), ...members.old }, after && { ...group(after), ...members.now }]
  if (JSON.stringify(old) === JSON.stringify(now)) return []
  return [{ target, action: 'PUSH_GROUP', ...said(old, now) }]
}

function said(old: AuditValue | undefined, now: AuditValue | undefined): Pick<Said, 'old' | 'new'> {
  return { ...(old === undefined ? {} : { old }), ...(now === undefined ? {} : { new: now }) }
}

function user({ provider, userName, externalId, displayName, emails, active }: DirectoryUser): AuditValue {
  return { provider, userName, externalId, displayName, emails: emails.map(({ value }) => value), active }
}

function group({ provider, displayName, externalId }: DirectoryGroup): {
  readonly [name: string]: AuditValue | undefined
} {
  return { provider, displayName, externalId }
}

/** Who left is told with what was, who came with what is. */
function membership(before: readonly number[], after: readonly number[], context: Context) {
  const [was, is] = [new Set(before), new Set(after)]
  const gone = before.filter((id) => !is.has(id))
  const come = after.filter((id) => !was.has(id))
  return { old: listed('removed', gone, context), now: listed('added', come, context) }
}

function listed(word: string, ids: readonly number[], context: Context): { readonly [name: string]: AuditValue } {
  if (ids.length === 0) return {}
  const names = ids.slice(0, NAMED_MAX).map((id) => loginName(context, id))
  return { [word]: names, ...(ids.length > NAMED_MAX ? { [`${word}Count`]: ids.length } : {}) }
}

function loginName({ model, tailnet, after }: Context, id: number): string {
  return (after('user', String(id)) ?? model.state(tailnet).usersById.get(id))?.loginName ?? String(id)
}
