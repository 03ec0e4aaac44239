/**
 * Headscale's pre-auth keys as ours. They go on working as they were written down wherever they are in use: their
 * hashes come along, and what was kept as plain text is hashed. Their texts cannot be shown again.
 */

import type { Wall } from '../../base/clock.ts'
import { isTag } from '../../base/dns-name.ts'
import { hashOf, parseLegacyKey } from '../model/credentials.ts'
import type { Sha256 } from '../model/credentials.ts'
import type { Key } from '../model/records.ts'
import type { People } from './people.ts'
import { flagIn, idOf, listIn, referenceIn, textIn, timeIn } from './rows.ts'
import type { Row } from './rows.ts'

export interface ImportedKeys {
  readonly keys: readonly Key[]
  /** By the number of Headscale's row. */
  readonly byRow: ReadonlyMap<number, Key>
}

/** The last moment that can be written: a key without an end. */
const NEVER_ENDS = Date.UTC(9999, 11, 31, 23, 59, 59) as Wall
/** 2^4 to 2^12 rounds: more would keep the thread that compares busy for seconds. Headscale's are 2^10. */
const BCRYPT = /^\$2[aby]\$(?:0[4-9]|1[0-2])\$[./A-Za-z0-9]{53}$/

export function importKeys(
  rows: readonly Row[],
  nodes: readonly Row[],
  people: People,
  { sha256, now }: { readonly sha256: Sha256; readonly now: Wall },
  notes: string[],
): ImportedKeys {
  const byRow = new Map<number, Key>()
  const ids = new Set<string>()
  for (const row of rows) {
    const number = idOf(row)
    const leave = (why: string) => void notes.push(`pre-auth key ${number} is not brought over: ${why}`)
    const user = referenceIn(row, 'user_id') ?? 0
    const tags = [...new Set(listIn(row, 'tags'))].filter(isTag).sort()
    const secret = secretOf(row, sha256)
    if (secret === undefined) leave('it is of no form that is known here')
    else if (ids.has(secret.id)) leave('there is another one with the same id')
    else if (user !== 0 && !people.byId.has(user)) leave(`its user ${user} is gone`)
    else if (user === 0 && tags.length === 0) leave('it has no user and no tags')
    else {
      const reusable = flagIn(row, 'reusable')
      const revoked = timeIn(row, 'revoked')
      ids.add(secret.id)
      byRow.set(number, {
        ...secret,
        type: 'auth',
        description: textIn(row, 'description') || `Headscale's key ${number}`,
        user,
        created: timeIn(row, 'created_at') ?? now,
        expires: timeIn(row, 'expiration') ?? NEVER_ENDS,
        ...(revoked === undefined ? {} : { revoked }),
        reusable,
        ephemeral: flagIn(row, 'ephemeral'),
        preauthorized: true,
        tags,
        ...(!reusable && flagIn(row, 'used') ? { usedBy: firstUser(nodes, number) } : {}),
        scopes: [],
      })
    }
  }
  return { keys: [...byRow.values()], byRow }
}

function secretOf(row: Row, sha256: Sha256): Pick<Key, 'id' | 'hash' | 'scheme'> | undefined {
  const [prefix, hash, plain] = [textIn(row, 'prefix'), textIn(row, 'hash'), textIn(row, 'key')]
  if (prefix !== '')
    return /^[A-Za-z0-9]{12}$/.test(prefix) && BCRYPT.test(hash) ? { id: prefix, hash, scheme: 'bcrypt' } : undefined
  const legacy = parseLegacyKey(plain, sha256)
  return legacy === undefined ? undefined : { id: legacy.id, hash: hashOf(sha256, legacy.secret.reveal()) }
}

/** The node that joined by a key; 0 when it is gone. */
function firstUser(nodes: readonly Row[], key: number): number {
  const node = nodes.find((row) => referenceIn(row, 'auth_key_id') === key)
  return node === undefined ? 0 : idOf(node)
}
