/**
 * What an explanation says, as plain data that can be sent as JSON: nodes are their numbers, addresses are texts, and
 * whatever was written in the policy comes with its line and column. Words for people are text.ts.
 */

import type { AttributeValue, Place } from '../policy.ts'
import type { PolicyNode } from '../tailnet.ts'
import type { Ip } from '../../base/ip.ts'

/** Who sends, or who is sent to. A person or a tag stands for every device of theirs. */
export type Subject =
  | { readonly kind: 'node'; readonly node: PolicyNode }
  | { readonly kind: 'user'; readonly login: string }
  | { readonly kind: 'tag'; readonly tag: string }
  | { readonly kind: 'address'; readonly ip: Ip }

export interface Question {
  readonly src: Subject
  readonly dst: Subject
  /** 0 for protocols without ports. */
  readonly port: number
  /** IP protocol number; absent: TCP. */
  readonly protocol?: number
}

export interface Explanation {
  readonly protocol: number
  readonly port: number
  /** `in part`: some of the flows below are allowed and some are not. Without flows it is refused. */
  readonly verdict: 'allowed' | 'refused' | 'in part'
  readonly flows: readonly FlowExplanation[]
  /** Further flows between other devices of the same ends, which count for the verdict and are not explained. */
  readonly omitted: number
  /** Why there are no flows: ends at which there is no device. */
  readonly missing?: readonly ('src' | 'dst')[]
}

/** One end of a flow; `node` is its number (`PolicyNode.id`) where the addresses are a node's own. */
export interface End {
  /** IPv4 before IPv6, where the answer is the same for both. */
  readonly addresses: readonly string[]
  readonly node?: number
}

export interface FlowExplanation {
  readonly from: End
  readonly to: End
  readonly allowed: boolean
  /** Where the flow leaves the tailnet again: a subnet router or an exit node. Absent where `to` is a node's own. */
  readonly through?: Through
  /** The Service whose address `to` is, and the host at which the flow arrives, if there is any. */
  readonly service?: { readonly name: string; readonly host?: number }
  /** Every rule that lets it pass, once for each destination in it that does. */
  readonly by: readonly Passing[]
  /** What stands in the way besides rules. */
  readonly obstacles: readonly Obstacle[]
  /** Of what is refused: the rules that come closest, those first of which the least fails. */
  readonly near: readonly NearMiss[]
  /** Of what is refused: each of these would allow it; the smallest first. */
  readonly remedies: readonly Remedy[]
}

export interface Through {
  readonly node: number
  readonly route: string
  readonly exit: boolean
}

export interface RuleRef {
  /** `default`: the policy has neither grants nor acls, which allows everything. */
  readonly kind: 'grant' | 'acl' | 'default'
  /** Its place in its section, from 0. */
  readonly index: number
  readonly at: Place
}

/** An entry of a rule, and why it means this end of the flow. */
export interface Naming {
  readonly text: string
  readonly at: Place
  readonly why: Fact
}

export type Fact =
  | { readonly kind: 'any' }
  | { readonly kind: 'user'; readonly login: string }
  | { readonly kind: 'domain'; readonly login: string; readonly domain: string }
  /** `at`: where the group lists the person. */
  | { readonly kind: 'group'; readonly login: string; readonly group: string; readonly at: Place }
  /** A group that an identity provider keeps. */
  | { readonly kind: 'synced-group'; readonly login: string; readonly group: string }
  | { readonly kind: 'tag'; readonly tag: string }
  | { readonly kind: 'autogroup'; readonly autogroup: string; readonly login?: string }
  /** `host`: the alias that stands for the prefix, and where that is defined. */
  | {
      readonly kind: 'prefix'
      readonly address: string
      readonly prefix: string
      readonly host?: string
      readonly at?: Place
    }
  /** `at`: the step of the ipset that the address came in by. */
  | { readonly kind: 'ipset'; readonly address: string; readonly ipset: string; readonly at?: Place }
  /** It is an address of this Service. */
  | { readonly kind: 'service'; readonly service: string }
  | { readonly kind: 'other'; readonly text: string }

