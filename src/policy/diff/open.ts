/**
 * What may be sent between two ends, in one form for all rules that say the same: ports by protocol, sorted and put
 * together, so that two can be compared and subtracted. Clients' reading is in it: without a protocol TCP, UDP and ICMP
 * are meant, and ICMP passes wherever something else may. (policy.md §4; node.md §2.4)
 */

import type { PortRange, Traffic } from '../policy.ts'
import { hasPorts } from '../protocols.ts'
import { portText, protocolName } from '../traffic-text.ts'

/** Ports by protocol; both ICMPs are protocol 1, with all ports. Protocols without ports have all or are not there. */
export type Open = ReadonlyMap<number, readonly PortRange[]>

const ICMP = 1
const ICMPV6 = 58
const ALL: readonly PortRange[] = [{ first: 0, last: 65535 }]

export function openFrom(traffics: Iterable<Traffic>): Open {
  const ranges = new Map<number, PortRange[]>()
  const put = (protocol: number, ports: readonly PortRange[]): void => {
    const list = ranges.get(protocol)
    if (list === undefined) ranges.set(protocol, [...ports])
    else list.push(...ports)
  }
  for (const { protocol, ports } of traffics) {
    if (ports.length === 0) continue
    put(ICMP, ALL)
    for (const number of protocol === undefined ? [6, 17] : [protocol])
      if (hasPorts(number)) put(number, ports)
      else if (number !== ICMPV6 && ports.some(({ first, last }) => first === 0 && last === 65535)) put(number, ALL)
  }
  return new Map([...ranges].sort(([a], [b]) => a - b).map(([protocol, ports]) => [protocol, joined(ports)]))
}

function joined(ports: readonly PortRange[]): PortRange[] {
  const all: { first: number; last: number }[] = []
  for (const { first, last } of [...ports].sort((a, b) => a.first - b.first)) {
    const before = all.at(-1)
    if (before !== undefined && first <= before.last + 1) before.last = Math.max(before.last, last)
    else all.push({ first, last })
  }
  return all
}

/** What is in the first and not in the second. */
export function without(open: Open, other: Open): Open {
  const rest = new Map<number, readonly PortRange[]>()
  for (const [protocol, ports] of open) {
    let left: readonly PortRange[] = ports
    for (const taken of other.get(protocol) ?? []) left = left.flatMap((range) => cut(range, taken))
    if (left.length > 0) rest.set(protocol, left)
  }
  return rest
}

function cut(range: PortRange, taken: PortRange): PortRange[] {
  if (taken.last < range.first || taken.first > range.last) return [range]
  return [
    ...(range.first < taken.first ? [{ first: range.first, last: taken.first - 1 }] : []),
    ...(range.last > taken.last ? [{ first: taken.last + 1, last: range.last }] : []),
  ]
}

/** Of TCP and UDP together, how much: 0 to 1. */
export function shareOf(open: Open): number {
  let ports = 0
  for (const protocol of [6, 17]) for (const { first, last } of open.get(protocol) ?? []) ports += last - first + 1
  return ports / (2 * 65536)
}

/** Such as `tcp:22,80-443 icmp`; `*` where everything is. Equal for equal ones. */
export function openText(open: Open): string {
  const isAll = (protocol: number): boolean =>
    open.get(protocol)?.some((r) => r.first === 0 && r.last === 65535) ?? false
  const parts: string[] = []
  const all = isAll(6) && isAll(17) && open.has(ICMP)
  if (all) parts.push('*')
  // ICMP comes with everything else, and so comes last.
  const entries = [...open].sort(([a], [b]) => Number(a === ICMP) - Number(b === ICMP) || a - b)
  for (const [protocol, ports] of entries) {
    if (all && (protocol === 6 || protocol === 17 || protocol === ICMP)) continue
    const name = protocolName(protocol)
    parts.push(hasPorts(protocol) ? `${name}:${ports.map(portText).join(',')}` : name)
  }
  return parts.join(' ')
}
