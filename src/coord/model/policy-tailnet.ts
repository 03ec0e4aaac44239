/** A tailnet as policies see it: made from records for the map, and for whoever asks what a policy would mean. */

import type { Wall } from '../../base/clock.ts'
import { parseIp, parsePrefix } from '../../base/ip.ts'
import type { Ip, Prefix } from '../../base/ip.ts'
import { mapped, Pace } from '../../policy/steps.ts'
import type { Steps } from '../../policy/steps.ts'
import type { PolicyNode, PolicyTailnet, PolicyUser } from '../../policy/tailnet.ts'
import { attributesOf } from './attributes.ts'
import { groupsIn, groupsOf } from './groups.ts'
import type { LoginAges } from './login-ages.ts'
import type { TailnetState } from './model.ts'
import type { AttributesRecord, Node, User } from './records.ts'
import { enabledRoutes, isExitRoute } from './routes.ts'

/** A node's part in the policy: what it is made from, at one time. */
export interface Subject {
  /** Dense number of the node, for bit sets. */
  readonly slot: number
  readonly node: Node
  readonly user: User | undefined
  /** Prefixes that it offers and may route. */
  readonly enabled: readonly string[]
  readonly online: boolean
  /** Posture attributes that were set by hand. */
  readonly custom: AttributesRecord['values']
}

/** From this capability version on, clients take names of capabilities for sources. (control.md §5.8) */
const READS_SOURCE_NAMES = 109

/**
 * A node as the policy sees it.
 *
 * @param ages as which of them a login's age is told; absent: exactly, for whoever looks only once
 */
export function policyNode(
  { slot, node, user, enabled, online, custom }: Subject,
  now: Wall,
  ages?: LoginAges,
): PolicyNode {
  const attributes = new Map(Object.entries(attributesOf(node, user, custom, now).attributes))
  ages?.coarsen(attributes)
  return {
    slot,
    id: node.id,
    user: policyUser(node.user, user),
    tags: node.tags,
    ipv4: parseIp(node.ipv4) as Ip,
    ipv6: parseIp(node.ipv6) as Ip,
    routes: enabled.map((text) => parsePrefix(text)).filter((prefix): prefix is Prefix => prefix !== undefined),
    // It makes a difference for routers only, and would have every policy asked anew whenever a lid is closed.
    online: online || enabled.every(isExitRoute),
    attributes,
    readsSourceNames: node.cap >= READS_SOURCE_NAMES && !letsInMore(node),
  }
}

/** May packets come in to more than its own addresses? Clients count what they offer, approved or not. (node.md §2.5) */
function letsInMore({ hostinfo }: Node): boolean {
  return (hostinfo.RoutableIPs ?? []).length > 0 || hostinfo.AppConnector === true
}

export function policyUser(id: number, user: User | undefined): PolicyUser {
  if (user === undefined) return { id, login: '', role: 'member' }
  const { loginName: login, alias, role } = user
  const groups = groupsOf(user)
  return {
    id,
    login,
    ...(alias === undefined ? {} : { alias }),
    role,
    ...(groups.length === 0 ? {} : { groups }),
  }
}

/** Devices that are made in one step: a few milliseconds' worth. */
const NODES_PER_STEP = 250

/**
 * The whole tailnet as it is before the first step: its people, and its devices but for those that wait for approval.
 */
export function* policyTailnet(
  state: TailnetState,
  isOnline: (node: Node) => boolean,
  now: Wall,
): Steps<PolicyTailnet> {
  const subjects: Subject[] = []
  for (const node of state.nodesById.values()) {
    if (!node.authorized) continue
    const custom = state.get('attributes', String(node.id))?.values ?? {}
    const user = state.usersById.get(node.user)
    subjects.push({ slot: subjects.length, node, user, enabled: enabledRoutes(node), online: isOnline(node), custom })
  }
  const users = [...state.usersById.values()].map((user) => policyUser(user.id, user))
  const nodes = yield* mapped(subjects, new Pace(NODES_PER_STEP), (subject) => policyNode(subject, now))
  return { users, nodes, groups: groupsIn(state) }
}
