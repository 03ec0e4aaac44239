/**
 * The firewall chains of a node, as data (node.md §4.2, §4.4, §4.6): which packets the tunnel needs let through, which
 * sources may only come by the tunnel, what is masqueraded, and which marks a connection keeps.
 *
 * Their names and the order of their rules are those of the field, so that people find what they know. How they are
 * written for the kernel is nft-program.ts.
 */

import { CGNAT, CHROMEOS } from '../../base/address-plan.ts'
import { formatIp, formatPrefix, parsePrefix } from '../../base/ip.ts'
import type { Family } from '../../base/ip.ts'

/** Bits of a packet's mark that are ours. */
export const MARK_MASK = 0xff0000
/** Forwarded from the tunnel: to be masqueraded. */
export const MARK_FORWARDED = 0x40000
/** Sent by the daemon itself: never into the tunnel. */
export const MARK_BYPASS = 0x80000

export type NetfilterMode = 'on' | 'nodivert' | 'off'

/** What a packet must be for a rule to hold; all that are given. */
export interface Match {
  /** Device that it came by. */
  readonly in?: string
  readonly notIn?: string
  /** Device that it leaves by. */
  readonly out?: string
  /** Source address or prefix. */
  readonly source?: string
  /** It bears `MARK_FORWARDED`. */
  readonly forwarded?: true
  readonly udpPort?: number
  /** It belongs to no connection that is known. */
  readonly unknownFlow?: true
}

export type Deed =
  | 'accept'
  | 'drop'
  | 'return'
  | 'masquerade'
  /** Sets `MARK_FORWARDED`. */
  | 'mark-forwarded'
  /** A new connection keeps the mark of its first packet, */
  | 'save-mark'
  /** and later packets of it, of either direction, get it back. */
  | 'restore-mark'
  /** TCP segments no longer than the way out takes. */
  | 'clamp-mss'

export interface FirewallRule {
  readonly match: Match
  readonly deed: Deed
}

export interface Chain {
  readonly family: Family
  readonly table: 'filter' | 'nat' | 'mangle'
  readonly name: ChainName
  readonly rules: readonly FirewallRule[]
}

export type ChainName = 'ts-input' | 'ts-forward' | 'ts-postrouting' | 'PREROUTING' | 'OUTPUT' | 'FORWARD'

export interface Firewall {
  /** Whether packets are led into the chains at all. */
  readonly diverts: boolean
  readonly chains: readonly Chain[]
}

export interface FirewallWishes {
  readonly device: string
  readonly families: readonly Family[]
  /** Our own addresses, as prefixes. */
  readonly addresses: readonly string[]
  readonly mode: NetfilterMode
  /** Where WireGuard listens. */
  readonly udpPort?: number
  /** Packets to subnets behind us leave with our address. */
  readonly masquerade: boolean
  /** Only answers are forwarded into the tunnel. */
  readonly stateful: boolean
  /** Clamp TCP's segment size on the way into the tunnel: for those who route subnets. */
  readonly clampMss: boolean
  /** Attribute `disable-linux-cgnat-drop-rule`: others may use CGNAT addresses beside the tailnet. */
  readonly allowsForeignCgnat: boolean
}

export const NO_FIREWALL: Firewall = { diverts: false, chains: [] }

export function firewall(wishes: FirewallWishes): Firewall {
  if (wishes.mode === 'off') return NO_FIREWALL
  const diverts = wishes.mode === 'on'
  const chains: Chain[] = []
  for (const family of wishes.families) {
    chains.push({ family, table: 'filter', name: 'ts-input', rules: inputRules(wishes, family) })
    chains.push({ family, table: 'filter', name: 'ts-forward', rules: forwardRules(wishes, family) })
    const masquerade: FirewallRule[] = wishes.masquerade ? [{ match: { forwarded: true }, deed: 'masquerade' }] : []
    chains.push({ family, table: 'nat', name: 'ts-postrouting', rules: masquerade })
    // These chains have no others that lead to them, so they are there only where packets are led anywhere.
    if (!diverts) continue
    chains.push({ family, table: 'mangle', name: 'PREROUTING', rules: [{ match: {}, deed: 'restore-mark' }] })
    chains.push({ family, table: 'mangle', name: 'OUTPUT', rules: [{ match: {}, deed: 'save-mark' }] })
    if (!wishes.clampMss) continue
    const clamp: FirewallRule = { match: { out: wishes.device }, deed: 'clamp-mss' }
    chains.push({ family, table: 'mangle', name: 'FORWARD', rules: [clamp] })
  }
  return { diverts, chains }
}

function inputRules(wishes: FirewallWishes, family: Family): FirewallRule[] {
  const { device, udpPort } = wishes
  const rules: FirewallRule[] = []
  for (const text of wishes.addresses) {
    const own = parsePrefix(text)?.ip
    if (own?.family === family) rules.push({ match: { in: 'lo', source: formatIp(own) }, deed: 'accept' })
  }
  rules.push({ match: { in: device }, deed: 'accept' })
  if (udpPort !== undefined) rules.push({ match: { udpPort }, deed: 'accept' })
  if (family === 6) return rules
  // Nobody but the tunnel speaks for a node's address; ChromeOS's own machines are none.
  rules.push({ match: { notIn: device, source: formatPrefix(CHROMEOS) }, deed: 'return' })
  const deed = wishes.allowsForeignCgnat ? 'return' : 'drop'
  rules.push({ match: { notIn: device, source: formatPrefix(CGNAT) }, deed })
  return rules
}

function forwardRules({ device, stateful }: FirewallWishes, family: Family): FirewallRule[] {
  const rules: FirewallRule[] = [
    { match: { in: device }, deed: 'mark-forwarded' },
    { match: { forwarded: true }, deed: 'accept' },
  ]
  if (family === 4) rules.push({ match: { out: device, source: formatPrefix(CGNAT) }, deed: 'drop' })
  if (stateful) rules.push({ match: { out: device, unknownFlow: true }, deed: 'drop' })
  rules.push({ match: { out: device }, deed: 'accept' })
  return rules
}
