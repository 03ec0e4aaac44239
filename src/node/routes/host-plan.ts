/**
 * What a node needs of its machine, as data: addresses, routes, policy rules, firewall chains, settings of the kernel
 * (node.md §3.3, §4). The same configuration gives the same plan.
 *
 * What changes between two plans is difference.ts; carrying it out, and undoing it, is the shell's matter.
 */

import type { Family } from '../../base/ip.ts'
import { firewall } from './firewall.ts'
import type { Firewall, NetfilterMode } from './firewall.ts'

/** The routing table that holds all routes of ours. */
export const TABLE = 52
/** Priority of the policy rules, to which each adds its own. */
export const PRIORITY_BASE = 5200
/** The same beside OpenWrt's mwan3, whose rules begin at 1000 and would come first. */
export const PRIORITY_BASE_MWAN3 = 1300
/** The metric that is tried last, in either family. */
export const METRIC_LAST = 4_294_967_295
/** What TUN devices of tailnets have: it fits through every way that IPv6 takes. */
export const MTU = 1280

/**
 * What can be done about IPv6 on this machine.
 *
 * - `full`: everything
 * - `blocking`: the device may have none, but others do, so that an exit node's user has to be kept from using them
 * - `none`: the kernel has none
 */
export type Ipv6Ability = 'full' | 'blocking' | 'none'

export interface HostConfig {
  readonly device: string
  readonly mtu?: number
  /** Our own, as prefixes of one address. */
  readonly addresses: readonly string[]
  /**
   * Prefixes into the tunnel, canonical and each once (os-routes.ts): there may be ten thousand, and none is read here.
   * A default route among them means that an exit node is used.
   */
  readonly routes: readonly string[]
  /** Prefixes left to the system's other tables, canonical and each once. */
  readonly localRoutes: readonly string[]
  readonly netfilter: NetfilterMode
  readonly masquerade: boolean
  readonly stateful: boolean
  readonly clampMss?: boolean
  readonly udpPort?: number
  readonly allowsForeignCgnat?: boolean
  readonly ipv6: Ipv6Ability
  readonly priorityBase?: number
}

export interface HostRoute {
  readonly prefix: string
  /** `throw`: look in the system's other tables; `unreachable`: nowhere. */
  readonly to: 'device' | 'throw' | 'unreachable'
}

export interface HostRule {
  readonly family: Family
  readonly priority: number
  /** Only packets that bear `MARK_BYPASS`. */
  readonly bypass: boolean
  readonly to: 'main' | 'default' | 'unreachable' | number
}

/** A file below /proc/sys and what it is to hold. */
export interface HostSetting {
  readonly path: string
  readonly value: string
}

export interface HostPlan {
  readonly device: string
  readonly mtu: number
  readonly addresses: readonly string[]
  readonly routes: readonly HostRoute[]
  readonly rules: readonly HostRule[]
  readonly firewall: Firewall
  readonly settings: readonly HostSetting[]
  /** Where WireGuard listens, for firewalls of others. */
  readonly udpPort?: number
}

/** A plan that asks for nothing. */
export function emptyPlan(device: string): HostPlan {
  const nothing = { addresses: [], routes: [], rules: [], settings: [] }
  return { device, mtu: MTU, ...nothing, firewall: { diverts: false, chains: [] } }
}

export function familyOf(prefix: string): Family {
  return prefix.includes(':') ? 6 : 4
}

export function hostPlan(config: HostConfig): HostPlan {
  const { device, ipv6, netfilter, udpPort } = config
  const isReachable = (prefix: string): boolean => familyOf(prefix) === 4 || ipv6 === 'full'
  const families: readonly Family[] = ipv6 === 'none' ? [4] : [4, 6]
  const addresses = unique(config.addresses.filter(isReachable))
  return {
    device,
    mtu: config.mtu ?? MTU,
    addresses,
    routes: routesOf(config),
    rules: families.flatMap((family) => rulesOf(family, config.priorityBase ?? PRIORITY_BASE)),
    firewall: firewall({
      device,
      families,
      addresses,
      mode: netfilter,
      masquerade: config.masquerade,
      stateful: config.stateful,
      clampMss: config.clampMss ?? false,
      allowsForeignCgnat: config.allowsForeignCgnat ?? false,
      ...(udpPort === undefined ? {} : { udpPort }),
    }),
    // Strict reverse-path filters look up marked packets by their mark, with this.
    settings: netfilter === 'on' ? [{ path: 'net/ipv4/conf/all/src_valid_mark', value: '1' }] : [],
    ...(udpPort === undefined ? {} : { udpPort }),
  }
}

function routesOf({ routes, localRoutes, ipv6 }: HostConfig): HostRoute[] {
  const local = new Set(localRoutes)
  const plan: HostRoute[] = []
  for (const prefix of routes) {
    if (local.has(prefix)) continue
    if (familyOf(prefix) === 6 && ipv6 === 'none') continue
    // The device goes when its program dies; what it leaves is not a way around the exit node, but no way at all.
    if (prefix.endsWith('/0')) plan.push({ prefix, to: 'unreachable' })
    if (familyOf(prefix) === 4 || ipv6 === 'full') plan.push({ prefix, to: 'device' })
  }
  for (const prefix of local) if (familyOf(prefix) === 4 || ipv6 !== 'none') plan.push({ prefix, to: 'throw' })
  return plan
}

/** The policy rules of a node, by the priority that they begin at. */
export function rulesOf(family: Family, base: number): HostRule[] {
  return [
    { family, priority: base + 10, bypass: true, to: 'main' },
    { family, priority: base + 30, bypass: true, to: 'default' },
    // What bypasses the tunnel and finds no way stays here, instead of going round through the tunnel.
    { family, priority: base + 50, bypass: true, to: 'unreachable' },
    { family, priority: base + 70, bypass: false, to: TABLE },
  ]
}

function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)]
}
