/** Ports and what is sent to them: the `ports` of an ACL's destination, the `ip` of a grant. (policy.md §4) */

import { quoteText } from '../hujson/errors.ts'
import type { PortRange, Traffic } from '../policy.ts'
import { hasPorts } from '../protocols.ts'
import type { Pace, Steps } from '../steps.ts'
import { readProtocol } from './protocols.ts'

export const ALL_PORTS: PortRange = { first: 0, last: 65535 }

/** `*`, `n`, `a-b`, or what is wrong with the text. */
function readPortRange(written: string): PortRange | string {
  const text = written.toLowerCase()
  if (text === '*') return ALL_PORTS
  if (text === '') return 'invalid port list: ""'
  const fault = (fact: string): string => `port range ${quoteText(text)}: ${fact}`
  const [from = '', to, ...more] = text.split('-')
  if (more.length > 0) return fault('too many dashes(-)')
  const first = readPort(from)
  if (first === undefined) return fault('invalid first integer')
  const last = to === undefined ? first : readPort(to)
  if (last === undefined) return fault('invalid last integer')
  if (first === 0) return fault("first port must be >0, or use '*' for wildcard")
  if (first > last) return fault('first port must be <= last port')
  return { first, last }
}

/** Ranges between commas, in the order written. */
export function* readPortList(text: string, pace: Pace): Steps<PortRange[] | string> {
  const ranges: PortRange[] = []
  for (const piece of text.split(',')) {
    if (pace.spent()) yield
    const range = readPortRange(piece.trim())
    if (typeof range === 'string') return range
    ranges.push(range)
  }
  return ranges
}

/** One entry of a grant's `ip`: ports, or a protocol and its ports. */
export interface TrafficEntry {
  readonly protocol?: number
  readonly range: PortRange
}

export function readTraffic(text: string): TrafficEntry | string {
  if (text === '') return 'empty string'
  const colon = text.lastIndexOf(':')
  const range = readPortRange(text.slice(colon + 1))
  if (typeof range === 'string') return range
  if (colon < 0) return { range }
  const name = text.slice(0, colon)
  if (name === '') return 'empty protocol'
  if (name === '*') return { range }
  const protocol = readProtocol(name)
  if (typeof protocol === 'string') return protocol
  return portlessFault(protocol, name, [range]) ?? { protocol, range }
}

/** Only some protocols know ports. */
export function portlessFault(protocol: number, name: string, ports: readonly PortRange[]): string | undefined {
  if (hasPorts(protocol) || ports.every((range) => range === ALL_PORTS)) return undefined
  return `proto ${quoteText(name)} has no ports: use "*" for the port`
}

/** Gathers entries by protocol, in order of first appearance. */
export function gatherTraffic(entries: readonly TrafficEntry[]): Traffic[] {
  const gathered = new Map<number | undefined, PortRange[]>()
  for (const { protocol, range } of entries) {
    const ports = gathered.get(protocol)
    if (ports === undefined) gathered.set(protocol, [range])
    else ports.push(range)
  }
  return [...gathered].map(([protocol, ports]) => (protocol === undefined ? { ports } : { protocol, ports }))
}

function readPort(text: string): number | undefined {
  const port = /^\d+$/.test(text) ? Number(text) : Number.NaN
  return port <= 65535 ? port : undefined
}
