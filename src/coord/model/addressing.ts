/**
 * Which address a node gets: stable, unique in its tailnet, and not somebody else's of the last 90 days.
 *
 * IPv4 comes from 100.64.0.0/10 without the sub-ranges that clients or the service reserve (control.md §6.1);
 * the IPv6 address repeats its low 24 bits in the tailnet range, so that one is found from the other. Addresses
 * are drawn, not counted up: nodes that join at the same moment then rarely want the same one.
 */

import { CGNAT, RESERVED4 } from '../../base/address-plan.ts'
import type { Dice } from '../../base/bytes.ts'
import { DAY_MS } from '../../base/clock.ts'
import type { Wall } from '../../base/clock.ts'
import { MeshError } from '../../base/errors.ts'
import { formatPrefix, rangeOf } from '../../base/ip.ts'
import type { Prefix } from '../../base/ip.ts'
import type { TailnetState } from './model.ts'
import type { AddressHold, AddressRecord, Node, Write } from './records.ts'

/** An address that a node gave up is nobody else's for so long. */
export const REST_MS = 90 * DAY_MS
/** So many earlier holders of one address are remembered. */
const HOLDS_KEPT = 32
const DRAWS = 512

const [FIRST, LAST] = rangeOf(CGNAT)
/** [first, last] of what no node is given, as offsets into 100.64.0.0/10; its own first and last among them. */
const RESERVED = [...RESERVED4.map(rangeOf), [FIRST, FIRST], [LAST, LAST]].map(
  (range) => range.map((value) => Number((value as bigint) - FIRST)) as [number, number],
)

function textOf(n: number): string {
  return `100.${64 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}`
}

/** Offset of an IPv4 text in 100.64.0.0/10; `undefined` when it is not a canonical address in there. */
function offsetOf(ipv4: string): number | undefined {
  const m = /^100\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(ipv4)
  if (m === null) return undefined
  const [b, c, d] = [Number(m[1]), Number(m[2]), Number(m[3])]
  if (b < 64 || b > 127 || c > 255 || d > 255) return undefined
  const n = ((b - 64) << 16) | (c << 8) | d
  return textOf(n) === ipv4 ? n : undefined
}

/** May a node have this IPv4 address at all? */
export function isAssignable(ipv4: string): boolean {
  const n = offsetOf(ipv4)
  return n !== undefined && !RESERVED.some(([first, last]) => n >= first && n <= last)
}

/** The IPv6 address that goes with an IPv4 address of the tailnet range. */
export function ipv6For(ipv4: string): string {
  const n = (offsetOf(ipv4) as number) + (64 << 16)
  const high = n >>> 16
  const low = (n & 0xffff).toString(16)
  return `fd7a:115c:a1e0::${high.toString(16)}:${low}`
}

/** Can this address be given to `node` now? It can be given back to whoever held it last. */
export function isFree(state: TailnetState, ip: string, now: Wall, node?: number): boolean {
  const last = state.address(ip)?.holds.at(-1)
  if (last === undefined) return true
  if (last.until === undefined) return last.node === node
  return last.node === node || last.until + REST_MS <= now
}

/**
 * Draws a free pair of addresses, the IPv4 one from one of the pools if there are any. Throws `input/invalid` when
 * they are as good as full.
 */
export function drawAddresses(
  state: TailnetState,
  dice: Dice,
  now: Wall,
  pools: readonly Prefix[] = [],
): { ipv4: string; ipv6: string } {
  const ranges = pools.length === 0 ? [CGNAT] : pools
  for (let draw = 0; draw < DRAWS; draw++) {
    const r = dice(3)
    const [first, last] = rangeOf(ranges[draw % ranges.length] as Prefix)
    const drawn = ((r[0] as number) << 16) | ((r[1] as number) << 8) | (r[2] as number)
    const ipv4 = textOf((Number(first - FIRST) + (drawn % Number(last - first + 1n))) & 0x3fffff)
    if (!isAssignable(ipv4) || !isFree(state, ipv4, now)) continue
    const ipv6 = ipv6For(ipv4)
    if (isFree(state, ipv6, now)) return { ipv4, ipv6 }
  }
  throw new MeshError(
    'input/invalid',
    `Cannot give the node an address: nearly all of ${ranges.map(formatPrefix).join(', ')} is taken or was given up less than 90 days ago; delete nodes that are gone`,
  )
}

type Holder = Pick<Node, 'id' | 'stableId' | 'name'>

/** The write by which a node takes an address. */
export function takeAddress(state: TailnetState, ip: string, node: Holder, now: Wall): Write {
  const holds = (state.address(ip)?.holds ?? []).slice(-HOLDS_KEPT + 1)
  return writeHolds(state, ip, [...holds, { node: node.id, stableId: node.stableId, name: node.name, since: now }])
}

/** The write by which a node gives an address up; who held it when stays on record. */
export function releaseAddress(state: TailnetState, ip: string, node: Holder, now: Wall): Write {
  const holds = (state.address(ip)?.holds ?? []).map((hold) =>
    hold.node === node.id && hold.until === undefined
      ? { ...hold, stableId: node.stableId, name: node.name, until: now }
      : hold,
  )
  return writeHolds(state, ip, holds)
}

function writeHolds(state: TailnetState, ip: string, holds: readonly AddressHold[]): Write {
  const value: AddressRecord = { holds }
  return { kind: 'address', id: ip, expect: state.version('address', ip), value }
}
