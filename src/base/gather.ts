/**
 * Bytes that come in pieces, gathered into one: however small the pieces are, and whatever buffers they lie in, what is
 * held is at most twice what has come.
 */

import { EMPTY } from './bytes.ts'
import type { Bytes } from './bytes.ts'

export class Gathered {
  #buffer: Uint8Array<ArrayBuffer> = EMPTY
  #length = 0

  get length(): number {
    return this.#length
  }

  /** Adds a copy of the piece. */
  add(piece: Bytes): void {
    const length = this.#length + piece.length
    if (length > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.#length))
      larger.set(this.#buffer.subarray(0, this.#length))
      this.#buffer = larger
    }
    this.#buffer.set(piece, this.#length)
    this.#length = length
  }

  /** All that has come, as a view: good until more is added. */
  bytes(): Uint8Array<ArrayBuffer> {
    return this.#buffer.subarray(0, this.#length)
  }
}
