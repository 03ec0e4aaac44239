/**
 * Reads policy captures: what a tailnet was, what was submitted to it, what was answered, and what every client then
 * showed. A folder holds files of one capture a line, `.jsonl` or `.jsonl.gz`. (test/vectors/policy/README.md)
 *
 * Members may be absent; what is there must be of its kind. What a client shows keeps the names that it came with,
 * so that a map of this server, put in the same form, compares member by member.
 */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'

export interface WireRule {
  readonly SrcIPs?: readonly string[] | null
  readonly IPProto?: readonly number[] | null
  readonly DstPorts?: readonly WirePorts[] | null
  readonly CapGrant?: readonly WireGrant[] | null
}
export interface WirePorts {
  readonly IP: string
  readonly Ports: { readonly First: number; readonly Last: number }
}
export interface WireGrant {
  readonly Dsts: readonly string[]
  readonly CapMap?: CapMap | null
  readonly Caps?: readonly string[] | null
}
/** `null`: the name says it all. */
export type CapMap = Readonly<Record<string, readonly unknown[] | null>>

export interface WireSshRule {
  readonly principals: readonly Readonly<Record<string, unknown>>[]
  readonly sshUsers?: unknown
  readonly action?: unknown
  readonly acceptEnv?: readonly string[] | null
}

/** A node as a client's map has it; `Name` is in full, `User` is the number of a profile. */
export interface ShownNode {
  readonly Name?: string
  /** The first label; maps themselves have only the whole. */
  readonly name?: string
  readonly User?: number
  readonly Addresses?: readonly string[] | null
  readonly AllowedIPs?: readonly string[] | null
  readonly PrimaryRoutes?: readonly string[] | null
  readonly Tags?: readonly string[] | null
  readonly CapMap?: CapMap | null
}

export interface Profile {
  readonly ID: number
  readonly LoginName: string
  readonly DisplayName: string
}

/** What one client shows of its map. */
export interface Shown {
  readonly packet_filter_rules?: readonly WireRule[] | null
  /** The same read from another place; only where the two differ. */
  readonly netmap_packet_filter_rules?: readonly WireRule[] | null
  readonly self?: ShownNode
  readonly peers?: readonly ShownNode[] | null
  /** By number, in decimal. */
  readonly user_profiles?: Readonly<Record<string, Profile>> | null
  readonly ssh_policy?: { readonly rules?: readonly WireSshRule[] | null } | null
  readonly ssh_rules?: readonly WireSshRule[] | null
  /** Capabilities by the address that they are granted to. */
  readonly peer_caps?: Readonly<Record<string, CapMap>> | null
  readonly dns?: ShownDns | null
}

export interface ShownDns {
  readonly Routes?: Readonly<Record<string, unknown>> | null
  readonly Domains?: readonly string[] | null
  readonly Proxied?: boolean
  readonly [other: string]: unknown
}

export interface CaptureUser {
  readonly name: string
  readonly login: string
}

export interface CaptureNode {
  readonly name: string
  readonly ipv4: string
  readonly ipv6: string
  /** Name of the owner; `undefined`: tagged. */
  readonly user: string | undefined
  readonly tags: readonly string[]
  /** Prefixes that it offers, and those approved before the policy was submitted. */
  readonly offered: readonly string[]
  readonly approved: readonly string[]
}

/** As the API shows it. */
export interface CaptureDns {
  readonly magicDNS: boolean
  readonly nameservers: readonly string[]
  readonly searchPaths: readonly string[]
  readonly splitDNS: Readonly<Record<string, readonly string[]>>
}

export interface Capture {
  readonly id: string
  /** What the tailnet is called, and the suffix of its machines' names, without dots at its ends. */
  readonly tailnet: string
  readonly domain: string
  readonly autoUpdates: boolean
  readonly dns: CaptureDns
  readonly users: readonly CaptureUser[]
  /** In the order in which they joined, as far as it is known. */
  readonly nodes: readonly CaptureNode[]
  readonly policy: string
  readonly status: number
  /** Of a refusal. */
  readonly message: string | undefined
  /** By name of the node; nodes whose recording failed are absent. */
  readonly shown: ReadonlyMap<string, Shown>
}

/** The texts of the captures in a folder, file by file in order of their names. */
export function* captureLines(folder: string): Generator<string> {
  for (const file of readdirSync(folder).sort()) {
    if (!/\.jsonl(\.gz)?$/.test(file)) continue
    const raw = readFileSync(join(folder, file))
    const text = (file.endsWith('.gz') ? gunzipSync(raw) : raw).toString('utf8')
    for (const line of text.split('\n')) if (line.trim() !== '') yield line
  }
}

