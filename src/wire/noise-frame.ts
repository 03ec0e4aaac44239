/**
 * The frames around Noise on the control connection (control.md §3.4). Numbers are big-endian.
 *
 *   initiation   | version u16 | 0x01 | length u16 = 96 | message |      101 bytes
 *   response     | 0x02 | length u16 = 48 | message |                     51 bytes
 *   error        | 0x03 | length u16 | text |                            in place of a response; not authenticated
 *   record       | 0x04 | length u16 | sealed |                          at most 4096 bytes in all
 *
 * What is inside is crypto/noise.ts's matter; here it is opaque, and sealing and opening are handed in.
 */

import { EMPTY, utf8 } from '../base/bytes.ts'
import type { Bytes } from '../base/bytes.ts'

export const INITIATION_LENGTH = 101
export const MAX_RECORD_LENGTH = 4096

const INITIATION_HEADER = 5
const HEADER = 3
const TAG = 16
const MAX_SEALED = MAX_RECORD_LENGTH - HEADER
/** What a record holds at most. */
export const MAX_RECORD_PLAINTEXT = MAX_SEALED - TAG

const TYPE = { initiation: 1, response: 2, error: 3, record: 4 } as const
const INITIATION_MESSAGE = INITIATION_LENGTH - INITIATION_HEADER
const RESPONSE_MESSAGE = 48

/** @param message 96 bytes from the Noise handshake */
export function encodeInitiation(version: number, message: Bytes): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(INITIATION_HEADER + message.length)
  frame.set([version >> 8, version & 0xff, TYPE.initiation, message.length >> 8, message.length & 0xff])
  frame.set(message, INITIATION_HEADER)
  return frame
}

export type DecodedInitiation =
  | { readonly kind: 'initiation'; readonly version: number; readonly message: Bytes }
  /** `why` is what to tell the client in an error frame. */
  | { readonly kind: 'refused'; readonly why: InitiationFault }

export type InitiationFault =
  | 'wrong handshake initiation size'
  | 'unexpected handshake message type'
  | 'wrong handshake initiation length'

/** Reads an initiation that came whole, as it does in the header of the upgrade request. */
export function decodeInitiation(frame: Bytes): DecodedInitiation {
  if (frame.length !== INITIATION_LENGTH) return { kind: 'refused', why: 'wrong handshake initiation size' }
  if (frame[2] !== TYPE.initiation) return { kind: 'refused', why: 'unexpected handshake message type' }
  if (u16(frame, 3) !== INITIATION_MESSAGE) return { kind: 'refused', why: 'wrong handshake initiation length' }
  return { kind: 'initiation', version: u16(frame, 0), message: frame.subarray(INITIATION_HEADER) }
}

/** @param message 48 bytes from the Noise handshake */
export function encodeResponse(message: Bytes): Uint8Array<ArrayBuffer> {
  return withHeader(TYPE.response, message)
}

/** A refusal; the client logs its text. Text beyond what the length can say is left off. */
export function encodeError(text: string): Uint8Array<ArrayBuffer> {
  return withHeader(TYPE.error, utf8(text).subarray(0, 0xffff))
}

export type DecodedAnswer =
  | { readonly kind: 'response'; readonly message: Bytes; readonly rest: Bytes }
  /** The server's words. Anyone on the way may have put them there. */
  | { readonly kind: 'error'; readonly text: string }
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'malformed' }

/** Reads the server's answer from the start of what it has sent so far; `rest` is what follows it. */
export function decodeAnswer(received: Bytes): DecodedAnswer {
  const type = received[0]
  if (type === undefined) return { kind: 'incomplete' }
  if (type !== TYPE.response && type !== TYPE.error) return { kind: 'malformed' }
  if (received.length < HEADER) return { kind: 'incomplete' }
  const end = HEADER + u16(received, 1)
  if (type === TYPE.response && end !== HEADER + RESPONSE_MESSAGE) return { kind: 'malformed' }
  if (received.length < end) return { kind: 'incomplete' }
  const body = received.subarray(HEADER, end)
  if (type === TYPE.error) return { kind: 'error', text: lax.decode(body) }
  return { kind: 'response', message: body, rest: received.subarray(end) }
}

/** Seals one record: writes 16 bytes more than `plain` to `into` from `at` on, where `plain` itself may lie. */
export interface RecordSealer {
  sealInto(plain: Bytes, into: Uint8Array, at: number): void
}

/**
 * Seals the pieces, one after another, into as few records as they fit in; the result is for one write to the
 * socket. No pieces give no records.
 */
