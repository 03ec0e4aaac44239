/**
 * The frames of a map stream (control.md §5.2):
 *
 *   0                        4
 *   | length u32             | zstd           little-endian; never zero
 *
 * What is compressed is one JSON message. It may be compressed in pages, one zstd frame each, one after another.
 * Compressing is the shell's matter, and so is the limit on what comes out of it.
 */

import type { Bytes } from '../base/bytes.ts'

const HEADER = 4

/** The header for a message of so many compressed bytes. */
export function mapFrameHeader(length: number): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(HEADER)
  new DataView(header.buffer).setUint32(0, length, true)
  return header
}

/** A whole frame around the pages, which are left as they are: they may be shared between streams. */
export function encodeMapFrame(pages: readonly Bytes[]): Bytes[] {
  let length = 0
  for (const page of pages) length += page.length
  return [mapFrameHeader(length), ...pages]
}

/** A frame that comes in pieces gets this much at first, and grows with what really arrives. */
const FIRST_PART_BYTES = 4096

/** Takes a map stream as it comes, in pieces of any length, and gives what is in its frames. Holds one frame at most. */
export class MapFrameReader {
  readonly #limit: number
  /** The header or the frame under way, as far as it is here. */
  #part: Uint8Array<ArrayBuffer> = new Uint8Array(HEADER)
  #held = 0
  /** What the frame under way has in it; `undefined` while its header is not whole. */
  #length: number | undefined
  #broken = false

  /** @param limit longest frame to accept, compressed, in bytes */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** The stream has announced a frame that is empty or too long; nothing more will come out. */
  get broken(): boolean {
    return this.#broken
  }

  /** The stream stands within a frame: an end now has cut it off. */
  get midFrame(): boolean {
    return this.#held > 0 || this.#length !== undefined
  }

  /** The compressed bytes of the frames that `chunk` completes, in order; then look at `broken`. They may share memory with it. */
  push(chunk: Bytes): Bytes[] {
    const frames: Bytes[] = []
    let at = 0
    while (at < chunk.length && !this.#broken) {
      const whole = this.#length ?? HEADER
      const piece = chunk.subarray(at, at + whole - this.#held)
      at += piece.length
      // A frame that came in one piece is given as it lies.
      if (piece.length === whole) this.#complete(piece, frames)
      else if (this.#hold(piece, whole)) this.#complete(this.#part.subarray(0, whole), frames)
    }
    return frames
  }

  /** Keeps a piece; true when that makes it whole. Copied, so that a small piece does not keep a large chunk alive. */
  #hold(piece: Bytes, whole: number): boolean {
    const held = this.#held + piece.length
    if (held > this.#part.length) {
      const larger = new Uint8Array(Math.min(whole, Math.max(held, 2 * this.#part.length, FIRST_PART_BYTES)))
      larger.set(this.#part.subarray(0, this.#held))
      this.#part = larger
    }
    this.#part.set(piece, this.#held)
    this.#held = held
    return held === whole
  }

  #complete(bytes: Bytes, frames: Bytes[]): void {
    this.#held = 0
    if (this.#length !== undefined) {
      this.#length = undefined
      // It may be what has been collected: the next frame gets memory of its own.
      this.#part = new Uint8Array(HEADER)
      frames.push(bytes)
      return
    }
    const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)
    this.#broken = length === 0 || length > this.#limit
    this.#length = this.#broken ? undefined : length
  }
}
