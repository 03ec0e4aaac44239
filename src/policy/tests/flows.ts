/** The flows that a test asks about: `host:port` and `proto` as they are written. (policy.md §8) */

import { parseIp } from '../../base/ip.ts'
import { hasPorts, PROTOCOL_NUMBERS } from '../protocols.ts'

/** What a flow is recognised by besides its ends. */
export interface FlowKind {
  /** IP protocol number. */
  readonly protocol: number
  /** 0 for protocols without ports. */
  readonly port: number
}

export interface Target {
  /** What stands before the port. */
  readonly host: string
  readonly port: number
}

const TCP = 6
const UDP = 17

/** Without a protocol a test asks for TCP or UDP: either is enough, and `deny` means both. A text: why it is none. */
export function readProtocols(proto: string | undefined): readonly number[] | string {
  const name = proto?.trim().toLowerCase() ?? ''
  if (name === '') return [TCP, UDP]
  const number = PROTOCOL_NUMBERS.get(name) ?? (/^(0|[1-9]\d{0,2})$/.test(name) ? Number(name) : 256)
  return number > 255 ? `protocol ${JSON.stringify(proto)} not known` : [number]
}

/** One port of one host. Protocols without ports have port 0. A text: why it is none. */
export function readTarget(text: string, protocols: readonly number[]): Target | string {
  const colon = text.lastIndexOf(':')
  if (colon < 0) return 'a test takes host:port'
  const [host, digits] = [text.slice(0, colon).trim(), text.slice(colon + 1).trim()]
  const bare = /^\[(.*)\]$/.exec(host)?.[1]
  const ip = parseIp(bare ?? host)
  // Which colon is the last of an address can't be told without the brackets.
  if ((ip?.family === 6) !== (bare !== undefined)) return 'an IPv6 address stands in brackets, and nothing else does'
  if (!/^\d{1,5}$/.test(digits)) return `a test takes one port, not ${JSON.stringify(digits)}`
  const port = Number(digits)
  const ported = protocols.some(hasPorts)
  if (ported ? port < 1 || port > 65535 : port !== 0)
    return ported ? `there is no port ${digits}` : 'a protocol without ports is tested with port 0'
  return { host: bare ?? host, port }
}
