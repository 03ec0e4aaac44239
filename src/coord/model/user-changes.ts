/**
 * The writes by which somebody is suspended, restored and deleted, with all that must change beside it: devices, keys,
 * what a directory keeps of them. Whether it may be done is decided elsewhere.
 */

import type { Wall } from '../../base/clock.ts'
import { isTailnets } from './credentials.ts'
import type { TailnetState } from './model.ts'
import { deleteNode } from './node-changes.ts'
import { holderWrite, loginHolder, userWrite } from './people.ts'
import type { Claim, Node, User, Write } from './records.ts'

/** A user's own devices: tagged ones are nobody's. */
export function ownDevices(tailnet: TailnetState, user: number): Node[] {
  return [...tailnet.nodesById.values()].filter((node) => node.user === user && node.tags.length === 0)
}

/** Their devices are cut off until they are restored; their keys and tokens do not work meanwhile. */
export function suspendWrites(tailnet: TailnetState, user: User): Write[] {
  const writes = [userWrite(tailnet, { ...user, status: 'suspended' })]
  for (const node of ownDevices(tailnet, user.id))
    if (node.authorized) writes.push(nodeWrite(tailnet, { ...node, authorized: false, heldBack: true }))
  return writes
}

export function restoreWrites(tailnet: TailnetState, user: User): Write[] {
  const writes = [userWrite(tailnet, { ...user, status: 'active' })]
  for (const { heldBack, ...node } of ownDevices(tailnet, user.id))
    if (heldBack === true) writes.push(nodeWrite(tailnet, { ...node, authorized: true }))
  return writes
}

/**
 * Their devices go with them; tagged ones stay, as they are nobody's. Their keys and tokens are revoked; OAuth clients,
 * federated identities and directories' tokens are the tailnet's and stay.
 */
export function userDeletion(
  tailnet: TailnetState,
  user: User,
  now: Wall,
): { readonly writes: Write[]; readonly claims: Claim[] } {
  const id = String(user.id)
  const writes: Write[] = [
    { kind: 'user', id, expect: tailnet.version('user', id), value: null },
    holderWrite(tailnet, loginHolder(user.loginName), null),
  ]
  // Links that they made, or that were made for them, lead nowhere any more.
  for (const [ticket, { user: of, inviter }] of tailnet.entries('ticket'))
    if (of === user.id || inviter === user.id)
      writes.push({ kind: 'ticket', id: ticket, expect: tailnet.version('ticket', ticket), value: null })
  const claims: Claim[] = []
  for (const node of ownDevices(tailnet, user.id)) {
    const gone = deleteNode(tailnet, node, now)
    writes.push(...gone.writes)
    claims.push(...gone.claims)
  }
  for (const key of tailnet.all('key'))
    if (key.user === user.id)
      writes.push({
        kind: 'key',
        id: key.id,
        expect: tailnet.version('key', key.id),
        value: { ...key, formerUser: user.loginName, ...(isTailnets(key) ? {} : { revoked: key.revoked ?? now }) },
      })
  writes.push(...forgottenByDirectory(tailnet, user.id))
  return { writes, claims }
}

function forgottenByDirectory(tailnet: TailnetState, user: number): Write[] {
  const id = String(user)
  if (tailnet.get('directory-user', id) === undefined) return []
  const writes: Write[] = [{ kind: 'directory-user', id, expect: tailnet.version('directory-user', id), value: null }]
  for (const [group, value] of tailnet.entries('directory-group'))
    if (value.members.includes(user))
      writes.push({
        kind: 'directory-group',
        id: group,
        expect: tailnet.version('directory-group', group),
        value: { ...value, members: value.members.filter((member) => member !== user) },
      })
  return writes
}

function nodeWrite(tailnet: TailnetState, node: Node): Write {
  const id = String(node.id)
  return { kind: 'node', id, expect: tailnet.version('node', id), value: node }
}
