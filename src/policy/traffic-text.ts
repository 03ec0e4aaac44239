/** Protocols and ports as policies write them: `tcp:22,80-443`, `icmp:*`, `*`. (policy.md §4) */

import type { PortRange, Traffic } from './policy.ts'

const NAMES: ReadonlyMap<number, string> = new Map([
  [1, 'icmp'],
  [2, 'igmp'],
  [6, 'tcp'],
  [17, 'udp'],
  [47, 'gre'],
  [50, 'esp'],
  [51, 'ah'],
  [58, 'ipv6-icmp'],
  [132, 'sctp'],
])

export function protocolName(protocol: number): string {
  return NAMES.get(protocol) ?? String(protocol)
}

export function portText({ first, last }: PortRange): string {
  if (first === 0 && last === 65535) return '*'
  return first === last ? String(first) : `${first}-${last}`
}

/** Without a protocol for what was written without one. */
export function trafficText(traffic: readonly Traffic[]): string {
  return traffic
    .map(({ protocol, ports }) => {
      const list = ports.map(portText).join(',')
      return protocol === undefined ? list : `${protocolName(protocol)}:${list}`
    })
    .join(' ')
}
