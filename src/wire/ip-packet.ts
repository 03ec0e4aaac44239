/**
 * Reads the headers of one IP packet where it lies, without making anything: one `PacketHeader` is filled again and
 * again. Which packets may pass is the filter's matter; addresses are changed by ip-packet-rewrite.ts. (node.md §2.2)
 *
 *   IPv4   0          2      4    6               8     9          12    16    20
 *          | 4 | ihl | tos | length | id | flags, offset | ttl | protocol | sum | src | dst | options
 *   IPv6   0                     4                6             7           8     24    40
 *          | 6 | class and flow | payload length | next header | hop limit | src | dst |
 *
 * Bytes behind the packet's own length are not looked at. Of IPv6's extension headers only a fragment header that
 * follows the base header is stepped over; the others count as protocols of their number.
 */

import type { Bytes } from '../base/bytes.ts'

export const ICMPV4 = 1
export const IGMP = 2
export const TCP = 6
export const UDP = 17
export const ICMPV6 = 58
/** Messages between nodes, see tsmp.ts. */
export const TSMP = 99
export const SCTP = 132
/** Protocol of what cannot be read. As a number on the wire it is a hop-by-hop header, which is not read either. */
export const UNKNOWN = 0
/** Protocol of later fragments, which carry no ports. As a number on the wire it is reserved, and read as `UNKNOWN`. */
export const FRAGMENT = 255

export const FIN_FLAG = 0x01
export const SYN_FLAG = 0x02
export const RST_FLAG = 0x04
export const ACK_FLAG = 0x10

export const IPV4_BYTES = 20
export const IPV6_BYTES = 40
const IPV6_FRAGMENT = 44
const FRAGMENT_BYTES = 8
/** Later fragments must start behind the longest IPv4 header and a TCP header, lest they overwrite what was checked. */
const MIN_FRAGMENT_OFFSET = 10

/** How much of its own header a protocol must bring for the packet to be looked at; others: nothing. */
const MIN_TCP = 20
const MIN_UDP = 8
const MIN_SCTP = 12
const MIN_ICMP = 4
const MIN_IGMP = 8
/** A reject, the shortest message. */
const MIN_TSMP = 7
/** With fewer bytes an ICMP message is neither an echo nor an error. */
const WHOLE_ICMP = 8

const ECHO_REPLY = 0
const ECHO_REQUEST = 8
const ECHO_REQUEST6 = 128
const ECHO_REPLY6 = 129

/**
 * The headers of the packet that `read` saw last. Addresses are words of 32 bits as signed numbers, which engines keep
 * unboxed: IPv4 in the first, the others 0.
 */
export class PacketHeader {
  /** Where the packet starts in its buffer, and how many bytes were given. */
  at = 0
  length = 0
  /** 4 or 6; 0 where there is no whole IP header. */
  version = 0
  /** The number from the header, `UNKNOWN` or `FRAGMENT`. */
  protocol = UNKNOWN
  /** The packet's own length, from its header. */
  total = 0
  /** Where the transport header starts in the buffer. */
  transport = 0
  src0 = 0
  src1 = 0
  src2 = 0
  src3 = 0
  dst0 = 0
  dst1 = 0
  dst2 = 0
  dst3 = 0
  /** Of TCP, UDP and SCTP; 0 for all others. */
  srcPort = 0
  dstPort = 0
  tcpFlags = 0
  /** Type and code of a whole ICMP message of the packet's own family; -1 for all else. */
  icmpType = -1
  icmpCode = -1

  /** Reads the packet in `bytes` from `at`, `length` bytes of it; all of them must be there. Never throws for content. */
  read(bytes: Bytes, at = 0, length = bytes.length - at): void {
    this.#forget(at, length)
    if (length < IPV4_BYTES) return
    const version = byte(bytes, at) >>> 4
    if (version === 4) this.#read4(bytes, at, length)
    else if (version === 6 && length >= IPV6_BYTES) this.#read6(bytes, at, length)
  }

  /** Does it open a connection: SYN without ACK? */
  get isTcpSyn(): boolean {
    return this.protocol === TCP && (this.tcpFlags & (SYN_FLAG | ACK_FLAG)) === SYN_FLAG
  }

  get isEchoRequest(): boolean {
    return this.icmpCode === 0 && this.icmpType === (this.version === 4 ? ECHO_REQUEST : ECHO_REQUEST6)
  }

  get isEchoReply(): boolean {
    return this.icmpCode === 0 && this.icmpType === (this.version === 4 ? ECHO_REPLY : ECHO_REPLY6)
  }

