/**
 * What a DERP client and its server say to each other: every frame body of derp.md §4.2, written and read.
 *
 * Bodies may grow at the end; readers ignore what they don't know there. The two sealed greetings appear here
 * as sealed bytes: their text is info.ts, opening them needs keys and is not a codec's matter.
 */

import { textOf, utf8 } from '../../base/bytes.ts'
import type { Bytes } from '../../base/bytes.ts'
import { MeshError } from '../../base/errors.ts'
import { unmapIp } from '../../base/ip.ts'
import type { AddressPort } from '../../base/ip.ts'
import { ipBytesMapped, ipOfBytes } from '../ip-bytes.ts'
import {
  encodeFrame,
  FRAME,
  KEY_BYTES,
  MAGIC,
  MAX_CLIENT_FRAME_BYTES,
  MAX_CLIENT_INFO_BYTES,
  MAX_PACKET_BYTES,
  MAX_PING_BYTES,
  MIN_CLIENT_INFO_BYTES,
  NONCE_BYTES,
  PING_BYTES,
} from './frame.ts'
import type { FrameRule } from './frame.ts'

/** Why a peer is gone: it was here and left, or it was never here. Others may appear on the wire. */
export const GONE = { disconnected: 0x00, notHere: 0x01 } as const

/** Bits of PeerPresent. `regular` is set only when no other is; 0 means the sender is too old to say. */
export const PRESENT = { regular: 1, mesh: 2, prober: 4, notIdeal: 8 } as const

/** All keys are raw, 32 bytes; `data` of ping and pong is 8 bytes. */
export type ClientMessage =
  | { readonly kind: 'client-info'; readonly key: Bytes; readonly sealed: Bytes }
  | { readonly kind: 'send'; readonly to: Bytes; readonly packet: Bytes }
  | { readonly kind: 'forward'; readonly from: Bytes; readonly to: Bytes; readonly packet: Bytes }
  | { readonly kind: 'ping' | 'pong'; readonly data: Bytes }
  | { readonly kind: 'note-preferred'; readonly preferred: boolean }
  | { readonly kind: 'watch' }
  | { readonly kind: 'close-peer'; readonly peer: Bytes }

export type ServerMessage =
  | { readonly kind: 'server-key'; readonly key: Bytes }
  /** `sealed` is nonce and box. */
  | { readonly kind: 'server-info'; readonly sealed: Bytes }
  | { readonly kind: 'packet'; readonly from: Bytes; readonly packet: Bytes }
  | { readonly kind: 'keep-alive' }
  | { readonly kind: 'peer-gone'; readonly peer: Bytes; readonly reason: number }
  /** Without an address the server did not say it. */
  | {
      readonly kind: 'peer-present'
      readonly peer: Bytes
      readonly address?: AddressPort
      readonly flags: number
    }
  | { readonly kind: 'ping'; readonly data: Bytes }
  | { readonly kind: 'pong'; readonly data: Bytes }
  /** The empty text clears the problem. */
  | { readonly kind: 'health'; readonly problem: string }
  | { readonly kind: 'restarting'; readonly reconnectInMs: number; readonly tryForMs: number }

/** @throws MeshError `input/invalid` for a packet longer than 65,536 bytes */
export function encodeClientMessage(m: ClientMessage): Uint8Array<ArrayBuffer> {
  switch (m.kind) {
    case 'client-info':
      return encodeFrame(FRAME.clientInfo, m.key, m.sealed)
    case 'send':
      checkPacket(m.packet)
      return encodeFrame(FRAME.sendPacket, m.to, m.packet)
    case 'forward':
      checkPacket(m.packet)
      return encodeFrame(FRAME.forwardPacket, m.from, m.to, m.packet)
    case 'ping':
      return encodeFrame(FRAME.ping, m.data)
    case 'pong':
      return encodeFrame(FRAME.pong, m.data)
    case 'note-preferred':
      return encodeFrame(FRAME.notePreferred, new Uint8Array([m.preferred ? 1 : 0]))
    case 'watch':
      return encodeFrame(FRAME.watchConns)
    case 'close-peer':
      return encodeFrame(FRAME.closePeer, m.peer)
  }
}

export function encodeServerMessage(m: ServerMessage): Uint8Array<ArrayBuffer> {
  switch (m.kind) {
    case 'server-key':
      return encodeFrame(FRAME.serverKey, MAGIC, m.key)
    case 'server-info':
      return encodeFrame(FRAME.serverInfo, m.sealed)
    case 'packet':
      return encodeFrame(FRAME.recvPacket, m.from, m.packet)
    case 'keep-alive':
      return encodeFrame(FRAME.keepAlive)
    case 'peer-gone':
      return encodeFrame(FRAME.peerGone, m.peer, new Uint8Array([m.reason]))
    case 'peer-present':
      return encodePeerPresent(m.peer, m.address, m.flags)
    case 'ping':
      return encodeFrame(FRAME.ping, m.data)
    case 'pong':
      return encodeFrame(FRAME.pong, m.data)
    case 'health':
      return encodeFrame(FRAME.health, utf8(m.problem))
    case 'restarting': {
      const body = new Uint8Array(8)
      const view = new DataView(body.buffer)
      view.setUint32(0, m.reconnectInMs)
      view.setUint32(4, m.tryForMs)
      return encodeFrame(FRAME.restarting, body)
    }
  }
}

function checkPacket(packet: Bytes): void {
  if (packet.length > MAX_PACKET_BYTES)
    throw new MeshError('input/invalid', `Cannot relay a packet of ${packet.length} bytes: at most ${MAX_PACKET_BYTES}`)
}

