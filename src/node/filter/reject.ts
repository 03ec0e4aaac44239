/** Tells the sender of a connection that the filter refused it, so that people see why nothing answers (node.md §2.1). */

import type { Bytes } from '../../base/bytes.ts'
import { SYN_FLAG, TCP } from '../../wire/ip-packet.ts'
import type { PacketHeader } from '../../wire/ip-packet.ts'
import { addressesOf, encodeReject } from '../../wire/tsmp.ts'

/** Is something said of this packet when it is refused? Only of the first one of a TCP connection over IPv4. */
export function isToldWhenRefused(h: PacketHeader): boolean {
  return h.version === 4 && h.protocol === TCP && (h.tcpFlags & SYN_FLAG) !== 0
}

/**
 * The packet to send back for one that was refused; `undefined` where nothing is said.
 *
 * @param bytes what `h` has read
 */
export function rejectFor(bytes: Bytes, h: PacketHeader, isShieldsUp: boolean): Uint8Array<ArrayBuffer> | undefined {
  if (!isToldWhenRefused(h)) return undefined
  const { src, dst } = addressesOf(bytes, h)
  const flow = { protocol: TCP, src: { ip: src, port: h.srcPort }, dst: { ip: dst, port: h.dstPort } }
  return encodeReject(flow, isShieldsUp ? 'shields' : 'acl')
}
