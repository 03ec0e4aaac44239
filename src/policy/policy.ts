/**
 * A checked policy, as data: every section with its selectors read, its names known to exist, and the place in the
 * text that each part came from. Made by `document/`, used by everything else here. (policy.md §2 to §13)
 */

import type { Prefix } from '../base/ip.ts'
import type { DerpRegion } from '../wire/derp-map.ts'

/** A place in the policy's text; both count from 1. */
export interface Place {
  readonly line: number
  readonly column: number
}

export type Autogroup =
  | 'member'
  | 'tagged'
  | 'owner'
  | 'admin'
  | 'network-admin'
  | 'it-admin'
  | 'billing-admin'
  | 'auditor'
  | 'self'
  | 'internet'
  | 'shared'
  | 'danger-all'

/** Who or what an entry of `src`, `dst`, `target` and the like names. (policy.md §3) */
export type Selector = { readonly text: string; readonly at: Place } & (
  | { readonly kind: 'any' }
  | { readonly kind: 'user'; readonly login: string }
  | { readonly kind: 'domain'; readonly domain: string }
  | { readonly kind: 'group'; readonly group: string }
  /** `group:n@domain`, synced from an identity provider; unknown ones have no members. */
  | { readonly kind: 'synced-group'; readonly group: string }
  | { readonly kind: 'tag'; readonly tag: string }
  | { readonly kind: 'autogroup'; readonly autogroup: Autogroup }
  /** A literal address or prefix, or the host alias that stands for one. */
  | { readonly kind: 'prefix'; readonly prefix: Prefix; readonly host?: string }
  | { readonly kind: 'ipset'; readonly ipset: string }
  | { readonly kind: 'service'; readonly service: string }
)

/** Both inclusive; `*` is 0 to 65535. */
export interface PortRange {
  readonly first: number
  readonly last: number
}

/** What may be sent: ports in the order written, of one protocol. */
export interface Traffic {
  /** IP protocol number; absent: what clients take for no protocol (TCP, UDP, ICMP, ICMPv6). */
  readonly protocol?: number
  readonly ports: readonly PortRange[]
}

export interface Destination {
  readonly target: Selector
  /** In order of first appearance, one entry a protocol. */
  readonly traffic: readonly Traffic[]
}

/** One grant or one entry of `acls`. Grants come before all ACLs, each in the order written. (policy.md §5, §6) */
export interface AccessRule {
  readonly kind: 'grant' | 'acl'
  /** Its place in its own section, from 0. */
  readonly index: number
  readonly at: Place
  readonly sources: readonly Selector[]
  readonly destinations: readonly Destination[]
  /** Capability name to its values, as written. Grants only. */
  readonly app: ReadonlyMap<string, readonly unknown[]>
  /** Tags; empty: any way. Grants only. */
  readonly via: readonly string[]
  /** Postures of which a source must meet one; empty: none is asked for. The default is filled in already. */
  readonly postures: readonly string[]
}

export type SshUser =
  /** Any local account but root. */
  | { readonly kind: 'nonroot' }
  /** `localpart:*@domain`: the account named as the person is. */
  | { readonly kind: 'localpart'; readonly domain: string }
  | { readonly kind: 'account'; readonly name: string }

/** policy.md §7. */
export interface SshRule {
  readonly index: number
  readonly at: Place
  readonly action: 'accept' | 'check'
  readonly sources: readonly Selector[]
  readonly destinations: readonly Selector[]
  readonly users: readonly SshUser[]
  /** How long a check holds, in ms; 0: every time. */
  readonly checkPeriodMs: number
  readonly acceptEnv: readonly string[]
  readonly recorder: readonly string[]
  readonly enforceRecorder: boolean
  readonly postures: readonly string[]
}

export type AttributeValue = string | number | boolean

/** policy.md §8. Names in it may be unknown: a test that names somebody who isn't there fails. */
export interface AccessTest {
  readonly at: Place
  readonly src: string
  /** As written; absent: TCP or UDP, whichever passes. */
  readonly proto?: string
  readonly accept: readonly TestTarget[]
  readonly deny: readonly TestTarget[]
  /** What the source is taken to have, instead of what it has. */
  readonly attributes?: ReadonlyMap<string, AttributeValue>
}
export interface TestTarget {
  readonly text: string
  readonly at: Place
}

