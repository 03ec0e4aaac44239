/**
 * WireGuard's four messages as bytes (WireGuard paper §5.4; disco.md §7). Encode and decode, nothing else: what is
 * sealed stays sealed, and nothing here says whether a message is genuine.
 *
 * Integers are little-endian. Each kind begins with its number and three zero bytes, which newer versions might use:
 * a message with anything else there is a stranger's. Indices are u32 and made up by whoever is to receive them.
 */

import type { Bytes } from '../../base/bytes.ts'

export type MessageKind = 'initiation' | 'response' | 'cookie-reply' | 'transport'

export const INITIATION_LENGTH = 148
export const RESPONSE_LENGTH = 92
export const COOKIE_REPLY_LENGTH = 64
export const TRANSPORT_HEADER_LENGTH = 16
/** A transport message around nothing: header and tag. */
export const TRANSPORT_MIN_LENGTH = 32
export const MAC_LENGTH = 16

const KIND_INITIATION = 1
const KIND_RESPONSE = 2
const KIND_COOKIE_REPLY = 3
const KIND_TRANSPORT = 4

/** What kind of message this is, by its first four bytes and its length; `undefined` for a stranger's bytes. */
export function kindOf(b: Bytes): MessageKind | undefined {
  if (b.length < 4 || b[1] !== 0 || b[2] !== 0 || b[3] !== 0) return undefined
  switch (b[0]) {
    case KIND_INITIATION:
      return b.length === INITIATION_LENGTH ? 'initiation' : undefined
    case KIND_RESPONSE:
      return b.length === RESPONSE_LENGTH ? 'response' : undefined
    case KIND_COOKIE_REPLY:
      return b.length === COOKIE_REPLY_LENGTH ? 'cookie-reply' : undefined
    case KIND_TRANSPORT:
      return b.length >= TRANSPORT_MIN_LENGTH ? 'transport' : undefined
    default:
      return undefined
  }
}

/** The first message of a handshake, without its MACs. */
export interface Initiation {
  readonly sender: number
  /** 32 bytes. */
  readonly ephemeral: Bytes
  /** The initiator's public key and a tag: 48 bytes. */
  readonly sealedKey: Bytes
  /** A TAI64N timestamp and a tag: 28 bytes. */
  readonly sealedTimestamp: Bytes
}

/**
 *   0           4        8           40           88                 116    132    148
 *   | 1 0 0 0   | sender | ephemeral | sealed key | sealed timestamp | mac1 | mac2 |
 */
export function encodeInitiation(m: Initiation): Uint8Array<ArrayBuffer> {
  const b = new Uint8Array(INITIATION_LENGTH)
  b[0] = KIND_INITIATION
  viewOf(b).setUint32(4, m.sender, true)
  b.set(m.ephemeral, 8)
  b.set(m.sealedKey, 40)
  b.set(m.sealedTimestamp, 88)
  return b
}

export function decodeInitiation(b: Bytes): Initiation | undefined {
  if (kindOf(b) !== 'initiation') return undefined
  return {
    sender: viewOf(b).getUint32(4, true),
    ephemeral: b.subarray(8, 40),
    sealedKey: b.subarray(40, 88),
    sealedTimestamp: b.subarray(88, 116),
  }
}

/** The answer to an initiation, without its MACs. */
export interface Response {
  readonly sender: number
  /** The sender of the initiation. */
  readonly receiver: number
  /** 32 bytes. */
  readonly ephemeral: Bytes
  /** The tag of an empty payload: 16 bytes. */
  readonly sealedNothing: Bytes
}

/**
 *   0           4        8          12          44               60     76     92
 *   | 2 0 0 0   | sender | receiver | ephemeral | sealed nothing | mac1 | mac2 |
 */
export function encodeResponse(m: Response): Uint8Array<ArrayBuffer> {
  const b = new Uint8Array(RESPONSE_LENGTH)
  b[0] = KIND_RESPONSE
  const view = viewOf(b)
  view.setUint32(4, m.sender, true)
  view.setUint32(8, m.receiver, true)
  b.set(m.ephemeral, 12)
  b.set(m.sealedNothing, 44)
  return b
}

export function decodeResponse(b: Bytes): Response | undefined {
  if (kindOf(b) !== 'response') return undefined
  const view = viewOf(b)
  return {
    sender: view.getUint32(4, true),
    receiver: view.getUint32(8, true),
    ephemeral: b.subarray(12, 44),
    sealedNothing: b.subarray(44, 60),
  }
}

/** What a busy responder answers instead: a cookie, sealed so that only who sent the message can read it. */
export interface CookieReply {
  /** The sender of the message that is answered. */
  readonly receiver: number
  /** 24 bytes. */
  readonly nonce: Bytes
  /** The cookie and a tag: 32 bytes. */
  readonly sealedCookie: Bytes
}

/**
 *   0           4          8       32              64
 *   | 3 0 0 0   | receiver | nonce | sealed cookie |
 */
export function encodeCookieReply(m: CookieReply): Uint8Array<ArrayBuffer> {
  const b = new Uint8Array(COOKIE_REPLY_LENGTH)
  b[0] = KIND_COOKIE_REPLY
  viewOf(b).setUint32(4, m.receiver, true)
  b.set(m.nonce, 8)
  b.set(m.sealedCookie, 32)
  return b
}

export function decodeCookieReply(b: Bytes): CookieReply | undefined {
  if (kindOf(b) !== 'cookie-reply') return undefined
  return { receiver: viewOf(b).getUint32(4, true), nonce: b.subarray(8, 32), sealedCookie: b.subarray(32, 64) }
}

/** What stands before a sealed packet. */
export interface TransportHeader {
  readonly receiver: number
  /** The counter is a u64; its halves, since a number can't hold all of it. */
  readonly counterHigh: number
  readonly counterLow: number
}

/**
 *   0           4          8             16
 *   | 4 0 0 0   | receiver | counter u64 | sealed packet, then its tag
 *
 * @param counter below 2^53
 */
export function writeTransportHeader(into: Uint8Array, receiver: number, counter: number): void {
  const view = viewOf(into)
  view.setUint32(0, KIND_TRANSPORT, true)
  view.setUint32(4, receiver, true)
  view.setUint32(8, counter >>> 0, true)
  view.setUint32(12, Math.floor(counter / 0x1_0000_0000), true)
}

export function decodeTransportHeader(b: Bytes): TransportHeader | undefined {
  if (kindOf(b) !== 'transport') return undefined
  const view = viewOf(b)
  return {
    receiver: view.getUint32(4, true),
    counterLow: view.getUint32(8, true),
    counterHigh: view.getUint32(12, true),
  }
}

/** The index by which the receiver of a response, cookie reply or transport message knows what it belongs to. */
export function receiverOf(b: Bytes): number | undefined {
  const kind = kindOf(b)
  if (kind === undefined || kind === 'initiation') return undefined
  return viewOf(b).getUint32(kind === 'response' ? 8 : 4, true)
}

/** Where mac1 begins in an initiation or response; mac2 follows it and ends the message. */
export const mac1At = (message: Bytes): number => message.length - 2 * MAC_LENGTH
export const mac2At = (message: Bytes): number => message.length - MAC_LENGTH

function viewOf(b: Bytes): DataView {
  return new DataView(b.buffer, b.byteOffset, b.byteLength)
}
