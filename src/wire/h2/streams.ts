/**
 * The open streams of a connection: how they begin and end, what they send and hold, and the windows all of that
 * moves. What frames say of them is connection.ts. (RFC 9113 §5.1, §5.2)
 */

import type { Bytes } from '../../base/bytes.ts'
import { MeshError } from '../../base/errors.ts'
import type { H2Code } from './codes.ts'
import { ReceiveWindow, widen } from './flow.ts'
import { resetFrame, windowUpdateFrame } from './frames.ts'
import type { H2Limits } from './limits.ts'
import { Outbox } from './outbox.ts'
import { Stream } from './stream.ts'

/** What is in flight when we give a stream up arrives within one round trip; few are given up in that time. */
const ABANDONED = 128

export class Streams {
  readonly #role: 'server' | 'client'
  readonly #limits: H2Limits
  readonly #open = new Map<number, Stream>()
  /** The last few that we gave up, oldest first: their late frames are let pass. */
  readonly #abandoned = new Set<number>()
  readonly #window: ReceiveWindow
  readonly outbox = new Outbox((stream) => this.#ended(stream))
  /** The highest stream that the client has opened. Servers open none. */
  last = 0

  constructor(role: 'server' | 'client', limits: H2Limits) {
    this.#role = role
    this.#limits = limits
    this.#window = new ReceiveWindow(limits.connectionWindow)
  }

  get size(): number {
    return this.#open.size
  }

  get(id: number): Stream | undefined {
    return this.#open.get(id)
  }

  /** Has nobody opened it yet? */
  isIdle(id: number): boolean {
    return id > this.last || id % 2 === 0
  }

  wasAbandoned(id: number): boolean {
    return this.#abandoned.has(id)
  }

  /** @param sendWindow the initial window that the peer has set */
  open(id: number, sendWindow: number): Stream {
    const stream = new Stream(id, sendWindow, this.#limits.streamWindow)
    this.#open.set(id, stream)
    return stream
  }

  /** @throws MeshError `internal` when our half is not open for a body */
  write(id: number, bytes: Bytes, end: boolean): boolean {
    const stream = this.#open.get(id)
    if (stream === undefined) return false
    if (stream.ending || (this.#role === 'server' && !stream.answered))
      throw new MeshError('internal', `Cannot write to stream ${id}: its body is not open`)
    stream.queue.push(bytes)
    stream.ending = end
    this.outbox.wake(stream)
    return true
  }

  /** Headers with END_STREAM have been sent. */
  endSending(stream: Stream): void {
    stream.ending = true
    stream.sending = false
    this.#ended(stream)
  }

  /** The peer has ended its half. */
  endReceiving(stream: Stream): void {
    stream.receiving = false
    if (!stream.sending) this.close(stream)
  }

  /** Takes `bytes` of DATA off the connection's window; false when that is exceeded. */
  take(bytes: number): boolean {
    return this.#window.take(bytes)
  }

  /** Opens windows again: by what the layer above has used, padding included. */
  consumed(stream: Stream, bytes: number): void {
    const used = Math.min(bytes, stream.held)
    stream.held -= used
    this.giveBack(used)
    const increment = stream.receiving ? stream.receiveWindow.give(used) : 0
    if (increment > 0) this.outbox.send(windowUpdateFrame(stream.id, increment))
  }

  /** Opens the connection's window again, by bytes that no stream holds. */
  giveBack(bytes: number): void {
    const increment = bytes > 0 ? this.#window.give(bytes) : 0
    if (increment > 0) this.outbox.send(windowUpdateFrame(0, increment))
  }

  /** Widens one stream's sending window; false when it outgrows what a window may be. */
  widen(stream: Stream, by: number): boolean {
    const window = widen(stream.sendWindow, by)
    if (window === undefined) return false
    stream.sendWindow = window
    this.outbox.wake(stream)
    return true
  }

  /** Changes all sending windows, as a new initial size does, below zero even. (RFC 9113 §6.9.2) */
  widenAll(by: number): boolean {
    for (const stream of this.#open.values()) if (!this.widen(stream, by)) return false
    return true
  }

  /** Gives a stream up and says so. */
  reset(stream: Stream, code: H2Code): void {
    this.close(stream)
    this.abandon(stream.id)
    this.outbox.send(resetFrame(stream.id, code))
  }

  /** Forgets a stream: what it holds comes back, what it would send is dropped. */
  close(stream: Stream): void {
    this.#open.delete(stream.id)
    this.outbox.forget(stream)
    this.giveBack(stream.held)
    stream.held = 0
  }

  /** Closes the streams above `last`, which the peer has not looked at, and says which they were. */
  closeAbove(last: number): readonly number[] {
    const above = [...this.#open.values()].filter((stream) => stream.id > last)
    for (const stream of above) {
      this.close(stream)
      this.abandon(stream.id)
    }
    return above.map((stream) => stream.id)
  }

  /** Lets go of everything. */
  clear(): void {
    this.#open.clear()
    this.#abandoned.clear()
    this.outbox.clear()
  }

  /** Lets late frames of a stream pass that we do not follow any more. */
  abandon(id: number): void {
    this.#abandoned.add(id)
    if (this.#abandoned.size <= ABANDONED) return
    for (const oldest of this.#abandoned) {
      this.#abandoned.delete(oldest)
      return
    }
  }

  /** END_STREAM has gone out. */
  #ended(stream: Stream): void {
    if (!stream.receiving) this.close(stream)
    // The answer is whole, so nobody will read the rest of the request. (RFC 9113 §8.1)
    else if (this.#role === 'server') this.reset(stream, 'NO_ERROR')
  }
}
