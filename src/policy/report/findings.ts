/** What a report says, as plain data that can be sent as JSON; nodes are their numbers. */

import type { Place } from '../policy.ts'

export interface RuleAt {
  /** `default`: the policy has neither grants nor acls, which allows everything. */
  readonly kind: 'grant' | 'acl' | 'ssh' | 'default'
  /** Its place in its section, from 0. */
  readonly index: number
  readonly at: Place
}

/** Something that the policy defines under a name. */
export interface Named {
  readonly name: string
  /** Absent for what the policy keeps no place of. */
  readonly at?: Place
}

export interface PolicyReport {
  readonly nodes: number
  readonly users: number
  readonly reach: Reach
  /** Rules that admit everybody, whoever and wherever they are. */
  readonly openToAll: readonly OpenRule[]
  /** Rules that let nobody through as the tailnet is. */
  readonly unreachable: readonly { readonly rule: RuleAt; readonly lacks: 'sources' | 'destinations' }[]
  /** Rules that change nothing: others allow the same. All of them could go together. */
  readonly redundant: readonly { readonly rule: RuleAt; readonly by: readonly RuleAt[] }[]
  readonly unused: {
    readonly groups: readonly Named[]
    readonly hosts: readonly Named[]
    readonly ipsets: readonly Named[]
    readonly postures: readonly Named[]
    /** Neither written anywhere nor carried by a node. */
    readonly tags: readonly Named[]
  }
  /** Tags that nobody owns as the tailnet is: only administrators can assign them. */
  readonly ownerless: readonly Named[]
}

export interface Reach {
  /** Ordered pairs of two different nodes. */
  readonly pairs: number
  /** Of these, how many have something open. */
  readonly openPairs: number
  /** Of all ports of TCP and UDP between all pairs, 0 to 1. */
  readonly portShare: number
  /** Whoever reaches the most nodes; the same number is in the order of logins. */
  readonly widest: readonly { readonly login: string; readonly nodes: number }[]
  /** False: the tailnet is too large to be counted whole, and the numbers are too low. */
  readonly complete: boolean
}

export interface OpenRule {
  readonly rule: RuleAt
  /** Even addresses outside the tailnet. */
  readonly outside: boolean
  /** Such as `tag:web tcp:443`, one for each destination. */
  readonly opens: readonly string[]
}