export function sealRecords(sealer: RecordSealer, pieces: readonly Bytes[]): Uint8Array<ArrayBuffer> {
  let left = 0
  for (const piece of pieces) left += piece.length
  if (left === 0) return EMPTY
  const records = new Uint8Array(left + Math.ceil(left / MAX_RECORD_PLAINTEXT) * (HEADER + TAG))
  let at = 0
  let index = 0
  let piece = pieces[0] as Bytes
  let used = 0
  while (left > 0) {
    const length = Math.min(left, MAX_RECORD_PLAINTEXT)
    writeHeader(records, at, TYPE.record, length + TAG)
    at += HEADER
    while (used === piece.length) {
      piece = pieces[++index] as Bytes
      used = 0
    }
    if (piece.length - used >= length) {
      // The usual case: a record within one piece is sealed from where it lies.
      sealer.sealInto(piece.subarray(used, used + length), records, at)
      used += length
    } else {
      for (let filled = 0; filled < length;) {
        if (used === piece.length) {
          piece = pieces[++index] as Bytes
          used = 0
        }
        const part = piece.subarray(used, used + length - filled)
        records.set(part, at + filled)
        filled += part.length
        used += part.length
      }
      sealer.sealInto(records.subarray(at, at + length), records, at)
    }
    at += length + TAG
    left -= length
  }
  return records
}

/** Opens one record; `undefined` when it is not the sender's next. */
export interface RecordOpener {
  open(sealed: Bytes): Uint8Array | undefined
}

/**
 * Takes a stream of records as it comes, in pieces of any length, and gives the clear bytes. Holds at most one
 * record, and nothing between records.
 */
export class RecordReader {
  readonly #opener: RecordOpener
  /** A record that has begun: first its header, then all of it. */
  #held: Uint8Array = EMPTY
  #length = 0
  #broken = false

  constructor(opener: RecordOpener) {
    this.#opener = opener
  }

  /** The stream has had something in it that is no record of the sender's; nothing more will come out. */
  get broken(): boolean {
    return this.#broken
  }

  /** The stream stands within a record: an end now has cut it off. */
  get midRecord(): boolean {
    return this.#length > 0
  }

  /**
   * The clear bytes of the records that `chunk` completes, in order; then look at `broken`. The pieces don't
   * share memory with `chunk`.
   */
  push(chunk: Bytes): Uint8Array[] {
    const clear: Uint8Array[] = []
    let at = 0
    while (at < chunk.length && !this.#broken) {
      if (this.#length === 0 && chunk.length - at >= HEADER) {
        const end = at + HEADER + this.#bodyLength(chunk, at)
        if (this.#broken) break
        if (end <= chunk.length) {
          this.#open(chunk.subarray(at + HEADER, end), clear)
          at = end
          continue
        }
      }
      at += this.#hold(chunk.subarray(at), clear)
    }
    if (this.#broken) this.#held = EMPTY
    return clear
  }

  /** Adds to the record that is under way what belongs to it; says how much that was. */
  #hold(chunk: Bytes, clear: Uint8Array[]): number {
    if (this.#length === 0) this.#held = new Uint8Array(HEADER)
    let taken = 0
    for (;;) {
      const part = chunk.subarray(taken, taken + this.#held.length - this.#length)
      this.#held.set(part, this.#length)
      this.#length += part.length
      taken += part.length
      if (this.#length < this.#held.length) return taken
      if (this.#length > HEADER) break
      const whole = HEADER + this.#bodyLength(this.#held, 0)
      if (this.#broken) return taken
      if (whole === HEADER) break
      const header = this.#held
      this.#held = new Uint8Array(whole)
      this.#held.set(header)
    }
    const record = this.#held
    this.#held = EMPTY
    this.#length = 0
    this.#open(record.subarray(HEADER), clear)
    return taken
  }

  #bodyLength(bytes: Bytes, at: number): number {
    const length = u16(bytes, at + 1)
    if (bytes[at] !== TYPE.record || length > MAX_SEALED) this.#broken = true
    return length
  }

  #open(sealed: Bytes, clear: Uint8Array[]): void {
    const opened = this.#opener.open(sealed)
    if (opened === undefined) this.#broken = true
    else if (opened.length > 0) clear.push(opened)
  }
}

const lax = new TextDecoder()

function u16(bytes: Bytes, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
}

function writeHeader(into: Uint8Array, at: number, type: number, length: number): void {
  into[at] = type
  into[at + 1] = length >> 8
  into[at + 2] = length & 0xff
}

function withHeader(type: number, body: Bytes): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(HEADER + body.length)
  writeHeader(frame, 0, type, body.length)
  frame.set(body, HEADER)
  return frame
}
