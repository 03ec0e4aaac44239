/** Protocols as policies write them: by name or number. (policy.md §4) */

import { quoteText } from '../hujson/errors.ts'
import { PROTOCOL_NUMBERS } from '../protocols.ts'

/** Headscale's policies name one more. */
const NUMBERS: ReadonlyMap<string, number> = new Map([...PROTOCOL_NUMBERS, ['fc', 133]])

/** The protocol's number, or what is wrong with the text. */
export function readProtocol(text: string): number | string {
  const known = NUMBERS.get(text.toLowerCase())
  if (known !== undefined) return known
  if (/^0\d+$/.test(text)) return 'leading 0 not permitted in protocol number'
  const number = /^\d{1,3}$/.test(text) ? Number(text) : 0
  if (number >= 1 && number <= 255) return number
  return `proto name ${quoteText(text)} not known; use protocol number 0-255 or protocol name (icmp, tcp, udp, etc.)`
}
