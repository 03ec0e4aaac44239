/** The server's side of HTTP/2: requests come in, responses go out. (RFC 9113 §8) */

import { MeshError } from '../../base/errors.ts'
import { streamFault } from './codes.ts'
import type { Fault } from './codes.ts'
import { Connection } from './connection.ts'
import { checkOwn, readRequest } from './fields.ts'
import type { Field, HeaderList } from './hpack.ts'
import type { CommonEvent, H2Limits } from './limits.ts'
import { COST } from './patience.ts'
import type { Stream } from './stream.ts'

/** A request has begun; `data` events bring its body unless `endStream`. Any method may have a body, GET too. */
export type RequestEvent = {
  readonly kind: 'request'
  readonly stream: number
  readonly method: string
  readonly path: string
  readonly scheme: string
  /** Whatever the client wrote; official clients write the literal `unused` at times. (control.md §3.6) */
  readonly authority: string
  readonly headers: readonly Field[]
  readonly endStream: boolean
}

export type H2ServerEvent = RequestEvent | CommonEvent

/**
 * `receive` bytes, act on its events, `respond` and `write`, and send what `take` returns whenever the socket can
 * take it. A response that ends before its request tells the client to stop sending.
 */
export class H2Server extends Connection<RequestEvent> {
  constructor(options: { readonly limits?: Partial<H2Limits> } = {}) {
    super('server', options.limits ?? {})
  }

  /**
   * Answers a request; with `end` there is no body. False when the stream is gone meanwhile.
   *
   * @param status 200 to 599
   * @param headers lowercase names, without pseudo-headers
   * @throws MeshError `h2/protocol` for headers that HTTP/2 can't carry, `internal` for a second answer
   */
  respond(id: number, status: number, headers: readonly Field[], { end = false } = {}): boolean {
    checkOwn(headers)
    const stream = this.streams.get(id)
    if (stream === undefined) return false
    if (stream.answered) throw new MeshError('internal', `Cannot answer stream ${id}: it has been answered`)
    stream.answered = true
    this.sendHeaders(stream, [[':status', String(status)], ...headers], end)
    return true
  }

  protected override newStream(id: number, list: HeaderList, endStream: boolean): Fault | undefined {
    // After GOAWAY the client knows that these are not looked at, and asks elsewhere. (RFC 9113 §6.8)
    if (this.closedToStreams) {
      this.streams.abandon(id)
      return this.spend(COST.refusedStream)
    }
    if (this.openStreams >= this.limits.concurrentStreams) return streamFault(id, 'REFUSED_STREAM', 'too many streams')
    if (list.tooLong) return streamFault(id, 'ENHANCE_YOUR_CALM', 'header list is too long')
    const head = readRequest(list.fields)
    if (typeof head === 'string') return streamFault(id, 'PROTOCOL_ERROR', head)
    if (endStream && (head.length ?? 0) !== 0)
      return streamFault(id, 'PROTOCOL_ERROR', 'body is not content-length long')
    const { length, ...request } = head
    const stream = this.streams.open(id, this.peer.initialWindow)
    stream.expected = length
    this.emit({ kind: 'request', stream: id, ...request, endStream })
    if (endStream) this.streams.endReceiving(stream)
    return undefined
  }

  protected override moreHeaders(stream: Stream, list: HeaderList, endStream: boolean): Fault | undefined {
    return this.trailers(stream, list, endStream)
  }
}
