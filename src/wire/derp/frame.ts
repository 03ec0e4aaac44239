/**
 * DERP framing: the frame types, their limits, how a frame is written, and a reader that cuts a byte stream
 * back into frames wherever the stream happens to be split. (derp.md §2, §4)
 *
 *   0      1                5
 *   | type | length (u32be) | body |     length leaves out these five bytes
 *
 * The format grows by new types: readers skip what they don't know by its length. What bodies mean is
 * messages.ts; what a peer may send at which moment is the rule that the reader is given.
 */

import { EMPTY } from '../../base/bytes.ts'
import type { Bytes } from '../../base/bytes.ts'

export const FRAME = {
  serverKey: 0x01,
  clientInfo: 0x02,
  serverInfo: 0x03,
  sendPacket: 0x04,
  recvPacket: 0x05,
  keepAlive: 0x06,
  notePreferred: 0x07,
  peerGone: 0x08,
  peerPresent: 0x09,
  forwardPacket: 0x0a,
  watchConns: 0x10,
  closePeer: 0x11,
  ping: 0x12,
  pong: 0x13,
  health: 0x14,
  restarting: 0x15,
} as const

export const HEADER_BYTES = 5
export const KEY_BYTES = 32
export const NONCE_BYTES = 24
/** The payload alone, without keys and header. */
export const MAX_PACKET_BYTES = 65_536
export const MAX_CLIENT_INFO_BYTES = 262_144
/** A key and a nonce: a shorter greeting can't hold a box. */
export const MIN_CLIENT_INFO_BYTES = KEY_BYTES + NONCE_BYTES
export const MAX_PING_BYTES = 1000
export const PING_BYTES = 8
/** What a client takes from a server; anything longer ends the connection. */
export const MAX_CLIENT_FRAME_BYTES = 1 << 20
/** `DERP` and U+1F511 in UTF-8. */
export const MAGIC: Uint8Array = new Uint8Array([0x44, 0x45, 0x52, 0x50, 0xf0, 0x9f, 0x94, 0x91])
export const PROTOCOL_VERSION = 2

/** Writes a frame's header at `at`; returns where the body begins. */
export function putHeader(into: Uint8Array, at: number, type: number, length: number): number {
  into[at] = type
  into[at + 1] = length >>> 24
  into[at + 2] = length >>> 16
  into[at + 3] = length >>> 8
  into[at + 4] = length
  return at + HEADER_BYTES
}

/** A whole frame. */
export function encodeFrame(type: number, ...parts: readonly Bytes[]): Uint8Array<ArrayBuffer> {
  let length = 0
  for (const part of parts) length += part.length
  const frame = new Uint8Array(HEADER_BYTES + length)
  let at = putHeader(frame, 0, type, length)
  for (const part of parts) {
    frame.set(part, at)
    at += part.length
  }
  return frame
}

/**
 * What to do with a frame, decided on its header alone so that a stranger's length never costs memory:
 * `take` collects the body, `skip` lets it pass by unread, `refuse` ends the stream.
 */
export type FrameRule = (type: number, length: number) => 'take' | 'skip' | 'refuse'

/** A partly received body gets this much at first and grows with what really arrives. */
const FIRST_PART_BYTES = 4096

/**
 * Cuts a stream into frames. After `push`, call `next` until it says `more`; each `frame` is described by
 * `type`, and its body is `bytes` from `start` to `end`. A body that lies whole in one chunk is not copied:
 * whoever keeps it keeps that chunk alive.
 */
export class FrameReader {
  type = 0
  bytes: Uint8Array = EMPTY
  start = 0
  end = 0

  rule: FrameRule
  #chunk: Uint8Array = EMPTY
  #at = 0
  readonly #head = new Uint8Array(HEADER_BYTES)
  #headFill = 0
  #part: Uint8Array | undefined
  #partFill = 0
  #partLength = 0
  #skip = 0
  #refused = false

  constructor(rule: FrameRule) {
    this.rule = rule
  }

  /** Hands in the next piece of the stream. The former one must be used up (`next` said `more`). */
  push(chunk: Uint8Array): void {
    this.#chunk = chunk
    this.#at = 0
  }

  /** The body of the frame just found, as a view. */
  body(): Uint8Array {
    return this.bytes.subarray(this.start, this.end)
  }

  /**
   * The next frame, or that one of `type` is being skipped, or that `more` bytes are wanted. `refused` is final.
   */
  next(): 'frame' | 'skipped' | 'more' | 'refused' {
    for (;;) {
      if (this.#refused) return 'refused'
      if (this.#skip > 0) this.#passBy()
      if (this.#part !== undefined) return this.#fillPart()
      const left = this.#chunk.length - this.#at
      if (left === 0) return this.#rest()
      let length: number
      if (this.#headFill === 0 && left >= HEADER_BYTES) {
        length = this.#header(this.#chunk, this.#at)
        this.#at += HEADER_BYTES
      } else {
        const n = Math.min(HEADER_BYTES - this.#headFill, left)
        this.#head.set(this.#chunk.subarray(this.#at, this.#at + n), this.#headFill)
        this.#headFill += n
        this.#at += n
        if (this.#headFill < HEADER_BYTES) return this.#rest()
        this.#headFill = 0
        length = this.#header(this.#head, 0)
      }
      const verdict = this.rule(this.type, length)
      if (verdict === 'refuse') {
        this.#refused = true
        this.#chunk = EMPTY
      } else if (verdict === 'skip') {
        this.#skip = length
        return 'skipped'
      } else if (this.#chunk.length - this.#at >= length) {
        this.bytes = this.#chunk
        this.start = this.#at
        this.end = this.#at += length
        return 'frame'
      } else {
        this.#part = new Uint8Array(Math.min(length, FIRST_PART_BYTES))
        this.#partFill = 0
        this.#partLength = length
      }
    }
  }

  #header(from: Uint8Array, at: number): number {
    this.type = from[at] as number
    const high = from[at + 1] as number
    const rest = ((from[at + 2] as number) << 16) | ((from[at + 3] as number) << 8) | (from[at + 4] as number)
    return high * 0x1000000 + rest
  }

  #passBy(): void {
    const n = Math.min(this.#skip, this.#chunk.length - this.#at)
    this.#skip -= n
    this.#at += n
  }

  #fillPart(): 'frame' | 'more' {
    const n = Math.min(this.#partLength - this.#partFill, this.#chunk.length - this.#at)
    const need = this.#partFill + n
    let part = this.#part as Uint8Array
    if (need > part.length) {
      const larger = new Uint8Array(Math.min(this.#partLength, Math.max(need, part.length * 2)))
      larger.set(part.subarray(0, this.#partFill))
      this.#part = part = larger
    }
    part.set(this.#chunk.subarray(this.#at, this.#at + n), this.#partFill)
    this.#partFill = need
    this.#at += n
    if (need < this.#partLength) return this.#rest()
    this.bytes = part
    this.start = 0
    this.end = need
    this.#part = undefined
    return 'frame'
  }

  #rest(): 'more' {
    this.#chunk = EMPTY
    this.#at = 0
    return 'more'
  }
}
