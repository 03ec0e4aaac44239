/**
 * UDP sockets that send and take many datagrams in one call: of one size to one place with `UDP_SEGMENT`, and from
 * one place with `UDP_GRO` (udp(7)). Without them every datagram is a call of its own.
 *
 * Opening is here, and `Mailbox`, the place in an arena through which one thread sends and receives. What datagrams
 * mean, and when to wait, is the caller's matter. Calls do not wait.
 */

import type { AddressPort, Family } from '../../base/ip.ts'
import { Arena } from '../../crypto/io/raw-memory.ts'
import type { Address } from '../../crypto/io/raw-memory.ts'
import { done, failure, kernel, O_CLOEXEC, O_NONBLOCK, SOCK_DGRAM } from './kernel.ts'
import { AF_INET, AF_INET6, decodeSocketAddress, encodeSocketAddress, SOCKET_ADDRESS } from './socket-address.ts'

/** From Linux's socket.h, in.h, in6.h and udp.h. */
const SOL_SOCKET = 1
const SO_SNDBUF = 7
const SO_RCVBUF = 8
const SO_REUSEPORT = 15
const SO_SNDBUFFORCE = 32
const SO_RCVBUFFORCE = 33
const SO_MARK = 36
const IPPROTO_IPV6 = 41
const IPV6_V6ONLY = 26
const SOL_UDP = 17
const UDP_SEGMENT = 103
const UDP_GRO = 104

/** What wireguard-go asks for too; less than it is what a burst of a gigabit overflows. */
const SOCKET_BUFFER = 7 << 20
/** What one call takes at most: datagrams, and bytes of all of them. */
export const SEGMENTS_MOST = 64
export const BURST_MOST = 65_000

export interface UdpSocket {
  readonly fd: number
  readonly family: Family
  readonly port: number
  /** Many datagrams go in one call, and come in one. */
  readonly offloads: boolean
  close(): void
}

export interface UdpOptions {
  readonly family: Family
  /** 0: any. */
  readonly port: number
  /** Routing treats what it sends apart by this (node.md §4.2). */
  readonly mark?: number
  /** A datagram a call, as on a kernel that can't do more. */
  readonly plain?: boolean
  /** One of several sockets on the port, each opened like this: the kernel spreads senders over them. */
  readonly reusePort?: boolean
}

/**
 * Opens a socket on all addresses of a family.
 *
 * @throws MeshError `system/refused`, as when the port is taken or there is no such family
 */
export function openUdp({ family, port, mark, plain = false, reusePort = false }: UdpOptions): UdpSocket {
  const k = kernel()
  const arena = scratch()
  const what = `open a UDP socket for IPv${family} on port ${port}`
  const domain = family === 4 ? AF_INET : AF_INET6
  const fd = done(k.socket(domain, SOCK_DGRAM | O_NONBLOCK | O_CLOEXEC, 0), what)
  const option = (level: number, name: number, value: number): boolean => {
    arena.put(0, new Uint8Array(Int32Array.of(value).buffer))
    return k.setsockopt(fd, level, name, arena.address(0, 4), 4) >= 0
  }
  try {
    for (const [forced, asked] of [
      [SO_SNDBUFFORCE, SO_SNDBUF],
      [SO_RCVBUFFORCE, SO_RCVBUF],
    ] as const)
      if (!option(SOL_SOCKET, forced, SOCKET_BUFFER)) option(SOL_SOCKET, asked, SOCKET_BUFFER)
    if (family === 6 && !option(IPPROTO_IPV6, IPV6_V6ONLY, 1)) throw failure(what)
    if (reusePort && !option(SOL_SOCKET, SO_REUSEPORT, 1)) throw failure(what)
    if (mark !== undefined && !option(SOL_SOCKET, SO_MARK, mark)) throw failure(`mark what a UDP socket sends`)
    const any = encodeSocketAddress({ ip: { family, value: 0n }, port })
    arena.put(0, any)
    done(k.bind(fd, arena.address(0, any.length), any.length), what)
    const offloads = !plain && option(SOL_UDP, UDP_GRO, 1)
    return { fd, family, port: portOf(fd, arena), offloads, close: () => void k.close(fd) }
  } catch (error) {
    k.close(fd)
    throw error
  }
}

let shared: Arena | undefined
function scratch(): Arena {
  shared ??= new Arena(256)
  return shared
}

function portOf(fd: number, arena: Arena): number {
  arena.put(64, new Uint8Array(Int32Array.of(SOCKET_ADDRESS).buffer))
  done(kernel().getsockname(fd, arena.address(0, SOCKET_ADDRESS), arena.address(64, 4)), 'ask a UDP socket its port')
  return decodeSocketAddress(arena.take(0, SOCKET_ADDRESS))?.port ?? 0
}

