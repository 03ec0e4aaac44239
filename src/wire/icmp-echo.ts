/**
 * Echo requests that a node sends from inside its tunnel, and the answers to them (RFC 792, RFC 4443).
 *
 *   0      1      2     4    6          8           16      24
 *   | type | code | sum | id | sequence | "sett-own" | token |    whoever answers brings the data back as it came
 *
 * The mark in front of the data tells answers to ours from those to the machine's own `ping`, by their bytes alone, so
 * that whoever sorts packets needs no list of what is asked.
 */

import { sameBytes, utf8 } from '../base/bytes.ts'
import type { Bytes } from '../base/bytes.ts'
import type { Ip } from '../base/ip.ts'
import { ipBytes } from './ip-bytes.ts'
import { ipv4HeaderSum } from './ip-packet-rewrite.ts'
import { ICMPV4, ICMPV6, IPV4_BYTES, IPV6_BYTES } from './ip-packet.ts'
import type { PacketHeader } from './ip-packet.ts'

const ECHO_BYTES = 8
const MARK = utf8('sett-own')
/** How long a token is. */
export const ECHO_TOKEN_BYTES = 8
const HOP_LIMIT = 64
const REQUEST4 = 8
const REQUEST6 = 128

/** A whole packet. @param token `ECHO_TOKEN_BYTES` that the answer brings back */
export function encodeOwnEcho(src: Ip, dst: Ip, token: Bytes): Uint8Array<ArrayBuffer> {
  const isV4 = src.family === 4
  const at = isV4 ? IPV4_BYTES : IPV6_BYTES
  const length = ECHO_BYTES + MARK.length + ECHO_TOKEN_BYTES
  const packet = new Uint8Array(at + length)
  const view = new DataView(packet.buffer)
  packet.set(ipBytes(src), isV4 ? 12 : 8)
  packet.set(ipBytes(dst), isV4 ? 16 : 24)
  view.setUint8(at, isV4 ? REQUEST4 : REQUEST6)
  // Middle boxes that follow pings know them by identifier and sequence.
  packet.set(token.subarray(0, 4), at + 4)
  packet.set(MARK, at + ECHO_BYTES)
  packet.set(token.subarray(0, ECHO_TOKEN_BYTES), at + ECHO_BYTES + MARK.length)
  if (isV4) {
    view.setUint8(0, 0x45)
    view.setUint16(2, packet.length)
    view.setUint8(8, HOP_LIMIT)
    view.setUint8(9, ICMPV4)
    view.setUint16(10, ipv4HeaderSum(packet))
  } else {
    view.setUint8(0, 0x60)
    view.setUint16(4, length)
    view.setUint8(6, ICMPV6)
    view.setUint8(7, HOP_LIMIT)
  }
  // ICMPv6 sums up addresses, length and protocol too (RFC 4443 §2.3).
  const pseudo = isV4 ? 0 : sumOf(packet, 8, IPV6_BYTES) + length + ICMPV6
  view.setUint16(at + 2, ~folded(sumOf(packet, at, packet.length) + pseudo) & 0xffff)
  return packet
}

/** The token in an answer to one of ours, whose headers `h` has read; `undefined` for any other packet. */
export function ownEchoToken(bytes: Bytes, h: PacketHeader): Uint8Array | undefined {
  if (!isOwnEchoReply(bytes, h)) return undefined
  const at = h.transport + ECHO_BYTES + MARK.length
  return bytes.slice(at, at + ECHO_TOKEN_BYTES)
}

/** Does it answer an echo request of a node's own? Asked for every answer to a ping that comes in. */
export function isOwnEchoReply(bytes: Bytes, h: PacketHeader): boolean {
  if (!h.isEchoReply) return false
  const at = h.transport + ECHO_BYTES
  if (at + MARK.length + ECHO_TOKEN_BYTES > h.at + h.total) return false
  return sameBytes(bytes.subarray(at, at + MARK.length), MARK)
}

function sumOf(bytes: Bytes, from: number, to: number): number {
  let sum = 0
  for (let i = from; i < to; i += 2) sum += ((bytes[i] as number) << 8) | (bytes[i + 1] ?? 0)
  return sum
}

function folded(sum: number): number {
  let all = sum
  while (all > 0xffff) all = (all & 0xffff) + (all >>> 16)
  return all
}
