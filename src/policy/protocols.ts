/** Names, numbers and kinds of IP protocols, for all who read or write them. (policy.md §4) */

/** By the names that policies use. */
export const PROTOCOL_NUMBERS: ReadonlyMap<string, number> = new Map([
  ['icmp', 1],
  ['igmp', 2],
  ['ipv4', 4],
  ['ip-in-ip', 4],
  ['tcp', 6],
  ['egp', 8],
  ['igp', 9],
  ['udp', 17],
  ['gre', 47],
  ['esp', 50],
  ['ah', 51],
  ['ipv6-icmp', 58],
  ['sctp', 132],
])

/** TCP, UDP, SCTP. */
const PORTED: ReadonlySet<number> = new Set([6, 17, 132])
const ICMP: ReadonlySet<number> = new Set([1, 58])

export function hasPorts(protocol: number): boolean {
  return PORTED.has(protocol)
}

/** Of either family. */
export function isIcmp(protocol: number): boolean {
  return ICMP.has(protocol)
}