interface Recorded {
  readonly id?: string
  readonly tailnet?: string
  readonly tailnet_dns?: {
    readonly magic_dns?: boolean
    readonly nameservers?: readonly string[] | null
    readonly search_paths?: readonly string[] | null
    readonly split_dns?: Readonly<Record<string, readonly string[]>> | null
  } | null
  readonly tailnet_settings?: { readonly devices_auto_updates_on?: boolean | null } | null
  readonly topology?: {
    readonly users?: readonly { readonly name: string; readonly email?: string | null }[] | null
    readonly nodes?: Readonly<Record<string, RecordedNode>> | null
  }
  readonly policy?: unknown
  readonly response_code?: number
  readonly response_body?: { readonly message?: string } | null
  readonly nodes?: Readonly<Record<string, Shown>> | null
}
interface RecordedNode {
  readonly ipv4: string
  readonly ipv6: string
  readonly user?: string | null
  readonly tags?: readonly string[] | null
  readonly routable_ips?: readonly string[] | null
  readonly approved_routes?: readonly string[] | null
}

/**
 * One capture from its line.
 *
 * @throws Error when it is no JSON, or says nothing about what was submitted to what
 */
export function readCapture(line: string): Capture {
  const recorded = JSON.parse(line) as Recorded
  const { id, topology, policy } = recorded
  if (id === undefined || topology?.nodes == null || policy == null)
    throw new Error('Cannot read capture: it lacks its id, topology or policy')
  const shown = new Map(Object.entries(recorded.nodes ?? {}))
  const tailnet = recorded.tailnet ?? ''
  const nodes = Object.entries(topology.nodes).map(([name, node]) => ({
    name,
    ipv4: node.ipv4,
    ipv6: node.ipv6,
    tags: node.tags ?? [],
    user: node.tags?.length ? undefined : (node.user ?? undefined),
    offered: node.routable_ips ?? [],
    approved: node.approved_routes ?? [],
  }))
  return {
    id,
    tailnet,
    domain: domainOf(shown),
    autoUpdates: recorded.tailnet_settings?.devices_auto_updates_on === true,
    dns: {
      magicDNS: recorded.tailnet_dns?.magic_dns === true,
      nameservers: recorded.tailnet_dns?.nameservers ?? [],
      searchPaths: recorded.tailnet_dns?.search_paths ?? [],
      splitDNS: recorded.tailnet_dns?.split_dns ?? {},
    },
    users: (topology.users ?? []).map(({ name, email }) => ({ name, login: email || loginOf(name, tailnet) })),
    nodes: inOrderOfJoining(nodes, shown),
    policy: typeof policy === 'string' ? policy : JSON.stringify(policy, null, 2),
    status: recorded.response_code ?? 200,
    message: recorded.response_body?.message,
    shown,
  }
}

/** A tailnet is called after its owner; recordings that give users no address have only them. */
function loginOf(name: string, tailnet: string): string {
  return tailnet.startsWith(`${name}@`) ? tailnet : name
}

function domainOf(shown: ReadonlyMap<string, Shown>): string {
  for (const [name, { self }] of shown)
    if (self?.Name?.startsWith(`${name}.`)) return self.Name.slice(name.length + 1).replace(/\.$/, '')
  return 'tailnet.example'
}

/**
 * Of several routers of one prefix the one that joined first carries it (policy.md §15.8), but recordings do not
 * tell who joined when. What they tell is who says of itself that it carries the prefix: that one joined before the
 * others. Which routers their peers are told of, and everything else, has to follow from that.
 */
function inOrderOfJoining(nodes: readonly CaptureNode[], shown: ReadonlyMap<string, Shown>): CaptureNode[] {
  const carries = (node: CaptureNode): readonly string[] => shown.get(node.name)?.self?.PrimaryRoutes ?? []
  const before = (a: CaptureNode, b: CaptureNode): boolean =>
    carries(a).some((prefix) => b.offered.includes(prefix) && !carries(b).includes(prefix))
  const waiting = [...nodes]
  const joined: CaptureNode[] = []
  while (waiting.length > 0) {
    const next = waiting.findIndex((node) => !waiting.some((other) => before(other, node)))
    joined.push(...waiting.splice(Math.max(next, 0), 1))
  }
  return joined
}
