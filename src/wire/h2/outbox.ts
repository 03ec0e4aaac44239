/**
 * What is due to be sent, in order: control frames first, then DATA, one frame per stream in turn.
 *
 * DATA is cut when it is taken, not when it is written, so that what a slow socket has not asked for stays visible
 * as a stream's buffer, and a reset drops it. (RFC 9113 §5.2)
 */

import { DEFAULT_WINDOW, FRAME_BYTES } from './codes.ts'
import { dataHeader } from './frames.ts'
import type { Stream } from './stream.ts'

export class Outbox {
  #control: Uint8Array[] = []
  /** Streams with something to send that their own window allows. */
  readonly #ready = new Set<Stream>()
  readonly #drained = new Set<number>()
  readonly #ended: (stream: Stream) => void
  /** The connection's sending window. */
  window = DEFAULT_WINDOW

  /** @param ended called when a stream's END_STREAM has been taken */
  constructor(ended: (stream: Stream) => void) {
    this.#ended = ended
  }

  /** Control frames that nobody has taken yet: more and more when the peer asks and never reads. */
  get waiting(): number {
    return this.#control.length
  }

  /** Is there something that `take` would return? */
  get due(): boolean {
    if (this.#control.length > 0) return true
    for (const stream of this.#ready) if (this.window > 0 || stream.queue.length === 0) return true
    return false
  }

  /** Queues a frame that is not DATA. */
  send(frame: Uint8Array): void {
    this.#control.push(frame)
  }

  /** Looks again at a stream whose queue, end or window has changed. */
  wake(stream: Stream): void {
    if (stream.wantsToSend && (stream.sendWindow > 0 || stream.queue.length === 0)) this.#ready.add(stream)
    else this.#ready.delete(stream)
  }

  forget(stream: Stream): void {
    stream.queue.clear()
    this.#ready.delete(stream)
    this.#drained.delete(stream.id)
  }

  /** Drops all that waits, to make room for a last word. */
  clear(): void {
    this.#control = []
    this.#ready.clear()
    this.#drained.clear()
  }

  /** Streams whose buffers have become empty since the last call. */
  drained(): readonly number[] {
    if (this.#drained.size === 0) return []
    const ids = [...this.#drained]
    this.#drained.clear()
    return ids
  }

  /** All control frames, then DATA until `atMost` bytes of it are reached; at least one frame if one is possible. */
  take(atMost: number): Uint8Array[] {
    const out = this.#control
    this.#control = []
    let taken = 0
    while (taken < atMost) {
      const stream = this.#next()
      if (stream === undefined) break
      taken += this.#takeFrame(stream, out)
    }
    // Ending a stream may have queued a frame that belongs behind its last DATA.
    if (this.#control.length > 0) {
      out.push(...this.#control)
      this.#control = []
    }
    return out
  }

  /** The stream whose turn it is; an END_STREAM alone needs no window. */
  #next(): Stream | undefined {
    for (const stream of this.#ready) if (this.window > 0 || stream.queue.length === 0) return stream
    return undefined
  }

  #takeFrame(stream: Stream, out: Uint8Array[]): number {
    const { queue } = stream
    const size = queue.length === 0 ? 0 : Math.min(queue.length, FRAME_BYTES, stream.sendWindow, this.window)
    const end = stream.ending && size === queue.length
    out.push(dataHeader(stream.id, size, end))
    queue.move(size, out)
    stream.sendWindow -= size
    this.window -= size
    this.#ready.delete(stream)
    if (end) {
      stream.sending = false
      this.#ended(stream)
    } else if (queue.length > 0) {
      this.wake(stream)
    } else {
      this.#drained.add(stream.id)
    }
    return size + 9
  }
}
