/**
 * Groups as a directory makes, changes and deletes them, and the people in them: whoever comes or goes is in
 * `group:NAME@DOMAIN` of policies from the same transaction on, or no longer. (RFC 7644 §3.3 to §3.6)
 */

import { groupName, nameOf, plainGroup, regrouped } from '../model/groups.ts'
import type { Batch, DirectoryGroup, Write } from '../model/records.ts'
import { groupsOf, personOf } from './directory.ts'
import type { Directory } from './directory.ts'
import { invalid, ScimRefusal } from './refusal.ts'
import type { Draft } from './schema.ts'

type Changes = Omit<Batch, 'tailnet'>
export interface GroupChange {
  readonly batch: Changes
  readonly group: DirectoryGroup
}

const GROUPS_MAX = 5000

export function createGroup(at: Directory, id: string, draft: Draft): GroupChange {
  if (at.tailnet.count('directory-group') >= GROUPS_MAX)
    throw new ScimRefusal(403, `A tailnet takes at most ${GROUPS_MAX} groups from directories`)
  const group: DirectoryGroup = {
    ...readGroup(at, id, draft),
    provider: at.provider.id,
    created: at.now,
    modified: at.now,
  }
  return { batch: { writes: writesOf(at, id, undefined, group) }, group }
}

export function changeGroup(at: Directory, id: string, before: DirectoryGroup, draft: Draft): GroupChange {
  const { provider, created } = before
  const group: DirectoryGroup = { ...readGroup(at, id, draft), provider, created, modified: at.now }
  return { batch: { writes: writesOf(at, id, before, group) }, group }
}

export function deleteGroup(at: Directory, id: string, before: DirectoryGroup): Changes {
  return { writes: writesOf(at, id, before, undefined) }
}

/**
 * Whoever is no user of the directory is left out rather than refused: somebody else may have deleted them, and what is
 * said of the others must still come into force.
 */
function readGroup(at: Directory, id: string, draft: Draft) {
  const {
    displayName,
    externalId,
    members = [],
  } = draft as {
    displayName?: string
    externalId?: string
    members?: readonly { readonly value?: string }[]
  }
  if (displayName === undefined || displayName.trim() === '') throw invalid('displayName: want one')
  const plain = plainGroup(displayName)
  const other = groupsOf(at).find(([one, group]) => one !== id && plainGroup(group.displayName) === plain)
  if (other !== undefined)
    throw new ScimRefusal(
      409,
      `There is a group ${other[1].displayName} already, which policies call the same`,
      'uniqueness',
    )
  const users = new Set<number>()
  for (const { value = '' } of members) {
    const person = personOf(at, value)
    if (person !== undefined) users.add(person.user.id)
  }
  return {
    displayName,
    ...(externalId === undefined ? {} : { externalId }),
    members: [...users].sort((a, b) => a - b),
  }
}

function writesOf(
  at: Directory,
  id: string,
  before: DirectoryGroup | undefined,
  after: DirectoryGroup | undefined,
): Write[] {
  const { tailnet, provider } = at
  const isRenamed =
    before !== undefined &&
    after !== undefined &&
    provider.groupDomain !== undefined &&
    nameOf(tailnet, before) !== groupName(after.displayName, provider.groupDomain)
  const [was, is] = [new Set(before?.members), new Set(after?.members)]
  const moved = isRenamed ? was.union(is) : was.symmetricDifference(is)
  const write: Write = {
    kind: 'directory-group',
    id,
    expect: tailnet.version('directory-group', id),
    value: after ?? null,
  }
  return [write, ...regrouped(tailnet, moved, new Map([[id, after ?? null]]))]
}
