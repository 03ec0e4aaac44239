/**
 * Users as a directory makes, changes, suspends and deletes them. (RFC 7644 §3.3 to §3.6)
 *
 * A directory has those whom it made, and those who log in by its own provider and by nothing else. Whoever is in the
 * tailnet otherwise is out of its reach, whatever their address: an address proves nothing.
 */

import { LoginName } from '../../wire/api/words.ts'
import { findUser, handleLogin, holderWrite, loginHolder, newUser, userWrite, userWrites } from '../model/people.ts'
import type { Batch, DirectoryUser, User, Write } from '../model/records.ts'
import { restoreWrites, suspendWrites, userDeletion } from '../model/user-changes.ts'
import type { Directory, Person } from './directory.ts'
import { invalid, quoted, ScimRefusal } from './refusal.ts'
import type { Draft } from './schema.ts'

type Changes = Omit<Batch, 'tailnet'>
/** What is to be written, and the user as they are then. */
export interface UserChange {
  readonly batch: Changes
  readonly person: Person
}

type Profile = Pick<DirectoryUser, 'userName' | 'externalId' | 'name' | 'displayName' | 'emails'> & {
  readonly active?: boolean
}

const USERS_MAX = 100_000
const EMAILS_MAX = 20
/** Names of other places than mail domains, such as `github`, have no dot. */
const ADDRESS = /^[^\s@]+@[^\s@.]+(\.[^\s@.]+)+$/

/** @param id of a user who is new */
export function createUser(at: Directory, id: number, draft: Draft): UserChange {
  const { tailnet, provider, now } = at
  const profile = readProfile(draft)
  const login = loginOf(at, profile)
  checkFree(at, profile.userName, undefined)
  checkOwn(at, login)
  if (tailnet.count('directory-user') >= USERS_MAX)
    throw new ScimRefusal(403, `A tailnet takes at most ${USERS_MAX} users from directories`)
  const record = { ...recordOf(profile), user: id, provider: provider.id, active: profile.active ?? true }
  const dated: DirectoryUser = { ...record, created: now, modified: now }
  const present = findUser(tailnet, login)
  if (present !== undefined) return adopt(at, present, { ...dated, user: present.id }, login)
  const fresh = newUser(id, login, 'member', now, shownName(profile))
  const user: User = dated.active ? fresh : { ...fresh, status: 'suspended' }
  const value: DirectoryUser = dated.active ? dated : { ...dated, suspended: true }
  return {
    batch: { writes: [...userWrites(tailnet, user), recordWrite(at, value)] },
    person: { user, record: value },
  }
}

/** Somebody who is there already: only whoever logs in by this very provider. */
function adopt(at: Directory, user: User, record: DirectoryUser, login: string): UserChange {
  const { tailnet, provider } = at
  const ways = [...tailnet.all('identity')].filter((identity) => identity.user === user.id)
  const isSame = ways.some(
    ({ email, subject }) => email?.toLowerCase() === login.toLowerCase() || subject === record.externalId,
  )
  const isElsewhere = ways.some((way) => way.provider !== provider.id)
  if (!isSame || isElsewhere || tailnet.get('directory-user', String(user.id)) !== undefined)
    throw taken(
      `There is a user ${login} already who does not log in by ${provider.title} alone: a directory takes over nobody else`,
    )
  return applied(at, { user, record: { ...record, active: true } }, { ...record, active: record.active }, user)
}

/** Makes the user what the draft says. */
export function changeUser(at: Directory, { user, record: before }: Person, draft: Draft): UserChange {
  const profile = readProfile(draft)
  checkFree(at, profile.userName, user.id)
  const { user: id, provider, created, suspended } = before
  const record: DirectoryUser = {
    ...recordOf(profile),
    user: id,
    provider,
    active: profile.active ?? before.active,
    ...(suspended === undefined ? {} : { suspended }),
    created,
    modified: at.now,
  }
  const login = loginOf(at, profile)
  const isRenamed = login !== loginOf(at, before) && login !== user.loginName
  if (isRenamed) {
    checkOwn(at, login)
    const holder = findUser(at.tailnet, login)
    if (holder !== undefined && holder.id !== user.id) throw taken(`There is another user ${login}`)
  }
  const shown = shownName(profile)
  const after: User = {
    ...user,
    ...(isRenamed ? { loginName: login } : {}),
    ...(shown === undefined || shown === shownName(before) ? {} : { displayName: shown }),
  }
  return applied(at, { user, record: before }, record, after)
}

