/**
 * What the kernel says about a packet on a TUN device with offloads, in front of each (virtio 1.2, §5.1.6;
 * Linux `linux/virtio_net.h`, as TUN writes it with `IFF_VNET_HDR`):
 *
 *   0       1          2               4          6            8             10
 *   | flags | gso type | header length | gso size | csum start | csum offset |    in the machine's byte order
 *
 * With flag 1 the checksum of what begins at `csum start` is still to be made: its field, `csum offset` further on,
 * holds the sum of the pseudo-header. With a gso type the packet is several that share their headers: the data is to
 * be cut into pieces of `gso size`.
 */

import type { Memory } from './memory.ts'

export const VNET_HEADER = 10

export const NEEDS_CHECKSUM = 1

export const GSO_NONE = 0
export const GSO_TCPV4 = 1
export const GSO_TCPV6 = 4
/** UDP datagrams of one size, the last of which may be shorter. */
export const GSO_UDP = 5
/** Set beside a TCP type: the first piece alone says "congestion window reduced". */
export const GSO_ECN = 0x80

/** Writes the header of a packet that is one and complete. */
export function writePlainHeader({ bytes }: Memory, at: number): void {
  bytes.fill(0, at, at + VNET_HEADER)
}

/** Writes the header of several TCP segments or UDP datagrams in one. `start` is where TCP or UDP begins in the packet. */
export function writeGsoHeader(
  { bytes, view }: Memory,
  at: number,
  gso: { readonly type: number; readonly size: number; readonly start: number; readonly headers: number },
): void {
  bytes[at] = NEEDS_CHECKSUM
  bytes[at + 1] = gso.type
  view.setUint16(at + 2, gso.headers, true)
  view.setUint16(at + 4, gso.size, true)
  view.setUint16(at + 6, gso.start, true)
  view.setUint16(at + 8, gso.type === GSO_UDP ? 6 : 16, true)
}
