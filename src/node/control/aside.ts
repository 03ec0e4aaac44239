/**
 * What the server says and wants beside the map: pings, links for a person, versions, a wish to end, addresses to be
 * dialled at (control.md §5.5, §11.2). It rides on any message, keep-alives included.
 */

import type { Bytes } from '../../base/bytes.ts'
import { SECOND_MS } from '../../base/clock.ts'
import type { MapResponse } from '../../wire/map-response.ts'
import type { ControlAction } from './actions.ts'
import { pathOf, Pings } from './pings.ts'
import type { PingAnswer, PingResponse } from './pings.ts'
import type { Reach } from './reach.ts'

/** Nobody reads what is said to an answer. */
const ANSWER_MAX = 64 << 10
const PING_TIMEOUT_MS = 15 * SECOND_MS

export class Aside {
  readonly #reach: Reach
  readonly #emit: (action: ControlAction) => void
  readonly #pings = new Pings()
  readonly #calls = new Set<number>()
  #lastBrowsed = ''

  constructor(reach: Reach, emit: (action: ControlAction) => void) {
    this.#reach = reach
    this.#emit = emit
  }

  take({ Debug, PingRequest, PopBrowserURL, ClientVersion, ControlDialPlan }: MapResponse): void {
    if (Debug?.Exit !== undefined) this.#emit({ kind: 'exit-asked', code: Debug.Exit })
    if (ControlDialPlan !== undefined) this.#reach.usePlan(ControlDialPlan)
    if (ClientVersion !== undefined) this.#emit({ kind: 'client-version', version: ClientVersion })
    if (PopBrowserURL !== undefined && PopBrowserURL !== this.#lastBrowsed) {
      this.#lastBrowsed = PopBrowserURL
      if (/^https?:\/\//.test(PopBrowserURL)) this.#emit({ kind: 'browse', url: PopBrowserURL })
    }
    const work = PingRequest && this.#pings.take(PingRequest)
    if (work === undefined) return
    if (work.kind === 'head') this.#request('HEAD', work.url, work.overNoise)
    else this.#emit(work)
  }

  answerC2n(id: number, response: Bytes | undefined): void {
    this.#answer(this.#pings.answerC2n(id, response))
  }

  answerPing(id: number, response: PingResponse | undefined): void {
    this.#answer(this.#pings.answerPing(id, response))
  }

  /** Is the call one of ours? Then it is over. */
  ended(call: number): boolean {
    return this.#calls.delete(call)
  }

  /** The connection is gone. */
  cutOff(): void {
    this.#calls.clear()
  }

  #answer(answer: PingAnswer | undefined): void {
    if (answer !== undefined) this.#request('POST', answer.url, answer.overNoise, answer.body)
  }

  #request(method: 'HEAD' | 'POST', url: string, overNoise: boolean, body?: Bytes): void {
    const sent = body === undefined ? {} : { body }
    if (overNoise) {
      const call = this.#reach.link?.call({ method, path: pathOf(url), limit: ANSWER_MAX, ...sent })
      if (call !== undefined) this.#calls.add(call)
    } else {
      const limits = { limit: ANSWER_MAX, timeoutMs: PING_TIMEOUT_MS }
      this.#emit({ kind: 'fetch', id: this.#reach.number(), method, url, ...sent, ...limits })
    }
  }
}
