/** One stream: which halves are open, its windows, and the bytes that wait to be sent. (RFC 9113 §5.1) */

import { ReceiveWindow } from './flow.ts'

export class Stream {
  readonly id: number
  /** The peer has not ended its half. */
  receiving = true
  /** END_STREAM has not left us. */
  sending = true
  /** The caller has ended our half; END_STREAM follows the queued bytes. */
  ending = false
  /** The headers of the answer have gone out (server) or come in (client). */
  answered = false
  sendWindow: number
  readonly receiveWindow: ReceiveWindow
  /** Bytes handed to the layer above that it has not given back. */
  held = 0
  /** The answer has no body whatever its `content-length` says: a response to HEAD. */
  bodiless = false
  /** What `content-length` said is still to come. */
  expected: number | undefined
  readonly queue = new ByteQueue()

  constructor(id: number, sendWindow: number, receiveWindow: number) {
    this.id = id
    this.sendWindow = sendWindow
    this.receiveWindow = new ReceiveWindow(receiveWindow)
  }

  /** Has END_STREAM or bytes to send. */
  get wantsToSend(): boolean {
    return this.sending && (this.queue.length > 0 || this.ending)
  }
}

/** Bytes waiting in the pieces they were written in. */
export class ByteQueue {
  #pieces: Uint8Array[] = []
  /** The first piece not yet taken, and how much of it is. */
  #index = 0
  #offset = 0
  #length = 0

  get length(): number {
    return this.#length
  }

  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.#pieces.push(bytes)
    this.#length += bytes.length
  }

  /** Moves exactly `count` bytes (at most `length`) into `out`, as views of what was pushed. */
  move(count: number, out: Uint8Array[]): void {
    this.#length -= count
    while (count > 0) {
      const piece = this.#pieces[this.#index] as Uint8Array
      const rest = piece.length - this.#offset
      if (rest > count) {
        out.push(piece.subarray(this.#offset, this.#offset + count))
        this.#offset += count
        return
      }
      out.push(this.#offset === 0 ? piece : piece.subarray(this.#offset))
      count -= rest
      this.#index++
      this.#offset = 0
    }
    if (this.#index === this.#pieces.length) this.clear()
    else if (this.#index >= 32 && this.#index * 2 >= this.#pieces.length) {
      this.#pieces = this.#pieces.slice(this.#index)
      this.#index = 0
    }
  }

  clear(): void {
    this.#pieces = []
    this.#index = this.#offset = this.#length = 0
  }
}
