/**
 * Requests that come while the server still reads its store wait for it: a client that is refused backs off, and
 * one that finds the port closed waits longer still.
 */

import type { ControlHandler, ControlReply, ControlRequest } from '../control.ts'

/** A large site's worth. */
const MOST = 20_000

export class EarlyRequests {
  #waiting: (readonly [ControlRequest, ControlReply])[] = []
  #handler: ControlHandler | undefined

  readonly handle: ControlHandler = (request, reply) => {
    if (this.#handler !== undefined) this.#handler(request, reply)
    else if (this.#waiting.length < MOST) this.#waiting.push([request, reply])
    else reply.answer(503, 'the server is starting; try again\n', [['retry-after', '5']])
  }

  /** The server is ready: hands over what waits, in order of arrival, and then everything else. */
  ready(handler: ControlHandler): void {
    this.#handler = handler
    const waiting = this.#waiting
    this.#waiting = []
    for (const [request, reply] of waiting) handler(request, reply)
  }
}
