/**
 * The two conversations about maps: the node's reports, and the stream that tells it of the tailnet (control.md §5).
 * What messages mean is the session's; when a report is due report.ts, what a stream may do map-stream.ts, and whether
 * another takes it from us contention.ts.
 */

import type { Bytes } from '../../base/bytes.ts'
import { EMPTY } from '../../base/bytes.ts'
import type { Mono } from '../../base/clock.ts'
import { encodeMapRequest } from '../../wire/control-requests.ts'
import type { MapBody } from '../../wire/control-requests.ts'
import type { SessionOptions } from './actions.ts'
import { Backoff } from './backoff.ts'
import { Contention } from './contention.ts'
import type { ControlLink, LinkAnswer } from './link.ts'
import { MapStream } from './map-stream.ts'
import type { StreamMessage } from './map-stream.ts'
import { Reporter } from './report.ts'

/** Of an answer that is no map only the beginning is of interest. */
const ANSWER_MAX = 64 << 10
const TEXT_SHOWN = 200

export class Mapping {
  readonly #unzstd: SessionOptions['unzstd']
  readonly #backoff: Backoff
  readonly #contention: Contention
  readonly #reporter: Reporter
  #stream: { readonly call: number; readonly map: MapStream } | undefined

  constructor(options: Pick<SessionOptions, 'unzstd' | 'primitives'>) {
    this.#unzstd = options.unzstd
    this.#backoff = new Backoff(options.primitives.random)
    this.#contention = new Contention(options.primitives.random)
    this.#reporter = new Reporter(options.primitives.random)
  }

  /** The stream has brought its map. */
  get isOnline(): boolean {
    return this.#stream !== undefined && !this.#stream.map.isFirstDue
  }

  /** Another machine with this node's key seems to take the stream from us again and again. */
  get isContested(): boolean {
    return this.#contention.isTold
  }

  isSilent(mono: Mono): boolean {
    return this.#stream?.map.isSilent(mono) === true
  }

  deadline(mono: Mono): Mono {
    const report = this.#reporter.deadline()
    if (this.#stream === undefined) return Math.min(report, this.#backoff.until) as Mono
    const { silentAt, sleepUntil } = this.#stream.map
    const pause = sleepUntil > mono ? sleepUntil : Infinity
    return Math.min(report, silentAt, pause, this.#contention.deadline()) as Mono
  }

  /** What is reported has changed. */
  changed(mono: Mono): void {
    this.#reporter.changed(mono)
  }

  /** A new connection, or a new key: the server gets a report first. */
  restart(): void {
    this.#reporter.restart()
  }

  hurry(): void {
    this.#backoff.reset()
  }

  /** The node has registered: with another key nobody takes its stream. */
  registered(): void {
    this.#backoff.reset()
    this.#contention.reset()
    this.#reporter.restart()
  }

  /** Sends a report if one is due, and opens a stream if there is none. */
  advance(link: ControlLink, ask: Omit<MapBody, 'stream'>, mono: Mono): void {
    this.#contention.tick(mono)
    const report = this.#reporter.take(() => encodeMapRequest({ ...ask, stream: false }), mono)
    if (report !== undefined) {
      if (report.overtakes !== undefined) link.cancel(report.overtakes)
      const call = link.call({ method: 'POST', path: '/machine/map', body: report.body, limit: ANSWER_MAX })
      this.#reporter.sentAs(call, mono)
    }
    if (this.#stream !== undefined || !this.#backoff.isOver(mono)) return
    const body = encodeMapRequest({ ...ask, stream: true })
    const call = link.call({ method: 'POST', path: '/machine/map', body, limit: ANSWER_MAX, stream: true })
    if (call === undefined) this.#backoff.fail(mono)
    else this.#stream = { call, map: new MapStream(this.#unzstd, mono) }
  }

  /** A pause that the server wanted is over, and something may have come meanwhile. */
  isHolding(mono: Mono): boolean {
    return this.#stream !== undefined && this.#stream.map.isHolding && this.#stream.map.sleepUntil <= mono
  }

  /**
   * Takes bytes of a stream; none looks at what was held.
   *
   * @returns its messages, and why the stream has ended if it was broken
   */
  receive(
    link: ControlLink,
    call: number | undefined,
    piece: Bytes,
    mono: Mono,
  ): { readonly messages: readonly StreamMessage[]; readonly broken?: string } {
    const stream = this.#stream
    if (stream === undefined || (call !== undefined && call !== stream.call)) return { messages: [] }
    const { messages, used } = stream.map.push(piece, mono)
    if (used > 0) link.consumed(stream.call, used)
    if (messages.length > 0) {
      this.#backoff.reset()
      if (!stream.map.isFirstDue) this.#contention.brought(mono)
    }
    const { broken } = stream.map
    if (broken === undefined) return { messages }
    link.cancel(stream.call)
    this.#end(mono)
    return { messages, broken }
  }

  /** Looks at what was held. */
  resume(link: ControlLink, mono: Mono): ReturnType<Mapping['receive']> {
    return this.receive(link, undefined, EMPTY, mono)
  }

  /** Why the stream has ended, if this was its answer. */
  answered(call: number, { status, body }: LinkAnswer, mono: Mono): string | undefined {
    if (this.#reporter.isCall(call)) {
      if (status >= 200 && status < 300) this.#reporter.done()
      else this.#reporter.failed(mono)
    }
    if (call !== this.#stream?.call) return undefined
    this.#end(mono)
    return `http ${status}: ${new TextDecoder().decode(body.subarray(0, TEXT_SHOWN)).trim()}`
  }

  /** Why the stream has ended, if it has. */
  ended(call: number, why: string, mono: Mono): string | undefined {
    if (this.#reporter.isCall(call)) this.#reporter.failed(mono)
    if (call !== this.#stream?.call) return undefined
    const waitUntil = this.#contention.ended(mono)
    this.#end(mono)
    if (waitUntil !== undefined) this.#backoff.waitUntil(waitUntil)
    return why
  }

  /** The connection is gone. True: a stream went with it. */
  cutOff(mono: Mono): boolean {
    this.#contention.cutOff(mono)
    if (this.#stream === undefined) return false
    this.#end(mono)
    return true
  }

  /** Gives the stream up; the next is opened at once. */
  close(link: ControlLink | undefined): void {
    if (this.#stream !== undefined) link?.cancel(this.#stream.call)
    this.#stream = undefined
    this.#contention.gone()
  }

  #end(mono: Mono): void {
    this.#stream = undefined
    this.#contention.gone()
    this.#backoff.fail(mono)
  }
}
