/**
 * An HTTP/2 connection without its network: bytes in, events and bytes out. What both roles share: which frame may
 * come when, what it does, and how faults are answered. (RFC 9113 §5.4, §6)
 *
 * What opens a stream and what its headers must say differs by role: server.ts, client.ts. Prior knowledge only:
 * no upgrade, no TLS. Server push does not exist here, and priorities are read past.
 */

import { EMPTY } from '../../base/bytes.ts'
import type { Bytes } from '../../base/bytes.ts'
import type { Mono } from '../../base/clock.ts'
import { codeName, connectionFault, DEFAULT_WINDOW, FLAG, FRAME, MAX_31, SETTING, streamFault } from './codes.ts'
import type { Fault, H2Code } from './codes.ts'
import { checkTrailers } from './fields.ts'
import { widen } from './flow.ts'
import { checkFrame, unpad } from './frame-rules.ts'
import {
  FrameReader,
  goawayFrame,
  headersFrame,
  pingFrame,
  PREFACE,
  readU32,
  resetFrame,
  settingsAckFrame,
  settingsFrame,
  windowUpdateFrame,
} from './frames.ts'
import type { Frame } from './frames.ts'
import { HeaderGatherer } from './header-block.ts'
import type { HeaderBlock } from './header-block.ts'
import { HeaderDecoder, HeaderEncoder } from './hpack.ts'
import type { Field, HeaderList } from './hpack.ts'
import { DEFAULT_LIMITS } from './limits.ts'
import type { CommonEvent, H2Limits } from './limits.ts'
import { COST, Patience } from './patience.ts'
import { INITIAL_SETTINGS, readSettings } from './settings.ts'
import type { PeerSettings } from './settings.ts'
import type { Stream } from './stream.ts'
import { Streams } from './streams.ts'

/** DATA that one `take` hands over unless told otherwise. */
const TAKE_BYTES = 65_536
/** An honest receiver opens its window by more than this at a time. */
const SMALL_WINDOW = 1024
/** An honest sender fills its frames. Each costs the layer above an object or two, however little is in it. */
const SMALL_DATA = 64

export abstract class Connection<E> {
  protected readonly limits: H2Limits
  protected readonly streams: Streams
  protected peer: PeerSettings = INITIAL_SETTINGS
  readonly #role: 'server' | 'client'
  readonly #reader = new FrameReader()
  readonly #gatherer: HeaderGatherer
  readonly #decoder: HeaderDecoder
  readonly #encoder = new HeaderEncoder()
  readonly #patience: Patience
  #events: (E | CommonEvent)[] = []
  #prefaceLeft: number
  #greeted = false
  #pingsOut = 0
  #leaving = false
  #peerLeaving = false
  #failed = false

  protected constructor(role: 'server' | 'client', limits: Partial<H2Limits>) {
    const given = { ...DEFAULT_LIMITS, ...limits }
    this.limits = {
      ...given,
      // The peer may use what everybody starts with before it hears of less.
      streamWindow: Math.max(DEFAULT_WINDOW, given.streamWindow),
      connectionWindow: Math.max(DEFAULT_WINDOW, given.connectionWindow),
    }
    this.#role = role
    this.streams = new Streams(role, this.limits)
    this.#prefaceLeft = role === 'server' ? PREFACE.length : 0
    this.#gatherer = new HeaderGatherer(this.limits.headerBlockBytes, this.limits.continuations)
    this.#decoder = new HeaderDecoder(this.limits.headerListBytes)
    this.#patience = new Patience(this.limits.patience, this.limits.patiencePerSecond)
    const { outbox } = this.streams
    if (role === 'client') outbox.send(PREFACE)
    outbox.send(
      settingsFrame([
        role === 'server' ? [SETTING.MAX_CONCURRENT_STREAMS, this.limits.concurrentStreams] : [SETTING.ENABLE_PUSH, 0],
        [SETTING.INITIAL_WINDOW_SIZE, this.limits.streamWindow],
        [SETTING.MAX_HEADER_LIST_SIZE, this.limits.headerListBytes],
      ]),
    )
    if (this.limits.connectionWindow > DEFAULT_WINDOW)
      outbox.send(windowUpdateFrame(0, this.limits.connectionWindow - DEFAULT_WINDOW))
  }

