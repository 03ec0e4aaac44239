/** Names and numbers of IP protocols. (policy.md §4) */

import { quoteText } from '../hujson/errors.ts'

const NUMBERS: ReadonlyMap<string, number> = new Map([
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
  ['fc', 133],
])

/** TCP, UDP, SCTP. */
const WITH_PORTS: ReadonlySet<number> = new Set([6, 17, 132])

/** The protocol's number, or what is wrong with the text. */
export function readProtocol(text: string): number | string {
  const known = NUMBERS.get(text.toLowerCase())
  if (known !== undefined) return known
  if (/^0\d+$/.test(text)) return 'leading 0 not permitted in protocol number'
  const number = /^\d{1,3}$/.test(text) ? Number(text) : 0
  if (number >= 1 && number <= 255) return number
  return `proto name ${quoteText(text)} not known; use protocol number 0-255 or protocol name (icmp, tcp, udp, etc.)`
}

export function hasPorts(protocol: number): boolean {
  return WITH_PORTS.has(protocol)
}
