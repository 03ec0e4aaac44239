/**
 * Messages that nodes send each other inside the tunnel, as IP packets of protocol 99 (node.md §2.7).
 *
 *   0       1          2        3             5                  7
 *   | 0x21 | protocol | reason | source port | destination port | flags |   a flow was rejected; flags may be missing
 *   | 0x70 | ping: 8 bytes                                              |
 *   | 0x6f | pong: the same 8 bytes                      | PeerAPI port |   the port may be missing
 *   | 0x61 | disco public key: 32 bytes                                 |
 *
 * Bytes behind these are ignored. A reject comes from the address that the flow wanted to go to.
 */

import type { Bytes } from '../base/bytes.ts'
import { discoKeyOf } from '../base/keys.ts'
import type { DiscoKey } from '../base/keys.ts'
import type { AddressPort, Ip } from '../base/ip.ts'
import { ipBytes, ipOfBytes } from './ip-bytes.ts'
import { ipv4HeaderSum } from './ip-packet-rewrite.ts'
import { IPV4_BYTES, IPV6_BYTES, TSMP } from './ip-packet.ts'
import type { PacketHeader } from './ip-packet.ts'

export type TsmpMessage =
  | {
      readonly kind: 'reject'
      readonly flow: RejectedFlow
      readonly reason: RejectReason
      /** The receiver's fault may pass: its set-up was not complete. */
      readonly isMaybeTransient: boolean
    }
  | { readonly kind: 'ping'; readonly data: Uint8Array }
  | { readonly kind: 'pong'; readonly data: Uint8Array; readonly peerApiPort: number }
  | { readonly kind: 'disco-key'; readonly key: DiscoKey }

export interface RejectedFlow {
  readonly protocol: number
  readonly src: AddressPort
  readonly dst: AddressPort
}

/** Reasons and their letters on the wire. */
export const REJECT_REASONS = {
  acl: 0x41,
  shields: 0x53,
  'host-ip-forwarding-unavailable': 0x46,
  'host-firewall': 0x57,
  'app-connector-transit-ip-unknown': 0x54,
} as const

/** A name, or the byte as `0x51` where we know none. */
export type RejectReason = keyof typeof REJECT_REASONS | `0x${string}`

const REJECT = 0x21
const PING = 0x70
const PONG = 0x6f
const DISCO_KEY = 0x61
const DATA_BYTES = 8
const KEY_BYTES = 32
const REJECT_BYTES = 7
const TRANSIENT_FLAG = 0x01
const HOP_LIMIT = 64

const REASON_NAMES = new Map(Object.entries(REJECT_REASONS).map(([name, byte]) => [byte as number, name]))

/** The message in a packet whose headers `h` has read; `undefined` for any other packet, and for messages of other kinds. */
export function decodeTsmp(bytes: Bytes, h: PacketHeader): TsmpMessage | undefined {
  if (h.protocol !== TSMP) return undefined
  const body = bytes.subarray(h.transport, h.at + h.total)
  const view = new DataView(body.buffer, body.byteOffset, body.length)
  switch (body[0]) {
    case REJECT:
      return decodeReject(bytes, h, body, view)
    case PING:
      return body.length < 1 + DATA_BYTES ? undefined : { kind: 'ping', data: body.slice(1, 1 + DATA_BYTES) }
    case PONG: {
      if (body.length < 1 + DATA_BYTES) return undefined
      const peerApiPort = body.length < 3 + DATA_BYTES ? 0 : view.getUint16(1 + DATA_BYTES)
      return { kind: 'pong', data: body.slice(1, 1 + DATA_BYTES), peerApiPort }
    }
    case DISCO_KEY:
      return body.length < 1 + KEY_BYTES
        ? undefined
        : { kind: 'disco-key', key: discoKeyOf(body.slice(1, 1 + KEY_BYTES)) }
    default:
      return undefined
  }
}