  /**
   * Takes bytes from the peer, in pieces of any size, and says what they brought. `take` may have something to
   * send afterwards.
   */
  receive(bytes: Bytes, now: Mono): (E | CommonEvent)[] {
    if (this.#failed) return []
    this.#events = []
    this.#patience.refill(now)
    const fault = this.#readPreface(bytes)
    if (fault !== undefined) this.#fail(fault.code, fault.why)
    let next: Frame | 'more' | 'too-large'
    while (!this.#failed && (next = this.#reader.next()) !== 'more') {
      if (next === 'too-large') this.#fail('FRAME_SIZE_ERROR', 'frame is larger than we announced')
      else this.#answer(this.#frame(next))
      if (this.streams.outbox.waiting > this.limits.unreadFrames && !this.#failed)
        this.#fail('ENHANCE_YOUR_CALM', 'nothing of what is sent is being read')
    }
    const events = this.#events
    this.#events = []
    return events
  }

  /**
   * The bytes to send now, in pieces so that nothing is copied: all control frames, and DATA as windows allow until
   * `atMost` bytes are reached. Empty when nothing is due. Call it when the socket wants more.
   */
  take(atMost = TAKE_BYTES): Uint8Array[] {
    return this.streams.outbox.take(atMost)
  }

  /** Would `take` return something? */
  get due(): boolean {
    return this.streams.outbox.due
  }

  /** Streams whose buffered bytes have all been taken since the last call: they want more. */
  drained(): readonly number[] {
    return this.streams.outbox.drained()
  }

  /**
   * Queues bytes of a body, by reference: they must not change afterwards. False when the stream is gone.
   *
   * @throws MeshError `internal` when our half was ended before, or no headers went first
   */
  write(id: number, bytes: Bytes, { end = false } = {}): boolean {
    return this.streams.write(id, bytes, end)
  }

  /** Bytes written to a stream and not yet taken; 0 when the stream is gone. */
  bufferedBytes(id: number): number {
    return this.streams.get(id)?.queue.length ?? 0
  }

  /**
   * Says that received bytes have been used, so that the peer may send as many more. What a stream has not given
   * back when it ends comes back by itself.
   */
  consumed(id: number, bytes: number): void {
    const stream = this.streams.get(id)
    if (stream !== undefined) this.streams.consumed(stream, bytes)
  }

  /** Gives a stream up, whatever is buffered on it. */
  reset(id: number, code: H2Code): void {
    const stream = this.streams.get(id)
    if (stream !== undefined) this.streams.reset(stream, code)
  }

  /** Asks for a sign of life: a 'pong' with these eight bytes will come. */
  ping(opaque: Bytes): void {
    if (this.#failed) return
    this.#pingsOut++
    this.streams.outbox.send(pingFrame(opaque, false))
  }

  /** Takes no new streams from now on; those that are open go on, and when they end the connection is `finished`. */
  goaway(code: H2Code = 'NO_ERROR'): void {
    if (this.#leaving || this.#failed) return
    this.#leaving = true
    this.streams.outbox.send(goawayFrame(this.#role === 'server' ? this.streams.last : 0, code, ''))
  }

  /** One side is leaving and no stream is open, or the connection has failed: once what is due is sent, close. */
  get finished(): boolean {
    return this.#failed || ((this.#leaving || this.#peerLeaving) && this.streams.size === 0)
  }

  /** Streams that are open now. */
  get openStreams(): number {
    return this.streams.size
  }

  // What the roles build on.

  /** A header list on a stream that the peer opens by it. */
  protected abstract newStream(id: number, list: HeaderList, endStream: boolean): Fault | undefined
  /** A header list on an open stream whose sender has not ended it. */
  protected abstract moreHeaders(stream: Stream, list: HeaderList, endStream: boolean): Fault | undefined

  /** May the client open no more streams? The server's word counts, not the client's own GOAWAY. (RFC 9113 §6.8) */
  protected get closedToStreams(): boolean {
    return this.#failed || this.#leaving || (this.#peerLeaving && this.#role === 'client')
  }

  protected emit(event: E | CommonEvent): void {
    this.#events.push(event)
  }

  /** Pays for a frame that brings nothing (patience.ts). */
  protected spend(cost: number): Fault | undefined {
    return this.#patience.spend(cost) ? undefined : connectionFault('ENHANCE_YOUR_CALM', 'too many idle frames')
  }

  protected sendHeaders(stream: Stream, fields: readonly Field[], end: boolean): void {
    this.streams.outbox.send(headersFrame(stream.id, this.#encoder.encode(fields), end))
    if (end) this.streams.endSending(stream)
  }

  /** Trailers: checked, and dropped, since nothing in our protocols uses them. (RFC 9113 §8.1) */
  protected trailers(stream: Stream, list: HeaderList, endStream: boolean): Fault | undefined {
    const wrong = endStream ? checkTrailers(list.fields) : 'trailers that do not end the stream'
    if (wrong !== undefined) return streamFault(stream.id, 'PROTOCOL_ERROR', wrong)
    if ((stream.expected ?? 0) !== 0) return streamFault(stream.id, 'PROTOCOL_ERROR', 'body is not content-length long')
    this.emit({ kind: 'data', stream: stream.id, bytes: EMPTY, endStream: true })
    this.streams.endReceiving(stream)
    return undefined
  }

  // Frames, one kind each. Each says what the peer broke, if anything.

  #frame(frame: Frame): Fault | undefined {
    const { type } = frame
    if (!this.#greeted && (type !== FRAME.SETTINGS || (frame.flags & FLAG.ACK) !== 0))
      return connectionFault('PROTOCOL_ERROR', 'first frame is not SETTINGS')
    if (this.#gatherer.stream !== undefined && type !== FRAME.CONTINUATION)
      return connectionFault('PROTOCOL_ERROR', 'frame within a header block')
    const fault = checkFrame(frame)
    if (fault !== undefined) return fault
    switch (type) {
      case FRAME.DATA:
        return this.#onData(frame)
      case FRAME.HEADERS:
        return this.#onHeaders(this.#gatherer.begin(frame))
      case FRAME.CONTINUATION:
        return this.#onHeaders(this.#gatherer.go(frame))
      case FRAME.RST_STREAM:
        return this.#onReset(frame)
      case FRAME.SETTINGS:
        return this.#onSettings(frame)
      case FRAME.PUSH_PROMISE:
        return connectionFault('PROTOCOL_ERROR', 'push is not enabled')
      case FRAME.PING:
        return this.#onPing(frame)
      case FRAME.GOAWAY:
        return this.#onGoaway(frame)
      case FRAME.WINDOW_UPDATE:
        return this.#onWindowUpdate(frame)
      default:
        // Priorities, and whatever was invented since.
        return this.spend(COST.idleFrame)
    }
  }

  #onData(frame: Frame): Fault | undefined {
    const { stream: id, payload } = frame
    if (this.streams.isIdle(id)) return connectionFault('PROTOCOL_ERROR', 'DATA on an idle stream')
    if (!this.streams.take(payload.length)) return connectionFault('FLOW_CONTROL_ERROR', 'connection window exceeded')
    const bytes = unpad(frame)
    if (bytes === undefined) return connectionFault('PROTOCOL_ERROR', 'padding is longer than the frame')
    const stream = this.streams.get(id)
    if (stream === undefined || !stream.receiving) {
      this.streams.giveBack(payload.length)
      if (!this.streams.wasAbandoned(id)) return streamFault(id, 'STREAM_CLOSED', 'DATA after the end')
      return this.spend(COST.idleFrame)
    }
    stream.held += payload.length
    if (!stream.receiveWindow.take(payload.length))
      return streamFault(id, 'FLOW_CONTROL_ERROR', 'stream window exceeded')
    if (this.#role === 'client' && !stream.answered)
      return streamFault(id, 'PROTOCOL_ERROR', 'DATA before the response')
    const endStream = (frame.flags & FLAG.END_STREAM) !== 0
    if (stream.expected !== undefined) {
      stream.expected -= bytes.length
      if (stream.expected < 0 || (endStream && stream.expected > 0))
        return streamFault(id, 'PROTOCOL_ERROR', 'body is not content-length long')
    }
    // Padding is used up at once.
    this.streams.consumed(stream, payload.length - bytes.length)
    if (bytes.length > 0 || endStream) this.emit({ kind: 'data', stream: id, bytes, endStream })
    if (endStream) this.streams.endReceiving(stream)
    return bytes.length < SMALL_DATA && !endStream ? this.spend(COST.smallData) : undefined
  }

  #onHeaders(block: HeaderBlock | 'more' | Fault): Fault | undefined {
    if (block === 'more') return undefined
    if ('kind' in block) return block
    const { stream: id, endStream } = block
    if (id % 2 === 0) return connectionFault('PROTOCOL_ERROR', 'HEADERS on a stream that no client opens')
    const list = this.#decoder.decode(block.block)
    if (list === undefined) return connectionFault('COMPRESSION_ERROR', 'header block is malformed')
    if (this.streams.isIdle(id)) {
      if (this.#role === 'client') return connectionFault('PROTOCOL_ERROR', 'response to a request that was not made')
      this.streams.last = id
      return block.fault ?? this.newStream(id, list, endStream)
    }
    const stream = this.streams.get(id)
    if (stream === undefined) {
      if (!this.streams.wasAbandoned(id)) return connectionFault('STREAM_CLOSED', 'HEADERS on a closed stream')
      return this.spend(COST.idleFrame)
    }
    if (!stream.receiving) return streamFault(id, 'STREAM_CLOSED', 'HEADERS after the end')
    return block.fault ?? this.moreHeaders(stream, list, endStream)
  }

  #onReset(frame: Frame): Fault | undefined {
    const { stream: id, payload } = frame
    if (this.streams.isIdle(id)) return connectionFault('PROTOCOL_ERROR', 'RST_STREAM on an idle stream')
    const stream = this.streams.get(id)
    if (stream === undefined) return this.spend(COST.idleFrame)
    this.streams.close(stream)
    this.emit({ kind: 'reset', stream: id, code: codeName(readU32(payload, 0)), by: 'peer' })
    return this.spend(stream.answered ? COST.idleFrame : COST.reset)
  }

  #onSettings(frame: Frame): Fault | undefined {
    const { payload } = frame
    if ((frame.flags & FLAG.ACK) !== 0) return this.spend(COST.idleFrame)
    const settings = readSettings(payload, this.peer, this.#role === 'client')
    if ('kind' in settings) return settings
    const change = settings.initialWindow - this.peer.initialWindow
    this.peer = settings
    this.#greeted = true
    this.streams.outbox.send(settingsAckFrame())
    if (change !== 0 && !this.streams.widenAll(change))
      return connectionFault('FLOW_CONTROL_ERROR', 'window is beyond 2^31-1')
    return this.spend(COST.idleFrame)
  }

  #onPing(frame: Frame): Fault | undefined {
    if ((frame.flags & FLAG.ACK) === 0) {
      this.streams.outbox.send(pingFrame(frame.payload, true))
      return this.spend(COST.idleFrame)
    }
    if (this.#pingsOut === 0) return this.spend(COST.idleFrame)
    this.#pingsOut--
    this.emit({ kind: 'pong', opaque: new Uint8Array(frame.payload) })
    return undefined
  }

  #onGoaway(frame: Frame): Fault | undefined {
    const lastStream = readU32(frame.payload, 0) & MAX_31
    const code = codeName(readU32(frame.payload, 4))
    this.emit({ kind: 'goaway', code, lastStream })
    this.#peerLeaving = true
    if (this.#role === 'client') {
      // The server has not touched these, so they may be sent again elsewhere. (RFC 9113 §6.8)
      for (const id of this.streams.closeAbove(lastStream))
        this.emit({ kind: 'reset', stream: id, code: 'REFUSED_STREAM', by: 'peer' })
    }
    return this.spend(COST.idleFrame)
  }

  #onWindowUpdate(frame: Frame): Fault | undefined {
    const { stream: id, payload } = frame
    if (id !== 0 && this.streams.isIdle(id)) return connectionFault('PROTOCOL_ERROR', 'WINDOW_UPDATE on an idle stream')
    const increment = readU32(payload, 0) & MAX_31
    const cost = increment < SMALL_WINDOW ? this.spend(COST.smallWindow) : undefined
    if (id === 0) {
      if (increment === 0) return connectionFault('PROTOCOL_ERROR', 'window increment is zero')
      const window = widen(this.streams.outbox.window, increment)
      if (window === undefined) return connectionFault('FLOW_CONTROL_ERROR', 'window is beyond 2^31-1')
      this.streams.outbox.window = window
      return cost
    }
    const stream = this.streams.get(id)
    if (stream === undefined) return cost
    if (increment === 0) return streamFault(id, 'PROTOCOL_ERROR', 'window increment is zero')
    if (!this.streams.widen(stream, increment)) return streamFault(id, 'FLOW_CONTROL_ERROR', 'window is beyond 2^31-1')
    return cost
  }

  // Faults, and the ends of streams.

  #answer(fault: Fault | undefined): void {
    if (fault === undefined) return
    // RST_STREAM can't be said of a stream that was never opened. (RFC 9113 §6.4)
    if (fault.kind === 'connection' || this.streams.isIdle(fault.stream)) {
      this.#fail(fault.code, fault.why)
      return
    }
    const stream = this.streams.get(fault.stream)
    if (stream !== undefined) {
      this.streams.close(stream)
      this.emit({ kind: 'reset', stream: fault.stream, code: fault.code, by: 'us' })
    }
    this.streams.abandon(fault.stream)
    this.streams.outbox.send(resetFrame(fault.stream, fault.code))
    // A peer that has us reset its streams wastes as much of our work as one that resets them itself.
    const cost = this.spend(fault.code === 'REFUSED_STREAM' ? COST.refusedStream : COST.reset)
    if (cost !== undefined) this.#fail(cost.code, cost.why)
  }

  #fail(code: H2Code, why: string): void {
    this.#failed = true
    this.streams.clear()
    this.#gatherer.clear()
    this.streams.outbox.send(goawayFrame(this.#role === 'server' ? this.streams.last : 0, code, why))
    this.emit({ kind: 'failed', code, why })
  }

  #readPreface(bytes: Bytes): Fault | undefined {
    const at = PREFACE.length - this.#prefaceLeft
    const here = Math.min(this.#prefaceLeft, bytes.length)
    for (let i = 0; i < here; i++)
      if (bytes[i] !== PREFACE[at + i]) return connectionFault('PROTOCOL_ERROR', 'no HTTP/2 preface')
    this.#prefaceLeft -= here
    this.#reader.push(here === 0 ? bytes : bytes.subarray(here))
    return undefined
  }
}
