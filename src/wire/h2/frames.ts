/**
 * Frames as bytes: writing each kind that we send, and cutting a byte stream into frames.
 *
 *   0              3      4       5               9
 *   | length (u24) | type | flags | stream (u31)  | payload …
 *
 * What a frame means, and whether it may come now, is connection.ts. (RFC 9113 §4.1)
 */

import { EMPTY, utf8 } from '../../base/bytes.ts'
import type { Bytes } from '../../base/bytes.ts'
import { codeNumber, FLAG, FRAME, FRAME_BYTES } from './codes.ts'
import type { H2Code } from './codes.ts'

export type Frame = {
  readonly type: number
  readonly flags: number
  readonly stream: number
  /** A view of the bytes that were pushed where the frame came in one piece: good until the pusher reuses them. */
  readonly payload: Uint8Array
}

/** What a client says first. (RFC 9113 §3.4) */
export const PREFACE = utf8('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

const HEADER_BYTES = 9

export function readU32(b: Bytes, at: number): number {
  return (
    (((b[at] as number) << 24) |
      ((b[at + 1] as number) << 16) |
      ((b[at + 2] as number) << 8) |
      (b[at + 3] as number)) >>>
    0
  )
}

function writeU32(b: Uint8Array, at: number, value: number): void {
  b[at] = value >>> 24
  b[at + 1] = value >>> 16
  b[at + 2] = value >>> 8
  b[at + 3] = value
}

/** A frame whose payload of `length` bytes is left zero when `room`, and left out (header only) otherwise. */
function start(type: number, flags: number, stream: number, length: number, room: boolean): Uint8Array {
  const b = new Uint8Array(room ? HEADER_BYTES + length : HEADER_BYTES)
  b[0] = length >>> 16
  b[1] = length >>> 8
  b[2] = length
  b[3] = type
  b[4] = flags
  writeU32(b, 5, stream)
  return b
}

/** The nine bytes before a DATA payload, which is sent from where it lies. */
export function dataHeader(stream: number, length: number, end: boolean): Uint8Array {
  return start(FRAME.DATA, end ? FLAG.END_STREAM : 0, stream, length, false)
}

/** HEADERS, and CONTINUATIONs where the block is longer than a frame. */
export function headersFrame(stream: number, block: Bytes, end: boolean): Uint8Array {
  const frames = Math.max(1, Math.ceil(block.length / FRAME_BYTES))
  const all = new Uint8Array(frames * HEADER_BYTES + block.length)
  for (let i = 0, at = 0; i < frames; i++) {
    const part = block.subarray(i * FRAME_BYTES, (i + 1) * FRAME_BYTES)
    const flags = (i === 0 && end ? FLAG.END_STREAM : 0) | (i === frames - 1 ? FLAG.END_HEADERS : 0)
    all.set(start(i === 0 ? FRAME.HEADERS : FRAME.CONTINUATION, flags, stream, part.length, false), at)
    all.set(part, at + HEADER_BYTES)
    at += HEADER_BYTES + part.length
  }
  return all
}

export function resetFrame(stream: number, code: H2Code): Uint8Array {
  const b = start(FRAME.RST_STREAM, 0, stream, 4, true)
  writeU32(b, HEADER_BYTES, codeNumber(code))
  return b
}

/** @param settings pairs of setting number and value (RFC 9113 §6.5.1) */
export function settingsFrame(settings: readonly (readonly [id: number, value: number])[]): Uint8Array {
  const b = start(FRAME.SETTINGS, 0, 0, settings.length * 6, true)
  let at = HEADER_BYTES
  for (const [id, value] of settings) {
    b[at] = id >>> 8
    b[at + 1] = id
    writeU32(b, at + 2, value)
    at += 6
  }
  return b
}

export function settingsAckFrame(): Uint8Array {
  return start(FRAME.SETTINGS, FLAG.ACK, 0, 0, true)
}

/** @param opaque eight bytes, which come back in the acknowledgement */
export function pingFrame(opaque: Bytes, ack: boolean): Uint8Array {
  const b = start(FRAME.PING, ack ? FLAG.ACK : 0, 0, 8, true)
  b.set(opaque.subarray(0, 8), HEADER_BYTES)
  return b
}

export function goawayFrame(lastStream: number, code: H2Code, debug: string): Uint8Array {
  const text = debug === '' ? EMPTY : utf8(debug)
  const b = start(FRAME.GOAWAY, 0, 0, 8 + text.length, true)
  writeU32(b, HEADER_BYTES, lastStream)
  writeU32(b, HEADER_BYTES + 4, codeNumber(code))
  b.set(text, HEADER_BYTES + 8)
  return b
}

export function windowUpdateFrame(stream: number, increment: number): Uint8Array {
  const b = start(FRAME.WINDOW_UPDATE, 0, stream, 4, true)
  writeU32(b, HEADER_BYTES, increment)
  return b
}

/**
 * Cuts pushed bytes into frames. Holds at most one unfinished frame, so at most `FRAME_BYTES` and a header, and
 * nothing at all between frames.
 */
export class FrameReader {
  #input: Uint8Array = EMPTY
  #at = 0
  /** The header of a frame that came in pieces, and how much of it is here. */
  #head: Uint8Array | undefined
  #headLength = 0
  /** The payload of such a frame, and how much of it is here. */
  #body: Uint8Array | undefined
  #bodyLength = 0

  /** Hands over bytes; `next` must then be called until it says 'more'. */
  push(bytes: Bytes): void {
    this.#input = bytes
    this.#at = 0
  }

  /** The next frame; 'more' when the bytes are used up; 'too-large' when its length is above what we announced. */
  next(): Frame | 'more' | 'too-large' {
    const input = this.#input
    if (this.#head === undefined && input.length - this.#at >= HEADER_BYTES) {
      // The usual case: the frame lies in the input whole, and nothing is copied.
      const length = lengthAt(input, this.#at)
      if (length > FRAME_BYTES) return 'too-large'
      const end = this.#at + HEADER_BYTES + length
      if (end <= input.length) {
        const frame = frameAt(input, this.#at, input.subarray(this.#at + HEADER_BYTES, end))
        this.#at = end
        return frame
      }
    }
    return this.#assemble()
  }

  #assemble(): Frame | 'more' | 'too-large' {
    const input = this.#input
    if (this.#headLength < HEADER_BYTES) {
      if (this.#at === input.length) return this.#used()
      this.#head ??= new Uint8Array(HEADER_BYTES)
      const part = input.subarray(this.#at, this.#at + HEADER_BYTES - this.#headLength)
      this.#head.set(part, this.#headLength)
      this.#headLength += part.length
      this.#at += part.length
      if (this.#headLength < HEADER_BYTES) return this.#used()
    }
    const head = this.#head as Uint8Array
    const length = lengthAt(head, 0)
    if (length > FRAME_BYTES) return 'too-large'
    this.#body ??= length === 0 ? EMPTY : new Uint8Array(length)
    const part = input.subarray(this.#at, this.#at + length - this.#bodyLength)
    this.#body.set(part, this.#bodyLength)
    this.#bodyLength += part.length
    this.#at += part.length
    if (this.#bodyLength < length) return this.#used()
    const frame = frameAt(head, 0, this.#body)
    this.#head = this.#body = undefined
    this.#headLength = this.#bodyLength = 0
    return frame
  }

  #used(): 'more' {
    this.#input = EMPTY
    this.#at = 0
    return 'more'
  }
}

function lengthAt(b: Bytes, at: number): number {
  return ((b[at] as number) << 16) | ((b[at + 1] as number) << 8) | (b[at + 2] as number)
}

function frameAt(b: Bytes, at: number, payload: Uint8Array): Frame {
  return { type: b[at + 3] as number, flags: b[at + 4] as number, stream: readU32(b, at + 5) & 0x7fff_ffff, payload }
}
