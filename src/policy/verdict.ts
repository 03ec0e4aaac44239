/**
 * May this packet pass, and by which rules? The answer that the filter of the node gives at which it arrives, found
 * in the same parts, for tests, explanations and differences. (policy.md §15; node.md §2.4)
 */

import type { Ip } from '../base/ip.ts'
import type { Access, Part, Target } from './access.ts'
import { hasPorts, isIcmp } from './protocols.ts'
import { admitsDevice, sharedAddresses } from './shared-in.ts'
import type { PolicyNode } from './tailnet.ts'

/** Protocols that clients take for "no protocol given": ICMP, TCP, UDP, ICMPv6. */
const DEFAULT_PROTOCOLS: ReadonlySet<number> = new Set([1, 6, 17, 58])

/** The first packet of a flow. */
export interface Flow {
  readonly from: Ip
  readonly to: Ip
  /** IP protocol number. */
  readonly protocol: number
  /** Of the destination; 0 for protocols without ports. */
  readonly port: number
}

/** A part that lets the flow pass, and through which of its targets. */
export interface Allowing {
  readonly part: Part
  readonly target: Target
}

/** Every part by which `at`, where the flow arrives, lets it in. None: it is dropped. */
export function allowing(access: Access, at: PolicyNode, flow: Flow): Allowing[] {
  const found: Allowing[] = []
  if (!isSendable(access, at, flow)) return found
  for (const part of access.parts) {
    if (!part.reach.nodes.has(at.slot) || !admits(access, part, at, flow.from)) continue
    for (const target of part.targets)
      if (part.reach.leads(target, at) && isFor(target, at, flow.to) && matchesTraffic(target, flow))
        found.push({ part, target })
  }
  return found
}

/**
 * Whatever rules say: a Service opens no connections, a host goes to no other host of what it hosts itself, and of a
 * node that is shared its own addresses are, and not what is behind it. (policy.md §15.10, §15.11)
 */
export function isSendable(access: Access, at: PolicyNode, { from, to }: Pick<Flow, 'from' | 'to'>): boolean {
  const { services, sharees } = access
  if (services.at(from) !== undefined) return false
  const service = services.at(to)
  const own = access.ownerOf(from)
  if (service !== undefined && own !== undefined && services.isHost(own, service.name)) return false
  const device = sharees.at(from)
  if (device === undefined) return true
  const shared = sharees.share(device, at)
  return shared !== undefined && sharedAddresses(at, shared).contains(to)
}

/** Is the address one of the sources of the part, as the filter of `at` has them? */
export function admits(access: Access, part: Part, at: PolicyNode, from: Ip): boolean {
  const device = access.sharees.at(from)
  const shared = device && access.sharees.share(device, at)
  if (device !== undefined) return shared !== undefined && admitsDevice(part, shared, from)
  if (!part.self) return part.sources.includes(from)
  const own = access.ownerOf(from)
  return own !== undefined && access.admitted(part, at).has(own.slot)
}

/** Is the address behind the target, at this node? */
export function isFor({ selected: { selector, addresses } }: Target, at: PolicyNode, to: Ip): boolean {
  if (selector.kind === 'any') return true
  if (addresses !== undefined) return addresses.contains(to)
  const own = to.family === 4 ? at.ipv4 : at.ipv6
  return own.value === to.value
}

/** ICMP passes by any rule for TCP or UDP too; other protocols without ports need all of them. (node.md §2.4) */
export function matchesTraffic({ destination }: Target, { protocol, port }: Pick<Flow, 'protocol' | 'port'>): boolean {
  return destination.traffic.some((traffic) => {
    if (isIcmp(protocol)) return traffic.ports.length > 0
    const listed = traffic.protocol === undefined ? DEFAULT_PROTOCOLS.has(protocol) : traffic.protocol === protocol
    if (!listed) return false
    if (hasPorts(protocol)) return traffic.ports.some(({ first, last }) => first <= port && port <= last)
    return traffic.ports.some(({ first, last }) => first === 0 && last === 65535)
  })
}
