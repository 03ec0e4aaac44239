/**
 * Makes of what a TUN device gives the packets that go over the wire: fills in a checksum that the kernel left open,
 * and cuts what the kernel left in one piece (RFC 9293 for TCP; UDP as `UDP_SEGMENT` does it).
 *
 * Every length and place comes from the kernel, and is held against the packet all the same before it is used.
 */

import { add, fold, TCP, UDP, writeChecksum, writeHeaderChecksum } from './checksum.ts'
import type { Memory } from './memory.ts'
import { GSO_ECN, GSO_NONE, GSO_TCPV4, GSO_TCPV6, GSO_UDP, NEEDS_CHECKSUM, VNET_HEADER } from './vnet-header.ts'

/** Where the packets go. */
export interface PacketSink {
  /** Where the next packet is to be written, of so many bytes; a multiple of four. */
  place(length: number): number
  /** It stands there. */
  take(at: number, length: number): void
}

const IPV4_HEADER = 20
const IPV6_HEADER = 40
const TCP_HEADER = 20
const UDP_HEADER = 8
const FIN_PSH = 0x09
const CWR = 0x80

/**
 * @param at where the virtio header begins; the packet follows it
 * @param length of both
 * @returns how many packets were made; 0 when the header and the packet do not go together
 */
export function cut(memory: Memory, at: number, length: number, sink: PacketSink): number {
  const { bytes, view } = memory
  const packet = at + VNET_HEADER
  const size = length - VNET_HEADER
  if (size < IPV4_HEADER || packet + size > bytes.length) return 0
  const flags = bytes[at] as number
  const type = (bytes[at + 1] as number) & ~GSO_ECN
  const start = view.getUint16(at + 6, true)
  const field = start + view.getUint16(at + 8, true)
  if (type === GSO_NONE) {
    if ((flags & NEEDS_CHECKSUM) !== 0 && field + 2 > size) return 0
    const to = sink.place(size)
    bytes.copyWithin(to, packet, packet + size)
    if ((flags & NEEDS_CHECKSUM) !== 0) complete(memory, to, size, start, field)
    sink.take(to, size)
    return 1
  }
  const version = (bytes[packet] as number) >> 4
  const isV6 = version === 6
  const protocol = type === GSO_UDP ? UDP : TCP
  if (type !== GSO_UDP && type !== (isV6 ? GSO_TCPV6 : GSO_TCPV4)) return 0
  if (isV6 ? size < IPV6_HEADER : version !== 4 || ((bytes[packet] as number) & 15) * 4 !== start) return 0
  if (isV6 && start < IPV6_HEADER) return 0
  const least = protocol === UDP ? UDP_HEADER : TCP_HEADER
  if (start + least > size) return 0
  const own = protocol === UDP ? UDP_HEADER : ((bytes[packet + start + 12] as number) >> 4) * 4
  const headers = start + own
  const piece = view.getUint16(at + 4, true)
  if (own < least || headers >= size || piece === 0) return 0
  const data = size - headers
  const count = Math.ceil(data / piece)
  for (let i = 0; i < count; i++) {
    const from = packet + headers + i * piece
    const part = Math.min(piece, data - i * piece)
    const to = sink.place(headers + part)
    bytes.copyWithin(to, packet, packet + headers)
    bytes.copyWithin(to + headers, from, from + part)
    writeIp(memory, to, isV6, start, headers + part, i)
    const transport = to + start
    if (protocol === TCP) {
      view.setUint32(transport + 4, (view.getUint32(transport + 4) + i * piece) >>> 0)
      if (i < count - 1) bytes[transport + 13] = (bytes[transport + 13] as number) & ~FIN_PSH
      if (i > 0) bytes[transport + 13] = (bytes[transport + 13] as number) & ~CWR
    } else view.setUint16(transport + 4, own + part)
    writeChecksum(memory, to, isV6, protocol, transport, own + part)
    sink.take(to, headers + part)
  }
  return count
}

/** What differs in the IP header of the `i`th piece. */
function writeIp(memory: Memory, ip: number, isV6: boolean, headerLength: number, length: number, i: number): void {
  const { view } = memory
  if (isV6) {
    view.setUint16(ip + 4, length - IPV6_HEADER)
    return
  }
  view.setUint16(ip + 2, length)
  view.setUint16(ip + 4, view.getUint16(ip + 4) + i)
  writeHeaderChecksum(memory, ip, headerLength)
}

/** Adds what is to be summed to what stands in the field, the pseudo-header's sum, and writes the checksum there. */
function complete(memory: Memory, packet: number, size: number, start: number, field: number): void {
  const { view, bytes } = memory
  const sum = ~fold(add(memory, packet + start, size - start)) & 0xffff
  const isUdp = field - start === 6 && protocolOf(bytes, packet) === UDP
  view.setUint16(packet + field, sum === 0 && isUdp ? 0xffff : sum, true)
}

function protocolOf(bytes: Uint8Array, packet: number): number {
  return bytes[packet + ((bytes[packet] as number) >> 4 === 6 ? 6 : 9)] as number
}
