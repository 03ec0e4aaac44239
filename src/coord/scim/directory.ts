/** Who pushes: the directory of an identity provider, by its token, and what it may see and change. */

import type { Wall } from '../../base/clock.ts'
import type { By } from '../model/audit.ts'
import { isSecretOf, keyState, NOBODY, parseKeyText } from '../model/credentials.ts'
import type { Sha256 } from '../model/credentials.ts'
import type { Model, TailnetState } from '../model/model.ts'
import type { Check, DirectoryGroup, DirectoryUser, Key, Provider, User } from '../model/records.ts'

/** The part of a tailnet that belongs to one provider's directory. */
export interface Directory {
  readonly tailnet: TailnetState
  readonly key: Key
  readonly provider: Provider
  readonly now: Wall
  /** Where the resources are, without a slash at its end. */
  readonly base: string
}

/** A user of the directory, with what the directory says of them. */
export interface Person {
  readonly user: User
  readonly record: DirectoryUser
}

/** The id of the token whose secret was sent; `undefined`: of none. */
export function prove(authorization: string | null, model: Model, sha256: Sha256): string | undefined {
  const text = /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1]
  const parsed = text === undefined ? undefined : parseKeyText(text)
  if (parsed?.type !== 'scim') return undefined
  const key = model.keyById(parsed.id)?.key
  const found = key?.type === 'scim' ? key : NOBODY
  return isSecretOf(sha256, found, parsed.secret) && found !== NOBODY ? parsed.id : undefined
}

/** What a token opens now; `undefined`: nothing, as it is revoked or its provider is gone. */
export function directoryOf(id: string, model: Model, now: Wall, base: string): Directory | undefined {
  const found = model.keyById(id)
  if (found === undefined || found.key.type !== 'scim') return undefined
  const { tailnet, key } = found
  const provider = tailnet.get('provider', key.provider ?? '')
  if (provider === undefined || keyState(tailnet, key, now) !== 'valid') return undefined
  const maker = key.client === undefined ? undefined : tailnet.key(key.client)
  if (key.client !== undefined && (maker === undefined || keyState(tailnet, maker, now) !== 'valid')) return undefined
  return { tailnet, key, provider, now, base }
}

/** Whom the audit log names. */
export function byOf({ key, provider }: Directory, from: string | undefined): By {
  return {
    origin: 'IDENTITY_PROVIDER',
    actor: { id: key.id, type: 'SCIM', displayName: `directory of ${provider.title} (${provider.id})` },
    details: `token ${key.id}`,
    ...(from === undefined ? {} : { from }),
  }
}

/** The records that its rights rest on. */
export function checksOf({ tailnet, key, provider }: Directory): Check[] {
  return [
    { kind: 'key', id: key.id, version: tailnet.version('key', key.id) },
    { kind: 'provider', id: provider.id, version: tailnet.version('provider', provider.id) },
  ]
}

/** Somebody of this directory; whoever is in none, or in another, is not there. */
export function personOf({ tailnet, provider }: Directory, id: string): Person | undefined {
  const record = tailnet.get('directory-user', id)
  const user = record === undefined ? undefined : tailnet.usersById.get(record.user)
  return record?.provider === provider.id && user !== undefined ? { user, record } : undefined
}

/** In the order of their ids, so that pages fit together. */
export function peopleOf(directory: Directory): Person[] {
  return directory.tailnet
    .ids('directory-user')
    .map((id) => personOf(directory, id))
    .filter((person) => person !== undefined)
    .sort((a, b) => a.user.id - b.user.id)
}

export function groupOf({ tailnet, provider }: Directory, id: string): DirectoryGroup | undefined {
  const group = tailnet.get('directory-group', id)
  return group?.provider === provider.id ? group : undefined
}

export function groupsOf({ tailnet, provider }: Directory): (readonly [string, DirectoryGroup])[] {
  return [...tailnet.entries('directory-group')]
    .filter(([, group]) => group.provider === provider.id)
    .sort(([a, x], [b, y]) => x.created - y.created || (a < b ? -1 : 1))
}
