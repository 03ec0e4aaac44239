/** Tells the sender of a connection that the filter refused it, so that people see why nothing answers (node.md §2.1). */

import type { Bytes } from '../../base/bytes.ts'
import { SYN_FLAG, TCP } from '../../wire/ip-packet.ts'
import type { PacketHeader } from '../../wire/ip-packet.ts'
import { addressesOf, encodeReject } from '../../wire/tsmp.ts'
import { FIRST_DROP } from './verdict.ts'
import type { Verdict } from './verdict.ts'

/**
 * The packet to send back for one that got this verdict; `undefined` where nothing is said: of all but the first
 * packet of a TCP connection over IPv4, and of what was not the rules' doing to official clients either.
 *
 * @param bytes what `h` has read
 */
export function rejectFor(
  bytes: Bytes,
  h: PacketHeader,
  verdict: Verdict,
  isShieldsUp: boolean,
): Uint8Array<ArrayBuffer> | undefined {
  if (verdict < FIRST_DROP || h.version !== 4 || h.protocol !== TCP || (h.tcpFlags & SYN_FLAG) === 0) return undefined
  const { src, dst } = addressesOf(bytes, h)
  const flow = { protocol: TCP, src: { ip: src, port: h.srcPort }, dst: { ip: dst, port: h.dstPort } }
  return encodeReject(flow, isShieldsUp ? 'shields' : 'acl')
}