export interface Passing {
  readonly rule: RuleRef
  readonly source: readonly Naming[]
  readonly destination: Naming
  /** The ports of that destination, such as `tcp:22,80-443`. */
  readonly traffic: string
  /** The posture that the source meets, where one is asked for. */
  readonly posture?: string
  /** The tags of routers by which it may go, where only some may carry it. */
  readonly via: readonly string[]
  /** Only between the devices of one user. */
  readonly own: boolean
}

/** What of a rule does not hold. */
export type Failing =
  | { readonly kind: 'source' }
  /** The flow goes to another user's device, or to a tagged one. */
  | { readonly kind: 'own' }
  | { readonly kind: 'posture'; readonly postures: readonly UnmetPosture[] }
  | { readonly kind: 'destination' }
  /** It does not go through a router with one of these tags. */
  | { readonly kind: 'via'; readonly tags: readonly string[] }
  | { readonly kind: 'protocol'; readonly traffic: string }
  | { readonly kind: 'port'; readonly traffic: string }
  /** The rule gives capabilities and opens no ports. */
  | { readonly kind: 'no ports' }

export interface UnmetPosture {
  readonly posture: string
  readonly at: Place
  /** Empty where the sender is not a device, which no posture can be asked of. */
  readonly assertions: readonly UnmetAssertion[]
}

export interface UnmetAssertion {
  readonly text: string
  readonly at: Place
  readonly attribute: string
  /** Absent: not set. */
  readonly value?: AttributeValue
}

export interface NearMiss {
  readonly rule: RuleRef
  /** The destination in the rule that this is about. */
  readonly destination: string
  readonly at: Place
  readonly failing: readonly Failing[]
}

export type Obstacle =
  | ServiceObstacle
  | SharingObstacle
  /** Nobody carries the address. `exit`: an exit node would. */
  | { readonly kind: 'no route'; readonly address: string; readonly exit: boolean }
  | { readonly kind: 'not approved'; readonly node: number; readonly route: string }
  /** The sender carries the address itself, and asks no policy. */
  | { readonly kind: 'itself'; readonly node: number; readonly route: string }
  /** The sender is not told of the route, since no rule leads it there. `exit`: `autogroup:internet` would. */
  | { readonly kind: 'not told'; readonly node: number; readonly route: string; readonly exit: boolean }

export type ServiceObstacle =
  /** A Service opens no connections. */
  | { readonly kind: 'from service'; readonly service: string }
  /** No node is approved as a host of it. */
  | { readonly kind: 'no host'; readonly service: string }
  /** The sender hosts it, and a host does not reach what it hosts. */
  | { readonly kind: 'own service'; readonly service: string }
  /** The Service doesn't take this. `ports`: what of TCP it takes. */
  | { readonly kind: 'not offered'; readonly service: string; readonly ports: string }

export type SharingObstacle =
  /** The sender is a device of another tailnet to which `node`, or what is behind it, isn't shared. */
  | { readonly kind: 'not shared'; readonly node?: number; readonly login: string }
  /** What is shared to others never reaches their devices. */
  | { readonly kind: 'one way'; readonly login: string }

/** Edits that together allow the flow. */
export interface Remedy {
  readonly edits: readonly Edit[]
}

export type Edit =
  | { readonly kind: 'approve route'; readonly node: number; readonly route: string }
  | { readonly kind: 'add to group'; readonly login: string; readonly group: string; readonly at: Place }
  | { readonly kind: 'add source'; readonly text: string; readonly rule: RuleRef }
  /** In an ACL with its ports, as `tag:db:22`. */
  | { readonly kind: 'add destination'; readonly text: string; readonly rule: RuleRef }
  /** To the ports of one destination of an ACL. */
  | { readonly kind: 'add port'; readonly port: string; readonly destination: string; readonly rule: RuleRef }
  /** To the `ip` of a grant, as `tcp:22`. */
  | { readonly kind: 'add ip'; readonly text: string; readonly rule: RuleRef }
  | { readonly kind: 'meet posture'; readonly posture: string; readonly assertions: readonly string[] }
  | { readonly kind: 'add grant'; readonly src: readonly string[]; readonly dst: string; readonly ip: string }
