/**
 * Headscale's users as ours: with their numbers, which clients remember, and under the login names that clients were
 * told: the mail address, else the name.
 *
 * Headscale knows no roles, so all are members. The owner is whom the administrator names, else somebody without a
 * device who is called after the tailnet, as on a new server.
 */

import type { Wall } from '../../base/clock.ts'
import { MeshError } from '../../base/errors.ts'
import { newUser } from '../model/people.ts'
import type { User } from '../model/records.ts'
import type { Wish } from './headscale.ts'
import { idOf, living, textIn, timeIn } from './rows.ts'
import type { Row } from './rows.ts'

/** Who somebody is at their identity provider. */
export interface ImportedIdentity {
  readonly user: number
  readonly issuer: string
  readonly subject: string
  readonly email: string
  readonly created: Wall
}

export interface People {
  readonly users: readonly User[]
  readonly identities: readonly ImportedIdentity[]
  readonly byId: ReadonlyMap<number, User>
  readonly owner: User
}

const LOGIN_MAX = 254

/** @throws MeshError `config/invalid` when there is nobody of the name that the owner is said to have */
export function importPeople(rows: readonly Row[], wish: Wish, notes: string[]): People {
  const found = living(rows)
  const owner = found.find((row) => isCalled(row, wish.owner))
  if (wish.owner !== undefined && owner === undefined)
    throw new MeshError(
      'config/invalid',
      `Cannot make ${JSON.stringify(wish.owner)} the owner: Headscale has no such user; it has ${found.map(nameOf).join(', ')}`,
    )
  const taken = new Set<string>()
  const aliases = countNames(found)
  const users = found.map((row): User => {
    const id = idOf(row)
    const alias = aliasOf(row)
    const loginName = freeLogin(row, wish.domain, taken)
    if (loginName !== textIn(row, 'email')) notes.push(`user ${id} (${nameOf(row)}) logs in as ${loginName}`)
    const unique = alias !== undefined && aliases.get(alias.toLowerCase()) === 1
    if (alias !== undefined && !unique)
      notes.push(
        `user ${id}: several users are called ${nameOf(row)}, so that ${alias} in the policy names none of them`,
      )
    return {
      ...newUser(id, loginName, row === owner ? 'owner' : 'member', timeIn(row, 'created_at') ?? wish.now),
      ...(unique && alias !== loginName ? { alias } : {}),
      displayName: textIn(row, 'display_name') || nameOf(row) || loginName,
      profilePicUrl: textIn(row, 'profile_pic_url'),
    }
  })
  if (owner === undefined) users.push(ownerBesides(users, rows, wish, taken))
  const byId = new Map(users.map((user) => [user.id, user]))
  const identities = found.flatMap((row) => identityOf(row, wish, notes))
  return { users, identities, byId, owner: users.find(({ role }) => role === 'owner') as User }
}

function isCalled(row: Row, who: string | undefined): boolean {
  if (who === undefined) return false
  const wanted = who.toLowerCase().replace(/@$/, '')
  return [textIn(row, 'name'), textIn(row, 'email')].some((name) => name !== '' && name.toLowerCase() === wanted)
}

function nameOf(row: Row): string {
  return textIn(row, 'name') || textIn(row, 'email') || textIn(row, 'provider_identifier')
}

/** What Headscale's policies call somebody besides their address: a name with an `@` in it, at its end if nowhere else. */
function aliasOf(row: Row): string | undefined {
  const name = textIn(row, 'name')
  if (!/^[^\s@:/][^\s@]*(?:@[^\s@]*)?$/.test(name)) return undefined
  return name.includes('@') ? name : `${name}@`
}

function countNames(rows: readonly Row[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const row of rows) {
    const alias = aliasOf(row)?.toLowerCase()
    if (alias !== undefined) counts.set(alias, (counts.get(alias) ?? 0) + 1)
  }
  return counts
}

/** A login name that nobody else has, in whatever case. */
function freeLogin(row: Row, domain: string, taken: Set<string>): string {
  const name = textIn(row, 'name').replace(/[^\p{L}\p{N}._+@-]+/gu, '-')
  const wanted = [textIn(row, 'email'), name, `${name.replace(/@.*/, '')}@${domain}`, `user-${idOf(row)}@${domain}`]
  const free = wanted.find(
    (login) => /^[^\s@:/][^\s@]*@[^\s@]+$/.test(login) && login.length <= LOGIN_MAX && !taken.has(login.toLowerCase()),
  ) as string
  taken.add(free.toLowerCase())
  return free
}

function ownerBesides(users: readonly User[], rows: readonly Row[], wish: Wish, taken: ReadonlySet<string>): User {
  // Beyond users that were deleted as well: clients may still remember their numbers.
  const id = Math.max(wish.lastUser, 0, ...rows.map(idOf), ...users.map((user) => user.id)) + 1
  const logins = [`admin@${wish.domain}`, `owner@${wish.domain}`, `owner-${id}@${wish.domain}`]
  return newUser(id, logins.find((login) => !taken.has(login)) as string, 'owner', wish.now)
}

/** `provider_identifier` is issuer and subject with a slash between them. */
function identityOf(row: Row, { issuer, now }: Wish, notes: string[]): ImportedIdentity[] {
  const identifier = textIn(row, 'provider_identifier')
  if (identifier === '') return []
  const known = issuer === undefined ? undefined : `${issuer.replace(/\/+$/, '')}/`
  const isKnown = known !== undefined && identifier.startsWith(known)
  const end = isKnown ? known.length - 1 : identifier.lastIndexOf('/')
  const [from, subject] = [
    isKnown ? (issuer as string) : identifier.slice(0, Math.max(end, 0)),
    identifier.slice(end + 1),
  ]
  if (from === '' || subject === '') {
    notes.push(
      `user ${idOf(row)} (${nameOf(row)}): the identity ${JSON.stringify(identifier)} names no provider; not brought over`,
    )
    return []
  }
  notes.push(
    `user ${idOf(row)} (${nameOf(row)}) is ${subject} at the provider ${from}${isKnown ? '' : '; if that is not its issuer to the letter, say --oidc-issuer'}`,
  )
  const created = timeIn(row, 'created_at') ?? now
  return [{ user: idOf(row), issuer: from, subject, email: textIn(row, 'email'), created }]
}
