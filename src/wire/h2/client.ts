/** The client's side of HTTP/2: requests go out, responses come in. (RFC 9113 §8) */

import { connectionFault, MAX_31, streamFault } from './codes.ts'
import type { Fault } from './codes.ts'
import { Connection } from './connection.ts'
import { checkOwn, readResponse } from './fields.ts'
import type { Field, HeaderList } from './hpack.ts'
import type { CommonEvent, H2Limits } from './limits.ts'
import type { Stream } from './stream.ts'

/** A response has begun; `data` events bring its body unless `endStream`. Interim (1xx) answers are dropped. */
export type ResponseEvent = {
  readonly kind: 'response'
  readonly stream: number
  readonly status: number
  readonly headers: readonly Field[]
  readonly endStream: boolean
}

export type H2ClientEvent = ResponseEvent | CommonEvent

export type ClientRequest = {
  readonly method: string
  readonly path: string
  readonly scheme?: string
  readonly authority: string
  /** Lowercase names, without pseudo-headers. */
  readonly headers?: readonly Field[]
}

/** `request`, then `write` its body; send what `take` returns; `receive` what comes and act on its events. */
export class H2Client extends Connection<ResponseEvent> {
  constructor(options: { readonly limits?: Partial<H2Limits> } = {}) {
    super('client', options.limits ?? {})
  }

  /**
   * Opens a stream; with `end` the request has no body. `undefined` when the server takes no more streams now
   * (its limit is reached, or one side is leaving).
   *
   * @throws MeshError `h2/protocol` for headers that HTTP/2 can't carry
   */
  request(request: ClientRequest, { end = false } = {}): number | undefined {
    const { method, path, scheme = 'https', authority, headers = [] } = request
    checkOwn(headers)
    const id = this.streams.last === 0 ? 1 : this.streams.last + 2
    if (this.closedToStreams || id > MAX_31 || this.openStreams >= this.peer.concurrentStreams) return undefined
    this.streams.last = id
    const stream = this.streams.open(id, this.peer.initialWindow)
    stream.bodiless = method === 'HEAD'
    const pseudo: Field[] = [
      [':method', method],
      [':scheme', scheme],
      [':authority', authority],
      [':path', path],
    ]
    this.sendHeaders(stream, [...pseudo, ...headers], end)
    return id
  }

  protected override newStream(): Fault | undefined {
    return connectionFault('PROTOCOL_ERROR', 'streams are opened by clients only')
  }

  protected override moreHeaders(stream: Stream, list: HeaderList, endStream: boolean): Fault | undefined {
    const { id } = stream
    if (stream.answered) return this.trailers(stream, list, endStream)
    if (list.tooLong) return streamFault(id, 'ENHANCE_YOUR_CALM', 'header list is too long')
    const head = readResponse(list.fields)
    if (typeof head === 'string') return streamFault(id, 'PROTOCOL_ERROR', head)
    const { status, headers, length } = head
    if (status < 200)
      return endStream ? streamFault(id, 'PROTOCOL_ERROR', 'interim response ends the stream') : undefined
    stream.answered = true
    // These say how long a body would be that isn't there. (RFC 9110 §8.6)
    if (!stream.bodiless && status !== 304) stream.expected = length
    if (endStream && (stream.expected ?? 0) !== 0)
      return streamFault(id, 'PROTOCOL_ERROR', 'body is not content-length long')
    this.emit({ kind: 'response', stream: id, status, headers, endStream })
    if (endStream) this.streams.endReceiving(stream)
    return undefined
  }
}
