/** Users and groups of a directory as it is answered. (RFC 7643 §3.1, §4) */

import { formatTime } from '../../base/clock.ts'
import type { Wall } from '../../base/clock.ts'
import type { DirectoryGroup } from '../model/records.ts'
import { groupsOf } from './directory.ts'
import type { Directory, Person } from './directory.ts'
import { GROUP_URN, USER_URN } from './schema.ts'
import type { Draft } from './schema.ts'

/** The groups of these users, by user. */
export type Memberships = ReadonlyMap<number, readonly { readonly id: string; readonly name: string }[]>

export function membershipsOf(directory: Directory, users: ReadonlySet<number>): Memberships {
  const memberships = new Map<number, { id: string; name: string }[]>()
  for (const [id, { displayName: name, members }] of groupsOf(directory))
    for (const member of members) {
      if (!users.has(member)) continue
      const theirs = memberships.get(member)
      if (theirs === undefined) memberships.set(member, [{ id, name }])
      else theirs.push({ id, name })
    }
  return memberships
}

/** What a directory may write of a user: what PATCH starts from. */
export function userDraft({ record }: Person): Draft {
  const { userName, externalId, name, displayName, emails, active } = record
  return {
    ...(externalId === undefined ? {} : { externalId }),
    userName,
    ...(name === undefined ? {} : { name: { ...name } }),
    ...(displayName === undefined ? {} : { displayName }),
    ...(emails.length === 0 ? {} : { emails: emails.map((email) => ({ ...email })) }),
    active,
  }
}

export function viewUser({ base }: Directory, person: Person, memberships: Memberships): Draft {
  const { user, record } = person
  const groups = (memberships.get(user.id) ?? []).map(({ id, name }) => ({
    value: id,
    $ref: `${base}/Groups/${id}`,
    display: name,
    type: 'direct',
  }))
  return {
    schemas: [USER_URN],
    id: String(user.id),
    ...userDraft(person),
    ...(groups.length === 0 ? {} : { groups }),
    meta: meta('User', `${base}/Users/${user.id}`, record),
  }
}

export function groupDraft({ displayName, externalId, members }: DirectoryGroup): Draft {
  return {
    ...(externalId === undefined ? {} : { externalId }),
    displayName,
    members: members.map((id) => ({ value: String(id) })),
  }
}

/** @param withMembers directories ask for groups without them, since there may be many */
export function viewGroup({ base }: Directory, id: string, group: DirectoryGroup, withMembers: boolean): Draft {
  const { displayName, externalId } = group
  const members = !withMembers
    ? []
    : group.members.map((member) => ({
        value: String(member),
        $ref: `${base}/Users/${member}`,
        type: 'User',
      }))
  return {
    schemas: [GROUP_URN],
    id,
    ...(externalId === undefined ? {} : { externalId }),
    displayName,
    ...(members.length === 0 ? {} : { members }),
    meta: meta('Group', `${base}/Groups/${id}`, group),
  }
}

function meta(resourceType: string, location: string, { created, modified }: { created: Wall; modified: Wall }) {
  return { resourceType, created: formatTime(created), lastModified: formatTime(modified), location }
}
