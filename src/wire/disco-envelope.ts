/**
 * What a disco message travels in, and the form in which debug captures keep it. (disco.md §3)
 *
 *   0            6                      38           62
 *   | magic 6    | sender's disco key   | nonce 24   | NaCl box of the message
 *
 * Relays and the UDP socket see only this; opening the box needs keys and is not a codec's matter.
 */

import { concat } from '../base/bytes.ts'
import type { Bytes } from '../base/bytes.ts'
import type { AddressPort } from '../base/ip.ts'
import { discoKeyOf, rawKey } from '../base/keys.ts'
import type { DiscoKey, NodeKey } from '../base/keys.ts'
import { ipBytes } from './ip-bytes.ts'

/** "TS💬". */
export const DISCO_MAGIC = new Uint8Array([0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac])
const KEY_END = DISCO_MAGIC.length + 32
const NONCE_END = KEY_END + 24

export interface Envelope {
  readonly sender: DiscoKey
  /** Nonce (24 bytes) and box, as `openWith` of crypto/box.ts takes them. */
  readonly sealed: Bytes
}

/** @param sealed nonce (24 bytes) and box */
export function encodeEnvelope({ sender, sealed }: Envelope): Uint8Array<ArrayBuffer> {
  return concat([DISCO_MAGIC, rawKey(sender), sealed])
}

/** Sender and box; `undefined` for anything that is no envelope. The box is a view into `b`. */
export function decodeEnvelope(b: Bytes): Envelope | undefined {
  if (b.length < NONCE_END || !startsWithMagic(b, 0)) return undefined
  return { sender: discoKeyOf(b.subarray(DISCO_MAGIC.length, KEY_END)), sealed: b.subarray(KEY_END) }
}

/** Do the bytes from `at` on begin as an envelope does? */
export function startsWithMagic(b: Bytes, at: number): boolean {
  for (let i = 0; i < DISCO_MAGIC.length; i++) if (b[at + i] !== DISCO_MAGIC[i]) return false
  return true
}

/**
 * One message of a debug capture, as packet dissectors read it:
 *
 *   | 00, or 01 by relay | relay's node key 32 | port u16 | n u16 | address n | m u16 | message m     little-endian
 */
export function encodeCapture(
  src: AddressPort,
  byRelay: boolean,
  relayNode: NodeKey,
  message: Bytes,
): Uint8Array<ArrayBuffer> {
  const ip = ipBytes(src.ip)
  const flags = new Uint8Array([byRelay ? 1 : 0])
  return concat([flags, rawKey(relayNode), little(src.port), little(ip.length), ip, little(message.length), message])
}

function little(value: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array([value & 0xff, value >> 8])
}
