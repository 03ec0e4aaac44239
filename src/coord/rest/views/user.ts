/** A user as the API shows them. (api-v2.md §6.2) */

import { formatTime } from '../../../base/clock.ts'
import type { User as UserObject } from '../../../wire/api/objects.ts'
import type { Node, User } from '../../model/records.ts'
import { isOnline } from '../call.ts'
import type { At } from '../call.ts'

export function viewUser(at: At, user: User): UserObject {
  const devices = devicesOf(at, user.id)
  const connected = devices.some((node) => isOnline(at, node))
  const seen = devices.map((node) => at.tailnet.presence(node.id)?.lastSeen ?? node.loggedIn)
  return {
    id: String(user.id),
    displayName: user.displayName,
    loginName: user.loginName,
    profilePicUrl: user.profilePicUrl,
    tailnetId: at.record.stableId,
    created: formatTime(user.created),
    type: 'member',
    role: user.role,
    status: user.status,
    deviceCount: devices.length,
    lastSeen: formatTime(connected ? at.now : seen.reduce((a, b) => (a > b ? a : b), user.created)),
    currentlyConnected: connected,
  }
}

/** A user's own devices: tagged ones are nobody's. */
export function devicesOf(at: Pick<At, 'tailnet'>, user: number): Node[] {
  return [...at.tailnet.nodesById.values()].filter((node) => node.user === user && node.tags.length === 0)
}