function decodeReject(bytes: Bytes, h: PacketHeader, body: Bytes, view: DataView): TsmpMessage | undefined {
  if (body.length < REJECT_BYTES) return undefined
  const { src, dst } = addressesOf(bytes, h)
  const reason = body[2] as number
  return {
    kind: 'reject',
    // Seen from whoever sent the flow, which is whom the reject is for.
    flow: {
      protocol: body[1] as number,
      src: { ip: dst, port: view.getUint16(3) },
      dst: { ip: src, port: view.getUint16(5) },
    },
    reason: (REASON_NAMES.get(reason) ?? `0x${reason.toString(16)}`) as RejectReason,
    isMaybeTransient: ((body[REJECT_BYTES] ?? 0) & TRANSIENT_FLAG) !== 0,
  }
}

/** A whole packet that tells the sender of a flow that it was rejected. */
export function encodeReject(
  { protocol, src, dst }: RejectedFlow,
  reason: keyof typeof REJECT_REASONS,
  isMaybeTransient = false,
): Uint8Array<ArrayBuffer> {
  const { packet, body } = emptyPacket(dst.ip, src.ip, REJECT_BYTES + (isMaybeTransient ? 1 : 0))
  const view = new DataView(packet.buffer, body)
  view.setUint8(0, REJECT)
  view.setUint8(1, protocol)
  view.setUint8(2, REJECT_REASONS[reason])
  view.setUint16(3, src.port)
  view.setUint16(5, dst.port)
  if (isMaybeTransient) view.setUint8(REJECT_BYTES, TRANSIENT_FLAG)
  return packet
}

/** A whole packet. @param data 8 bytes, which the pong brings back */
export function encodePing(src: Ip, dst: Ip, data: Bytes): Uint8Array<ArrayBuffer> {
  const { packet, body } = emptyPacket(src, dst, 1 + DATA_BYTES)
  packet[body] = PING
  packet.set(data.subarray(0, DATA_BYTES), body + 1)
  return packet
}

/** A whole packet. @param peerApiPort where the sender's PeerAPI listens on the address the ping came to; 0: nowhere */
export function encodePong(src: Ip, dst: Ip, data: Bytes, peerApiPort: number): Uint8Array<ArrayBuffer> {
  const { packet, body } = emptyPacket(src, dst, 3 + DATA_BYTES)
  packet[body] = PONG
  packet.set(data.subarray(0, DATA_BYTES), body + 1)
  new DataView(packet.buffer).setUint16(body + 1 + DATA_BYTES, peerApiPort)
  return packet
}

/** A whole packet. @param key 32 bytes: the raw disco key */
export function encodeDiscoKey(src: Ip, dst: Ip, key: Bytes): Uint8Array<ArrayBuffer> {
  const { packet, body } = emptyPacket(src, dst, 1 + KEY_BYTES)
  packet[body] = DISCO_KEY
  packet.set(key.subarray(0, KEY_BYTES), body + 1)
  return packet
}

/** Source and destination of a packet whose headers were read. */
export function addressesOf(bytes: Bytes, h: PacketHeader): { readonly src: Ip; readonly dst: Ip } {
  const [at, length] = h.version === 4 ? [h.at + 12, 4] : [h.at + 8, 16]
  return {
    src: ipOfBytes(bytes.subarray(at, at + length)),
    dst: ipOfBytes(bytes.subarray(at + length, at + 2 * length)),
  }
}

/** A packet of this protocol with `length` bytes of zeros, and where they start. */
function emptyPacket(src: Ip, dst: Ip, length: number): { packet: Uint8Array<ArrayBuffer>; body: number } {
  const body = src.family === 4 ? IPV4_BYTES : IPV6_BYTES
  const packet = new Uint8Array(body + length)
  const view = new DataView(packet.buffer)
  const at = src.family === 4 ? 12 : 8
  packet.set(ipBytes(src), at)
  packet.set(ipBytes(dst), at + (src.family === 4 ? 4 : 16))
  if (src.family === 4) {
    view.setUint8(0, 0x45)
    view.setUint16(2, packet.length)
    view.setUint8(8, HOP_LIMIT)
    view.setUint8(9, TSMP)
    view.setUint16(10, ipv4HeaderSum(packet))
  } else {
    view.setUint8(0, 0x60)
    view.setUint16(4, length)
    view.setUint8(6, TSMP)
    view.setUint8(7, HOP_LIMIT)
  }
  return { packet, body }
}