export interface SshTest {
  readonly at: Place
  readonly src: string
  readonly dst: readonly TestTarget[]
  readonly accept: readonly string[]
  readonly check: readonly string[]
  readonly deny: readonly string[]
  readonly attributes?: ReadonlyMap<string, AttributeValue>
}

/** policy.md §9. A name that is not an owner's own is left out with a warning. */
export interface Group {
  readonly name: string
  readonly at: Place
  readonly members: readonly Selector[]
}

export interface TagOwners {
  readonly tag: string
  readonly at: Place
  /** Never empty: an empty list stands for the administrators. */
  readonly owners: readonly Selector[]
}

export interface Host {
  readonly name: string
  readonly at: Place
  readonly prefix: Prefix
}

/** One step of an ipset, applied in order. */
export interface IpSetStep {
  readonly at: Place
  readonly op: 'add' | 'remove'
  readonly target:
    | { readonly kind: 'prefix'; readonly prefix: Prefix }
    | { readonly kind: 'range'; readonly first: bigint; readonly last: bigint; readonly family: 4 | 6 }
    | { readonly kind: 'internet' }
    | { readonly kind: 'ipset'; readonly ipset: string }
}

/** policy.md §10. */
export interface AutoApprovers {
  readonly routes: readonly { readonly prefix: Prefix; readonly at: Place; readonly approvers: readonly Selector[] }[]
  readonly exitNode: readonly Selector[]
  /** `svc:name` or `tag:name` to those who may host it. */
  readonly services: ReadonlyMap<string, readonly Selector[]>
}

/** policy.md §11. */
export interface NodeAttrs {
  readonly index: number
  readonly at: Place
  readonly targets: readonly Selector[]
  readonly attrs: readonly string[]
  /** Capability to its values, such as app connectors. */
  readonly app: ReadonlyMap<string, readonly unknown[]>
  readonly ipPool: readonly Prefix[]
}

export type Comparison = '==' | '!=' | '<' | '<=' | '>' | '>='

/** policy.md §12. */
export type Assertion = { readonly at: Place; readonly text: string; readonly attribute: string } & (
  | { readonly op: Comparison; readonly value: AttributeValue }
  | { readonly op: 'IN' | 'NOT IN'; readonly values: readonly AttributeValue[] }
  | { readonly op: 'IS SET' | 'NOT SET' }
)

export interface Posture {
  readonly name: string
  readonly at: Place
  readonly assertions: readonly Assertion[]
}

export interface AttributeConfig {
  readonly type: 'string' | 'bool' | 'number'
  readonly allowSetByNode: boolean
  readonly broadcastToPeers: readonly string[]
}

export interface Policy {
  /** Neither `grants` nor `acls` is there: everything is allowed between all devices. (policy.md §2) */
  readonly allowAll: boolean
  readonly rules: readonly AccessRule[]
  readonly ssh: readonly SshRule[]
  readonly tests: readonly AccessTest[]
  readonly sshTests: readonly SshTest[]
  readonly groups: ReadonlyMap<string, Group>
  readonly tagOwners: ReadonlyMap<string, TagOwners>
  readonly hosts: ReadonlyMap<string, Host>
  readonly ipsets: ReadonlyMap<string, readonly IpSetStep[]>
  readonly autoApprovers: AutoApprovers
  readonly nodeAttrs: readonly NodeAttrs[]
  readonly postures: ReadonlyMap<string, Posture>
  readonly attrConfig: ReadonlyMap<string, AttributeConfig>
  /** Regions by number, as clients read them; `null` where a default one is taken away. */
  readonly derpMap?: { readonly regions: ReadonlyMap<number, DerpRegion | null>; readonly omitDefaultRegions: boolean }
  readonly disableIPv4: boolean
  readonly oneCGNATRoute: '' | 'mac-always' | 'mac-never'
  readonly randomizeClientPort: boolean
  readonly warnings: readonly PolicyWarning[]
}

export interface PolicyWarning {
  /** The group or selector that it is about, as written. */
  readonly about: string
  readonly text: string
  readonly at: Place
}