function encodePeerPresent(peer: Bytes, address: AddressPort | undefined, flags: number): Uint8Array<ArrayBuffer> {
  const tail = new Uint8Array(19)
  if (address !== undefined) {
    tail.set(ipBytesMapped(address.ip))
    tail[16] = address.port >>> 8
    tail[17] = address.port
  }
  tail[18] = flags
  return encodeFrame(FRAME.peerPresent, peer, tail)
}

/** What a server takes as a client's first frame. */
export const greetingRule: FrameRule = (type, length) =>
  type === FRAME.clientInfo && length >= MIN_CLIENT_INFO_BYTES && length <= MAX_CLIENT_INFO_BYTES ? 'take' : 'refuse'

/** What a server takes from a client without mesh rights once it is greeted (derp.md §4.2, §10.16 to 20). */
export const clientRule: FrameRule = (type, length) => {
  switch (type) {
    case FRAME.sendPacket:
      return length >= KEY_BYTES && length <= KEY_BYTES + MAX_PACKET_BYTES ? 'take' : 'refuse'
    case FRAME.notePreferred:
      return length === 1 ? 'take' : 'refuse'
    case FRAME.ping:
      return length >= PING_BYTES && length <= MAX_PING_BYTES ? 'take' : 'refuse'
    case FRAME.forwardPacket:
    case FRAME.watchConns:
    case FRAME.closePeer:
      return 'refuse'
    default:
      // Pongs too: this server asks nothing of the kind, and a pong still counts as a sign of life.
      return 'skip'
  }
}

/** What a client takes from a server: nothing above 1 MiB, whatever its type. */
export const serverRule: FrameRule = (type, length) => {
  if (length > MAX_CLIENT_FRAME_BYTES) return 'refuse'
  switch (type) {
    case FRAME.serverInfo:
    case FRAME.recvPacket:
    case FRAME.keepAlive:
    case FRAME.peerGone:
    case FRAME.peerPresent:
    case FRAME.ping:
    case FRAME.pong:
    case FRAME.health:
    case FRAME.restarting:
      return 'take'
    default:
      return 'skip'
  }
}

/** What a client that waits for the server's key takes. */
export const serverKeyRule: FrameRule = (type, length) =>
  type === FRAME.serverKey && length >= MAGIC.length + KEY_BYTES && length <= 1024 ? 'take' : 'refuse'

/** The server's key in a ServerKey body; `undefined` when it is none. */
export function decodeServerKey(body: Bytes): Uint8Array | undefined {
  if (body.length < MAGIC.length + KEY_BYTES) return undefined
  for (let i = 0; i < MAGIC.length; i++) if (body[i] !== MAGIC[i]) return undefined
  return body.slice(MAGIC.length, MAGIC.length + KEY_BYTES)
}

/** Reads a frame that a server sent in steady state; `undefined` for what a client must ignore. */
export function decodeServerMessage(type: number, body: Bytes): ServerMessage | undefined {
  switch (type) {
    case FRAME.serverInfo:
      return { kind: 'server-info', sealed: body }
    case FRAME.recvPacket:
      if (body.length < KEY_BYTES) return undefined
      return { kind: 'packet', from: body.subarray(0, KEY_BYTES), packet: body.subarray(KEY_BYTES) }
    case FRAME.keepAlive:
      return { kind: 'keep-alive' }
    case FRAME.peerGone:
      if (body.length < KEY_BYTES) return undefined
      return { kind: 'peer-gone', peer: body.subarray(0, KEY_BYTES), reason: body[KEY_BYTES] ?? GONE.disconnected }
    case FRAME.peerPresent:
      return decodePeerPresent(body)
    case FRAME.ping:
    case FRAME.pong:
      if (body.length < PING_BYTES) return undefined
      return { kind: type === FRAME.ping ? 'ping' : 'pong', data: body.subarray(0, PING_BYTES) }
    case FRAME.health: {
      const problem = textOf(body)
      return problem === undefined ? undefined : { kind: 'health', problem }
    }
    case FRAME.restarting: {
      if (body.length < 8) return undefined
      const view = new DataView(body.buffer, body.byteOffset, 8)
      return { kind: 'restarting', reconnectInMs: view.getUint32(0), tryForMs: view.getUint32(4) }
    }
    default:
      return undefined
  }
}

/**
 *   0     32   48     50      51
 *   | key | ip | port | flags |        readable from the key alone on; IPv4 is mapped
 */
function decodePeerPresent(body: Bytes): ServerMessage | undefined {
  if (body.length < KEY_BYTES) return undefined
  const peer = body.subarray(0, KEY_BYTES)
  const flags = body[50] ?? 0
  if (body.length < 50) return { kind: 'peer-present', peer, flags }
  const port = ((body[48] as number) << 8) | (body[49] as number)
  return { kind: 'peer-present', peer, address: { ip: unmapIp(ipOfBytes(body.subarray(32, 48))), port }, flags }
}

/** Splits a ClientInfo body into the client's key and what it sealed (nonce and box). */
export function splitClientInfo(body: Bytes): { readonly key: Uint8Array; readonly sealed: Uint8Array } | undefined {
  if (body.length < KEY_BYTES + NONCE_BYTES) return undefined
  return { key: body.slice(0, KEY_BYTES), sealed: body.subarray(KEY_BYTES) }
}

const DISCO_MAGIC = [0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac] as const
const MIN_DISCO_BYTES = 62

/** Does the relay take this payload for a disco packet? (derp.md §5.3) */
export function looksLikeDisco(bytes: Bytes, start: number, end: number): boolean {
  if (end - start < MIN_DISCO_BYTES || bytes[start] !== 0x54) return false
  for (let i = 1; i < DISCO_MAGIC.length; i++) if (bytes[start + i] !== DISCO_MAGIC[i]) return false
  return true
}
