/**
 * What a client says that its peers may do to it: the capabilities that its filter grants to their addresses. One
 * counts for a source and a destination of the same family, as packets have them. (control.md §7.1)
 */

import { parseIp, parsePrefix, prefixContains } from '../../src/base/ip.ts'
import type { Ip } from '../../src/base/ip.ts'
import type { CapMap, ShownNode, WireRule } from './capture.ts'

/** Capabilities by address of the peer; addresses without any are left out. */
export function grantedTo(
  self: ShownNode,
  peers: readonly ShownNode[],
  rules: readonly WireRule[],
): Record<string, CapMap> {
  const own = addressesOf(self)
  const granted: Record<string, CapMap> = {}
  for (const [text, source] of peers.flatMap((peer) => [...addressesOf(peer)])) {
    const caps: Record<string, readonly unknown[] | null> = {}
    for (const { SrcIPs, CapGrant } of rules) {
      if (!CapGrant || !(SrcIPs ?? []).some((range) => covers(range, source))) continue
      for (const { Dsts, CapMap } of CapGrant) {
        const reaches = [...own.values()].some(
          (ip) => ip.family === source.family && Dsts.some((range) => covers(range, ip)),
        )
        if (!reaches) continue
        for (const [name, values] of Object.entries(CapMap ?? {}))
          caps[name] =
            caps[name] == null || values === null ? (values ?? caps[name] ?? null) : [...caps[name], ...values]
      }
    }
    if (Object.keys(caps).length > 0) granted[text] = caps
  }
  return granted
}

function addressesOf({ Addresses }: ShownNode): Map<string, Ip> {
  const addresses = new Map<string, Ip>()
  for (const prefix of Addresses ?? []) {
    const text = prefix.replace(/\/.*$/, '')
    const ip = parseIp(text)
    if (ip !== undefined) addresses.set(text, ip)
  }
  return addresses
}

/** Is the address in a range as filters write them: `*`, an address, a prefix, or first-last? */
function covers(range: string, ip: Ip): boolean {
  if (range === '*') return true
  const prefix = parsePrefix(range)
  if (prefix !== undefined) return prefixContains(prefix, ip)
  const [first, last] = range.split('-').map(parseIp)
  return (
    first !== undefined && first.family === ip.family && first.value <= ip.value && ip.value <= (last ?? first).value
  )
}
