/** What the policy lets happen without an administrator: tags that are assigned, routes that are approved. (policy.md §9, §10) */

import { prefixCovers } from '../base/ip.ts'
import type { Prefix } from '../base/ip.ts'
import { People } from './people.ts'
import type { Policy, Selector } from './policy.ts'
import type { PolicyUser } from './tailnet.ts'

/** Whoever asks for something: a person, or a machine with its tags. */
export interface Applicant {
  readonly user?: PolicyUser
  readonly tags: readonly string[]
}

/** These may assign every tag that is declared. (policy.md §9, override) */
const TAGGING_ROLES: ReadonlySet<string> = new Set(['owner', 'admin', 'network-admin'])

export class Approvals {
  readonly #policy: Policy
  readonly #people: People

  constructor(policy: Policy, people: People = new People(policy)) {
    this.#policy = policy
    this.#people = people
  }

  /** May the applicant give a machine this tag? Never one that the policy doesn't declare. */
  mayTag(applicant: Applicant, tag: string): boolean {
    const declared = this.#policy.tagOwners.get(tag)
    if (declared === undefined) return false
    if (applicant.user !== undefined && applicant.tags.length === 0 && TAGGING_ROLES.has(applicant.user.role))
      return true
    return declared.owners.some((owner) => this.#isOne(owner, applicant))
  }

  /** Is the route approved as soon as the applicant offers it? Exit routes only by `exitNode`. */
  approvesRoute(applicant: Applicant, route: Prefix): boolean {
    const { exitNode, routes } = this.#policy.autoApprovers
    if (route.bits === 0) return exitNode.some((approver) => this.#isOne(approver, applicant))
    return routes.some(
      ({ prefix, approvers }) =>
        prefixCovers(prefix, route) && approvers.some((approver) => this.#isOne(approver, applicant)),
    )
  }

  /** Is a Service with this name and these tags approved as soon as the applicant hosts it? */
  approvesService(applicant: Applicant, service: string, tags: readonly string[]): boolean {
    // A person's device is no host. (policy.md §15.10)
    if (applicant.tags.length === 0) return false
    return [service, ...tags].some((key) =>
      (this.#policy.autoApprovers.services.get(key) ?? []).some((approver) => this.#isOne(approver, applicant)),
    )
  }

  /** Where the IPv4 address of a new machine comes from; none: from anywhere. */
  ipPools(applicant: Applicant): Prefix[] {
    return this.#policy.nodeAttrs
      .filter(
        ({ ipPool, targets }) =>
          ipPool.length > 0 && targets.some((t) => t.kind === 'any' || this.#isOne(t, applicant)),
      )
      .flatMap(({ ipPool }) => ipPool)
  }

  /** A tagged machine is what its tags are, and nothing of the person that brought it. */
  #isOne(selector: Selector, { user, tags }: Applicant): boolean {
    if (selector.kind === 'tag') return tags.includes(selector.tag)
    if (selector.kind === 'autogroup' && selector.autogroup === 'tagged') return tags.length > 0
    return tags.length === 0 && user !== undefined && selector.kind !== 'any' && this.#people.includes(selector, user)
  }
}
