/** What a tailnet's policy lets a machine have without being asked for: tags, routes, addresses of a pool. (policy.md §9 to §11) */

import { parsePrefix } from '../../base/ip.ts'
import type { Prefix } from '../../base/ip.ts'
import { Approvals } from '../../policy/approvals.ts'
import type { Applicant } from '../../policy/approvals.ts'
import type { TailnetState } from '../model/model.ts'
import type { Policies } from '../model/policies.ts'
import { policyUser } from '../model/policy-tailnet.ts'
import type { Node, User } from '../model/records.ts'

export class Permits {
  readonly #policies: Policies

  constructor(policies: Policies) {
    this.#policies = policies
  }

  /** The tags among these that the applicant may not give a machine. */
  refusedTags(state: TailnetState, by: Applicant, tags: readonly string[]): string[] {
    const approvals = this.#approvals(state)
    return tags.filter((tag) => !approvals.mayTag(by, tag))
  }

  /** The node with the routes approved that it offers now, did not offer before, and may without being asked. */
  withApprovedRoutes(state: TailnetState, before: Node | undefined, node: Node): Node {
    const offered = node.hostinfo.RoutableIPs ?? []
    const known = new Set([...(before?.hostinfo.RoutableIPs ?? []), ...node.approvedRoutes])
    if (offered.every((text) => known.has(text))) return node
    const approvals = this.#approvals(state)
    const by = applicantOf(state.usersById.get(node.user), node.tags)
    const fresh = offered.filter((text) => {
      const route = known.has(text) ? undefined : parsePrefix(text)
      return route !== undefined && approvals.approvesRoute(by, route)
    })
    return fresh.length === 0 ? node : { ...node, approvedRoutes: [...node.approvedRoutes, ...fresh].sort() }
  }

  /** The pools that the new node's IPv4 address is drawn from; none: any address. */
  poolsFor(state: TailnetState, user: User, tags: readonly string[]): Prefix[] {
    return this.#approvals(state).ipPools(applicantOf(user, tags))
  }

  #approvals(state: TailnetState): Approvals {
    return new Approvals(this.#policies.of(state))
  }
}

export function applicantOf(user: User | undefined, tags: readonly string[]): Applicant {
  return user === undefined ? { tags } : { user: policyUser(user.id, user), tags }
}