/** Whom the directory suspended it restores, and nobody whom an administrator suspended. */
function applied(at: Directory, before: Person, record: DirectoryUser, after: User): UserChange {
  const { tailnet } = at
  const { user } = before
  const writes: Write[] = []
  if (after.loginName.toLowerCase() !== user.loginName.toLowerCase())
    writes.push(
      holderWrite(tailnet, loginHolder(user.loginName), null),
      holderWrite(tailnet, loginHolder(after.loginName), user.id),
    )
  const { suspended, ...rest } = record
  if (before.record.active && !record.active && user.status !== 'suspended') {
    if (user.role === 'owner') throw untouchable()
    writes.push(...suspendWrites(tailnet, after), recordWrite(at, { ...rest, suspended: true }))
    return { batch: { writes }, person: { user: { ...after, status: 'suspended' }, record } }
  }
  if (record.active && suspended === true) {
    const restored = user.status === 'suspended' ? restoreWrites(tailnet, after) : [userWrite(tailnet, after)]
    writes.push(...restored, recordWrite(at, rest))
    return { batch: { writes }, person: { user: { ...after, status: 'active' }, record: rest } }
  }
  if (JSON.stringify(after) !== JSON.stringify(user)) writes.push(userWrite(tailnet, after))
  writes.push(recordWrite(at, record))
  return { batch: { writes }, person: { user: after, record } }
}

export function deleteUser({ tailnet, now }: Directory, { user }: Person): Changes {
  if (user.role === 'owner') throw untouchable()
  return userDeletion(tailnet, user, now)
}

function untouchable(): ScimRefusal {
  return new ScimRefusal(
    403,
    'The owner of the tailnet can neither be suspended nor deleted: hand the ownership over first',
  )
}

function taken(detail: string): ScimRefusal {
  return new ScimRefusal(409, detail, 'uniqueness')
}

function readProfile(draft: Draft): Profile {
  const { userName, externalId, name, displayName, emails = [], active } = draft as Partial<Profile>
  if (userName === undefined || userName.trim() === '') throw invalid('userName: want one')
  if (emails.length > EMAILS_MAX) throw invalid(`emails: want at most ${EMAILS_MAX}`)
  return {
    userName,
    ...(externalId === undefined ? {} : { externalId }),
    ...(name === undefined || Object.keys(name).length === 0 ? {} : { name }),
    ...(displayName === undefined ? {} : { displayName }),
    emails: emails.filter(({ value }) => value !== undefined && value !== ''),
    ...(active === undefined ? {} : { active }),
  }
}

function recordOf({ active: _active, ...profile }: Profile): Omit<Profile, 'active'> {
  return profile
}

/** What they are called in the tailnet: their address, or where the directory says none, as those are who log in without. */
function loginOf({ provider }: Directory, { userName, emails }: Pick<Profile, 'userName' | 'emails'>): string {
  const primary = emails.find((email) => email.primary === true) ?? emails[0]
  const address = [userName, primary?.value].find(
    (text) => text !== undefined && ADDRESS.test(text) && LoginName.safeParse(text).success,
  )
  return address ?? handleLogin(userName, provider.id)
}

function shownName({ displayName, name }: Pick<Profile, 'displayName' | 'name'>): string | undefined {
  const parts = [name?.givenName, name?.familyName].filter((part) => part !== undefined && part !== '')
  return [displayName, name?.formatted, parts.join(' ')].find((text) => text !== undefined && text !== '')
}

function checkFree(at: Directory, userName: string, self: number | undefined): void {
  const name = userName.toLowerCase()
  const { tailnet, provider } = at
  const isOther = ({ user, userName, provider: of }: DirectoryUser): boolean =>
    user !== self && of === provider.id && userName.toLowerCase() === name
  if (tailnet.all('directory-user').some(isOther))
    throw taken(`There is a user with the userName ${quoted(userName)} already`)
}

/** A directory does not name people of a mail domain that only another provider vouches for. */
function checkOwn({ tailnet, provider }: Directory, login: string): void {
  const domain = login.slice(login.lastIndexOf('@') + 1).toLowerCase()
  const vouches = (one: { readonly admits: { readonly domains: readonly string[] } }): boolean =>
    one.admits.domains.some((own) => own.toLowerCase() === domain)
  if (!vouches(provider) && [...tailnet.all('provider')].some((other) => other.id !== provider.id && vouches(other)))
    throw invalid(`Addresses of ${domain} are another identity provider’s to name`)
}

function recordWrite({ tailnet }: Directory, value: DirectoryUser): Write {
  const id = String(value.user)
  return { kind: 'directory-user', id, expect: tailnet.version('directory-user', id), value }
}