/** Places in a mailbox: `struct msghdr`, `struct iovec`, a control message, and the other end's address. */
const HEADER = 0
const VECTOR = 64
const CONTROL = 96
const CONTROL_LENGTH = 64
const NAME = 160
export const MAILBOX = 256
/** `struct cmsghdr` (16 bytes), and the u16 of `UDP_SEGMENT` behind it, padded. */
const SEGMENT_CONTROL = 24

/** How one thread talks to sockets: `MAILBOX` bytes of its arena. */
export class Mailbox {
  readonly #arena: Arena
  readonly #at: number
  readonly #view: DataView
  readonly #header: Address
  readonly #name: Address
  readonly #kernel = kernel()
  /** Datagrams in what was received last are of this size, but for the last one. */
  segment = 0

  constructor(arena: Arena, at: number) {
    this.#arena = arena
    this.#at = at
    this.#view = new DataView(arena.buffer, at, MAILBOX)
    this.#header = arena.address(at, 56)
    this.#name = arena.address(at + NAME, SOCKET_ADDRESS)
    arena.wipe(at, MAILBOX)
    this.#setPointer(HEADER + 16, arena.address(at + VECTOR, 16))
    this.#setPointer(HEADER + 24, 1)
  }

  /** Whom to send to from now on. */
  address(to: AddressPort): void {
    this.addressEncoded(encodeSocketAddress(to))
  }

  /** The same, of what `encodeSocketAddress` gave. */
  addressEncoded(encoded: Uint8Array): void {
    if (encoded.length > SOCKET_ADDRESS) throw new RangeError('Cannot address: no address of a socket')
    this.#arena.put(this.#at + NAME, encoded)
    this.#setPointer(HEADER, this.#name)
    this.#view.setUint32(HEADER + 8, encoded.length, true)
  }

  /**
   * Sends `length` bytes of the arena: one datagram, or several of `segment` bytes, of which the last may be shorter.
   *
   * @returns what `sendmsg` gives: below zero when it failed
   */
  send(fd: number, at: number, length: number, segment: number): number {
    this.#setVector(at, length)
    const several = length > segment
    this.#setPointer(HEADER + 32, several ? this.#arena.address(this.#at + CONTROL, SEGMENT_CONTROL) : 0)
    this.#setPointer(HEADER + 40, several ? SEGMENT_CONTROL : 0)
    if (several) {
      this.#setPointer(CONTROL, 18)
      this.#view.setInt32(CONTROL + 8, SOL_UDP, true)
      this.#view.setInt32(CONTROL + 12, UDP_SEGMENT, true)
      this.#view.setUint16(CONTROL + 16, segment, true)
    }
    return this.#kernel.sendmsg(fd, this.#header, 0)
  }

  /**
   * Receives into `room` bytes of the arena; `segment` then says how they are divided, `from` where they came from.
   *
   * @returns their number; below zero when there is nothing, or it failed
   */
  receive(fd: number, at: number, room: number): number {
    this.#setPointer(HEADER, this.#name)
    this.#view.setUint32(HEADER + 8, SOCKET_ADDRESS, true)
    this.#setVector(at, room)
    this.#setPointer(HEADER + 32, this.#arena.address(this.#at + CONTROL, CONTROL_LENGTH))
    this.#setPointer(HEADER + 40, CONTROL_LENGTH)
    const length = this.#kernel.recvmsg(fd, this.#header, 0)
    this.segment = length
    const controls = this.#view.getUint32(HEADER + 40, true)
    if (length > 0 && controls >= 20) {
      const isGro =
        this.#view.getInt32(CONTROL + 8, true) === SOL_UDP && this.#view.getInt32(CONTROL + 12, true) === UDP_GRO
      const size = isGro ? this.#view.getInt32(CONTROL + 16, true) : 0
      if (size > 0 && size < length) this.segment = size
    }
    return length
  }

  /**
   * Notes in `last` whom the last datagrams came from.
   *
   * @param last `SOCKET_ADDRESS` bytes as words, zero at first
   * @returns was it somebody else than noted before?
   */
  noteSource(last: Uint32Array): boolean {
    let isOther = false
    // Of IPv4 only the first half is an address.
    const words = this.#view.getUint16(NAME, true) === AF_INET ? 2 : last.length
    for (let i = 0; i < last.length; i++) {
      const word = i < words ? this.#view.getUint32(NAME + 4 * i, true) : 0
      if (word !== last[i]) isOther = true
      last[i] = word
    }
    return isOther
  }

  /** Whom the last datagrams came from. */
  get from(): AddressPort | undefined {
    return decodeSocketAddress(this.#arena.take(this.#at + NAME, SOCKET_ADDRESS))
  }

  #setVector(at: number, length: number): void {
    this.#setPointer(VECTOR, this.#arena.address(at, length))
    this.#setPointer(VECTOR + 8, length)
  }

  /** A pointer or a `size_t`: below 2^53. */
  #setPointer(at: number, value: number): void {
    this.#view.setUint32(at, value >>> 0, true)
    this.#view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true)
  }
}