  /** Is it an ICMP error, as official clients count them: 18 in place of 12 in IPv4 (node.md §2.4). */
  get isIcmpError(): boolean {
    const type = this.icmpType
    return this.version === 4 ? type === 3 || type === 11 || type === 18 : type >= 1 && type <= 4
  }

  get isMulticast(): boolean {
    return this.version === 4 ? (this.dst0 & 0xf000_0000) === (0xe000_0000 | 0) : this.dst0 >>> 24 === 0xff
  }

  /** Is the destination a unicast address of one link, 169.254/16 or fe80::/10? */
  get isLinkLocal(): boolean {
    return this.version === 4 ? this.dst0 >>> 16 === 0xa9fe : (this.dst0 & 0xffc0_0000) === (0xfe80_0000 | 0)
  }

  #forget(at: number, length: number): void {
    this.at = at
    this.length = length
    this.version = 0
    this.protocol = UNKNOWN
    this.total = 0
    this.transport = at
    this.src0 = this.src1 = this.src2 = this.src3 = 0
    this.dst0 = this.dst1 = this.dst2 = this.dst3 = 0
    this.srcPort = this.dstPort = 0
    this.tcpFlags = 0
    this.icmpType = this.icmpCode = -1
  }

  #read4(bytes: Bytes, at: number, length: number): void {
    this.version = 4
    const total = u16(bytes, at + 2)
    const header = (byte(bytes, at) & 0x0f) << 2
    if (total > length) return
    this.total = total
    this.src0 = word(bytes, at + 12)
    this.dst0 = word(bytes, at + 16)
    if (header > total) return
    this.transport = at + header
    const fragment = u16(bytes, at + 6)
    const offset = fragment & 0x1fff
    if (offset > 0) {
      if (offset >= MIN_FRAGMENT_OFFSET) this.protocol = FRAGMENT
      return
    }
    const protocol = byte(bytes, at + 9)
    const isCut = (fragment & 0x2000) !== 0
    if (protocol === TSMP && isCut) return
    this.#readTransport(bytes, protocol, at + header, total - header, ICMPV4)
  }

  #read6(bytes: Bytes, at: number, length: number): void {
    this.version = 6
    const total = u16(bytes, at + 4) + IPV6_BYTES
    if (total > length) return
    this.total = total
    this.src0 = word(bytes, at + 8)
    this.src1 = word(bytes, at + 12)
    this.src2 = word(bytes, at + 16)
    this.src3 = word(bytes, at + 20)
    this.dst0 = word(bytes, at + 24)
    this.dst1 = word(bytes, at + 28)
    this.dst2 = word(bytes, at + 32)
    this.dst3 = word(bytes, at + 36)
    let protocol = byte(bytes, at + 6)
    let header = IPV6_BYTES
    this.transport = at + header
    if (protocol === IPV6_FRAGMENT) {
      if (total < header + FRAGMENT_BYTES) return
      const offset = u16(bytes, at + header + 2) >>> 3
      protocol = byte(bytes, at + header)
      header += FRAGMENT_BYTES
      this.transport = at + header
      if (offset > 0) {
        if (offset >= MIN_FRAGMENT_OFFSET) this.protocol = FRAGMENT
        return
      }
    }
    this.#readTransport(bytes, protocol, at + header, total - header, ICMPV6)
  }

  #readTransport(bytes: Bytes, protocol: number, at: number, length: number, icmp: number): void {
    if (protocol === FRAGMENT) return
    if (protocol === TCP) {
      if (length < MIN_TCP) return
      this.tcpFlags = byte(bytes, at + 13)
    } else if (protocol === UDP) {
      if (length < MIN_UDP) return
    } else if (protocol === SCTP) {
      if (length < MIN_SCTP) return
    } else {
      if (protocol === TSMP && length < MIN_TSMP) return
      if (protocol === IGMP && this.version === 4 && length < MIN_IGMP) return
      if (protocol === icmp) {
        if (length < MIN_ICMP) return
        if (length >= WHOLE_ICMP) {
          this.icmpType = byte(bytes, at)
          this.icmpCode = byte(bytes, at + 1)
        }
      }
      this.protocol = protocol
      return
    }
    this.srcPort = u16(bytes, at)
    this.dstPort = u16(bytes, at + 2)
    this.protocol = protocol
  }
}

function byte(bytes: Bytes, at: number): number {
  return bytes[at] as number
}

function u16(bytes: Bytes, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
}

function word(bytes: Bytes, at: number): number {
  return (
    ((bytes[at] as number) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)
  )
}
