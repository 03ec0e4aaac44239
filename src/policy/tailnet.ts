/** What the policy is applied to: the users and nodes of one tailnet, as far as a policy can see them. */

import type { Ip, Prefix } from '../base/ip.ts'
import type { AttributeValue } from './policy.ts'

export type Role = 'owner' | 'admin' | 'network-admin' | 'it-admin' | 'billing-admin' | 'auditor' | 'member'

export interface PolicyUser {
  readonly id: number
  /** `name@domain`, `name@github`, `name@passkey`. Compared without regard to case. */
  readonly login: string
  readonly role: Role
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

/** The whole of it: what tests, explanations and reports look at. */
export interface PolicyTailnet {
  readonly users: readonly PolicyUser[]
  readonly nodes: readonly PolicyNode[]
}
