/**
 * Groups that identity providers put people in, as policies name them without `group:`: `NAME@DOMAIN`, in lower case.
 * What the claims of a login say and what a directory says by SCIM are kept apart, so that neither undoes the other.
 */

import type { Wall } from '../../base/clock.ts'
import type { TailnetState } from './model.ts'
import type { DirectoryGroup, Provider, User, Write } from './records.ts'

/**
 * What policies call a group of a provider; `undefined`: nothing, as no policy could hold its name. Paths stay whole
 * (`acme/ops`): what is under another path is another group, and at some providers anybody makes one.
 *
 * @param domain `groupDomain` of the provider
 */
export function groupName(name: string, domain: string): string | undefined {
  const plain = plainGroup(name)
  return /^[a-z0-9._+/-]{1,128}$/.test(plain) ? `${plain}@${domain}` : undefined
}

/** Groups whose names are alike in this are one for policies. */
export function plainGroup(name: string): string {
  return name.replace(/^\//, '').trim().toLowerCase().replace(/ +/g, '-')
}

/** All groups that somebody is in; sorted. */
export function groupsOf({ groups = NONE, directoryGroups = NONE }: User): readonly string[] {
  if (directoryGroups.length === 0) return groups
  return groups.length === 0 ? directoryGroups : [...new Set([...groups, ...directoryGroups])].sort()
}
const NONE: readonly string[] = []

/** All groups that are known in the tailnet, those of a directory without members too. */
export function groupsIn(state: TailnetState): ReadonlySet<string> {
  const known = new Set<string>()
  for (const user of state.usersById.values()) for (const group of groupsOf(user)) known.add(group)
  for (const group of state.all('directory-group')) {
    const name = nameOf(state, group)
    if (name !== undefined) known.add(name)
  }
  return known
}

/** What policies call a directory's group; `undefined`: its provider's groups are not used. */
export function nameOf(state: TailnetState, { provider, displayName }: DirectoryGroup): string | undefined {
  const domain = state.get('provider', provider)?.groupDomain
  return domain === undefined ? undefined : groupName(displayName, domain)
}

/**
 * The writes of users by which these are in the groups that the directories will have them in.
 *
 * @param changed groups as they are to be, by id; `null`: gone
 * @param name what policies will call a group
 */
export function regrouped(
  state: TailnetState,
  users: ReadonlySet<number>,
  changed: ReadonlyMap<string, DirectoryGroup | null>,
  name: (group: DirectoryGroup) => string | undefined = (group) => nameOf(state, group),
): Write[] {
  const after = new Map<number, Set<string>>()
  const take = (group: DirectoryGroup): void => {
    const called = name(group)
    if (called === undefined) return
    for (const member of group.members) {
      if (!users.has(member)) continue
      const theirs = after.get(member)
      if (theirs === undefined) after.set(member, new Set([called]))
      else theirs.add(called)
    }
  }
  for (const [id, group] of state.entries('directory-group')) if (!changed.has(id)) take(group)
  for (const group of changed.values()) if (group !== null) take(group)

  const writes: Write[] = []
  for (const id of users) {
    const user = state.usersById.get(id)
    if (user === undefined) continue
    const { directoryGroups: before = NONE, ...rest } = user
    const directoryGroups = [...(after.get(id) ?? [])].sort()
    if (before.length === directoryGroups.length && before.every((group, i) => group === directoryGroups[i])) continue
    const value: User = { ...rest, ...(directoryGroups.length === 0 ? {} : { directoryGroups }) }
    writes.push({ kind: 'user', id: String(id), expect: state.version('user', String(id)), value })
  }
  return writes
}

/** The writes of users by which a provider's groups are called as it is set now. */
export function renamedGroups(state: TailnetState, after: Provider): Write[] {
  if (state.get('provider', after.id)?.groupDomain === after.groupDomain) return []
  const called = (group: DirectoryGroup): string | undefined => {
    if (group.provider !== after.id) return nameOf(state, group)
    return after.groupDomain === undefined ? undefined : groupName(group.displayName, after.groupDomain)
  }
  return regrouped(state, membersOf(state, after.id), new Map(), called)
}

/** The writes by which what a provider's directory made is forgotten. Its people stay, and its tokens are revoked. */
export function forgetDirectory(state: TailnetState, provider: string, now: Wall): Write[] {
  const writes: Write[] = []
  const gone = new Map<string, null>()
  for (const [id, group] of state.entries('directory-group')) {
    if (group.provider !== provider) continue
    gone.set(id, null)
    writes.push({ kind: 'directory-group', id, expect: state.version('directory-group', id), value: null })
  }
  for (const [id, user] of state.entries('directory-user'))
    if (user.provider === provider)
      writes.push({ kind: 'directory-user', id, expect: state.version('directory-user', id), value: null })
  for (const key of state.all('key'))
    if (key.provider === provider && key.revoked === undefined)
      writes.push({ kind: 'key', id: key.id, expect: state.version('key', key.id), value: { ...key, revoked: now } })
  return [...writes, ...regrouped(state, membersOf(state, provider), gone)]
}

function membersOf(state: TailnetState, provider: string): ReadonlySet<number> {
  const members = new Set<number>()
  for (const group of state.all('directory-group'))
    if (group.provider === provider) for (const member of group.members) members.add(member)
  return members
}
