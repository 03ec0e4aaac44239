/**
 * The frames of a map stream (control.md §5.2):
 *
 *   0                        4
 *   | length u32             | zstd           little-endian; never zero
 *
 * What is compressed is one JSON message. It may be compressed in pages, one zstd frame each, one after another.
 * Compressing is the shell's matter, and so is the limit on what comes out of it.
 */

import { concat } from '../base/bytes.ts'
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

/** Takes a map stream as it comes, in pieces of any length, and gives what is in its frames. Holds one frame at most. */
export class MapFrameReader {
  readonly #limit: number
  #parts: Bytes[] = []
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
      const wanted = (this.#length ?? HEADER) - this.#held
      const part = chunk.subarray(at, at + wanted)
      at += part.length
      // What waits for more is copied, so that a small piece does not keep a large chunk alive.
      this.#parts.push(part.length < wanted ? part.slice() : part)
      this.#held += part.length
      if (part.length === wanted) this.#complete(frames)
    }
    return frames
  }

  #complete(frames: Bytes[]): void {
    const whole = this.#parts.length === 1 ? (this.#parts[0] as Bytes) : concat(this.#parts)
    this.#parts = []
    this.#held = 0
    if (this.#length !== undefined) {
      this.#length = undefined
      frames.push(whole)
      return
    }
    const length = new DataView(whole.buffer, whole.byteOffset).getUint32(0, true)
    this.#broken = length === 0 || length > this.#limit
    this.#length = this.#broken ? undefined : length
  }
}
