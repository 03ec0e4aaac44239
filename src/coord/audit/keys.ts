/** Describes changes of auth keys, API tokens, OAuth clients and federated identities. Neither a key's secret nor its hash ever comes into a log. */

import { formatTime } from '../../base/clock.ts'
import type { AuditTarget, AuditValue } from '../model/audit.ts'
import { isTailnets } from '../model/credentials.ts'
import type { Key } from '../model/records.ts'
import { became } from './describer.ts'
import type { Context, RecordChange, Said } from './describer.ts'

export function describeKey({ before, after }: RecordChange<'key'>, context: Context): readonly Said[] {
  const key = after ?? before
  if (key === undefined) return []
  const target = keyTarget(key)
  if (before === undefined) return [{ target, action: 'CREATE', new: view(key, context) }]
  const isRevoked = before.revoked === undefined && (after === undefined || after.revoked !== undefined)
  // Keys that are of no use any more are forgotten without a word.
  if (after === undefined && (!isRevoked || before.expires <= context.now)) return []
  if (after === undefined || isRevoked) return [{ target, action: 'REVOKE', old: view(before, context) }]
  return became(target, 'ATTRIBUTES', view(before, context), view(after, context))
}

export function keyTarget({ id, description, type }: Key): AuditTarget {
  return { id, name: description === '' ? NAMES[type] : description, type: 'API_KEY' }
}

const NAMES = {
  auth: 'auth key',
  api: 'api key',
  client: 'OAuth client',
  federated: 'federated identity',
  scim: 'SCIM token',
} as const

function view(key: Key, { model, tailnet }: Context): AuditValue {
  const user = model.state(tailnet).usersById.get(key.user)?.loginName ?? key.formerUser
  return {
    type: key.type,
    description: key.description,
    ...(user === undefined ? {} : { user }),
    ...(isTailnets(key) ? {} : { expires: formatTime(key.expires) }),
    tags: key.tags,
    ...(key.type === 'auth'
      ? { reusable: key.reusable, ephemeral: key.ephemeral, preauthorized: key.preauthorized }
      : { scopes: key.scopes }),
    ...(key.provider === undefined ? {} : { provider: key.provider }),
    ...(key.federation === undefined ? {} : { federation: { ...key.federation } }),
  }
}
