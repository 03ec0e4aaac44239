/** What the policy is applied to: the users and nodes of one tailnet, as far as a policy can see them. */

import type { Ip, Prefix } from '../base/ip.ts'
import type { AttributeValue, PortRange } from './policy.ts'

export type Role = 'owner' | 'admin' | 'network-admin' | 'it-admin' | 'billing-admin' | 'auditor' | 'member'

export interface PolicyUser {
  readonly id: number
  /** `name@domain`, `name@github`, `name@passkey`. Compared without regard to case. */
  readonly login: string
  /** What policies may call them as well: `name@`. Compared in the same way. */
  readonly alias?: string
  readonly role: Role
  /** Groups that an identity provider puts them in: `NAME@DOMAIN`, in lower case, sorted. */
  readonly groups?: readonly string[]
}

export interface PolicyNode {
  /** Dense number, for bit sets; given again after the node has gone. */
  readonly slot: number
  /** Grows with every node that joins; decides which router is the primary one. */
  readonly id: number
  /** The owner, or whoever registered a tagged node. */
  readonly user: PolicyUser
  /** Sorted; not empty: the node has no user's rights. */
  readonly tags: readonly string[]
  readonly ipv4: Ip
  readonly ipv6: Ip
  /** Routes that it offers and that are approved, exit routes included. */
  readonly routes: readonly Prefix[]
  /** It holds a map stream; routes prefer who does. */
  readonly online: boolean
  /** Posture attributes as they are now: `node:os`, `custom:…`. */
  readonly attributes: ReadonlyMap<string, AttributeValue>
  /** Its filter may name peers by capabilities: it reads them, and lets packets in to its own addresses alone. */
  readonly readsSourceNames?: boolean
}

/** A Service: two addresses that belong to no node, and the nodes that answer at them. (policy.md §15.10) */
export interface PolicyService {
  /** `svc:name`. */
  readonly name: string
  readonly tags: readonly string[]
  /** Of the tailnet's ranges, and no node's own. */
  readonly ipv4: Ip
  readonly ipv6: Ip
  /** Ports of TCP that it offers. `do-not-validate`: whatever its hosts do. */
  readonly ports: readonly PortRange[] | 'do-not-validate'
  /** By `PolicyNode.id`: nodes that are approved as hosts. One without tags is none. */
  readonly hosts: readonly number[]
}

/** Somebody of another tailnet who has accepted nodes of this one. (policy.md §15.11) */
export interface PolicySharee {
  readonly login: string
  /**
   * As the shared nodes see them: slots and addresses are no node's own here. Their tags, routes and attributes are
   * their own tailnet's business.
   */
  readonly devices: readonly PolicyNode[]
  readonly shares: readonly PolicyShare[]
}
export interface PolicyShare {
  /** The shared node, by `PolicyNode.id`. */
  readonly node: number
  /** The invitation allows to use it as an exit node. */
  readonly exitNode: boolean
}

/** What of a tailnet are not nodes of its own. An engine is made anew when something of it changes. */
export interface Beyond {
  readonly services?: readonly PolicyService[] | undefined
  readonly sharees?: readonly PolicySharee[] | undefined
}

/** The whole of it: what tests, explanations and reports look at. */
export interface PolicyTailnet extends Beyond {
  readonly users: readonly PolicyUser[]
  readonly nodes: readonly PolicyNode[]
  /** Groups that identity providers keep in step, those without members too: `NAME@DOMAIN`, in lower case. */
  readonly groups?: ReadonlySet<string>
}
