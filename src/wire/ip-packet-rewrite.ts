/**
 * Changes addresses of a packet where it lies, and its checksums with them (RFC 1624): what masquerading needs
 * (node.md §2.6). Only what changes is summed, so the length of a packet does not matter.
 */

import type { Bytes } from '../base/bytes.ts'
import { FRAGMENT, ICMPV6, IPV4_BYTES, TCP, UDP, UNKNOWN } from './ip-packet.ts'
import type { PacketHeader } from './ip-packet.ts'

const SUM4_AT = 10
const TCP_SUM_AT = 16
const UDP_SUM_AT = 6
const ICMPV6_SUM_AT = 2

/**
 * Gives the packet another source, and `h` too.
 *
 * @param h has read the packet; nothing is changed where it could not be read
 * @param address 4 or 16 bytes, of the packet's family
 */
export function rewriteSource(bytes: Bytes, h: PacketHeader, address: Bytes): void {
  if (h.protocol === UNKNOWN) return
  rewrite(bytes, h, address, h.at + (h.version === 4 ? 12 : 8))
}

/** The same for the destination. */
export function rewriteDestination(bytes: Bytes, h: PacketHeader, address: Bytes): void {
  if (h.protocol === UNKNOWN) return
  rewrite(bytes, h, address, h.at + (h.version === 4 ? 16 : 24))
}

/** The checksum of an IPv4 header of 20 bytes whose own is zero. */
export function ipv4HeaderSum(bytes: Bytes, at = 0): number {
  let sum = 0
  for (let i = at; i < at + IPV4_BYTES; i += 2) sum += u16(bytes, i)
  return ~folded(sum) & 0xffff
}

function rewrite(bytes: Bytes, h: PacketHeader, address: Bytes, at: number): void {
  const length = h.version === 4 ? 4 : 16
  // The old words taken away, the new ones added, all in ones' complement.
  let change = 0
  for (let i = 0; i < length; i += 2) {
    change += (~u16(bytes, at + i) & 0xffff) + u16(address, i)
    bytes[at + i] = address[i] as number
    bytes[at + i + 1] = address[i + 1] as number
  }
  if (h.version === 4) addTo(bytes, h.at + SUM4_AT, change)
  changeTransportSum(bytes, h, change)
  h.read(bytes, h.at, h.length)
}

/** Later fragments carry no checksum: that of the whole stands in the first. */
function changeTransportSum(bytes: Bytes, h: PacketHeader, change: number): void {
  const end = h.at + h.total
  if (h.protocol === FRAGMENT) return
  if (h.protocol === TCP) addTo(bytes, h.transport + TCP_SUM_AT, change)
  else if (h.protocol === UDP) {
    const at = h.transport + UDP_SUM_AT
    // Zero says that there is none, and a sum that comes to zero is written as ones.
    if (u16(bytes, at) === 0) return
    addTo(bytes, at, change)
    if (u16(bytes, at) === 0) bytes.fill(0xff, at, at + 2)
  } else if (h.protocol === ICMPV6 && h.version === 6 && h.transport + ICMPV6_SUM_AT + 2 <= end)
    addTo(bytes, h.transport + ICMPV6_SUM_AT, change)
}

/** Adds to what a checksum sums up. */
function addTo(bytes: Bytes, at: number, change: number): void {
  const sum = ~folded((~u16(bytes, at) & 0xffff) + change) & 0xffff
  bytes[at] = sum >>> 8
  bytes[at + 1] = sum & 0xff
}

function folded(sum: number): number {
  let all = sum
  while (all > 0xffff) all = (all & 0xffff) + (all >>> 16)
  return all
}

function u16(bytes: Bytes, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
}
