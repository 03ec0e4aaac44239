/**
 * Tells apart what arrives on a node's UDP sockets, and reads the header that peer relays put in front. (disco.md §2)
 *
 *   0                 1                 2            4       7
 *   | version 2 bits, | control (bit 7) | protocol   | vni   | 0 |    Geneve, always 8 bytes here
 *   | option length 6 | other bits 0    | 7a11, 7a12 | 24 bit|   |
 *
 * Runs once a packet, so it makes no objects. Over a relay (DERP) there is no STUN and no header: `isDisco` is enough.
 */

import type { Bytes } from '../base/bytes.ts'
import { startsWithMagic } from './disco-envelope.ts'

/** `relayed-…`: behind a peer relay's header of RELAY_HEADER_BYTES. */
export type PacketKind = 'stun' | 'disco' | 'relayed-disco' | 'wireguard' | 'relayed-wireguard'

export const RELAY_HEADER_BYTES = 8
/** Protocols behind the header. */
export const RELAYED = { disco: 0x7a11, wireguard: 0x7a12 } as const

/** Magic and sender's key; what is shorter is no disco message, however it begins. */
const DISCO_MIN_BYTES = 38
const STUN_MIN_BYTES = 20

/** What a datagram is. Whatever is nothing else is taken for WireGuard, which drops what it can't open. */
export function classify(b: Bytes): PacketKind {
  if (isBindingMessage(b)) return 'stun'
  const protocol = relayedProtocol(b)
  if (protocol === RELAYED.wireguard) return 'relayed-wireguard'
  if (protocol === RELAYED.disco && isDisco(b, RELAY_HEADER_BYTES)) return 'relayed-disco'
  return isDisco(b, 0) ? 'disco' : 'wireguard'
}

/** Does a disco envelope begin at `at`? */
export function isDisco(b: Bytes, at: number): boolean {
  return b.length - at >= DISCO_MIN_BYTES && startsWithMagic(b, at)
}

/** A WireGuard handshake initiation, by its first word. */
export function isInitiation(b: Bytes): boolean {
  return b.length >= 4 && b[0] === 1 && b[1] === 0 && b[2] === 0 && b[3] === 0
}

export interface RelayHeader {
  readonly control: boolean
  readonly version: number
  readonly protocol: number
  readonly vni: number
}

/** The 8 bytes; `undefined` for a version of more than 2 bits. Of the vni, the low 24 bits are written. */
export function encodeRelayHeader(h: RelayHeader): Uint8Array<ArrayBuffer> | undefined {
  if (h.version > 3) return undefined
  const { protocol: p, vni } = h
  const first = [h.version << 6, h.control ? 0x80 : 0, p >> 8, p & 0xff]
  return new Uint8Array([...first, (vni >> 16) & 0xff, (vni >> 8) & 0xff, vni & 0xff, 0])
}

/** What the header says, whatever its version and options; `undefined` when it is cut off. */
export function decodeRelayHeader(b: Bytes): RelayHeader | undefined {
  if (b.length < RELAY_HEADER_BYTES) return undefined
  const [first, flags, p1, p2, v1, v2, v3] = b as unknown as [number, number, number, number, number, number, number]
  return {
    control: (flags & 0x80) !== 0,
    version: first >> 6,
    protocol: (p1 << 8) | p2,
    vni: (v1 << 16) | (v2 << 8) | v3,
  }
}

/** STUN's binding method only; the rest of STUN is of no use here. */
function isBindingMessage(b: Bytes): boolean {
  if (b.length < STUN_MIN_BYTES || ((b[0] as number) & 0xc0) !== 0 || b[1] !== 0x01) return false
  return b[4] === 0x21 && b[5] === 0x12 && b[6] === 0xa4 && b[7] === 0x42
}

/** The protocol behind a relay header; 0 when there is none. */
function relayedProtocol(b: Bytes): number {
  if (b.length < RELAY_HEADER_BYTES || ((b[0] as number) & 0xc0) !== 0) return 0
  if (((b[1] as number) & 0x3f) !== 0 || b[7] !== 0) return 0
  return ((b[2] as number) << 8) | (b[3] as number)
}
