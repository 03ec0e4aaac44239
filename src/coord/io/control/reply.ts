/** The answer to one request inside Noise, as the core sees it. The connection carries it out. */

import { utf8 } from '../../../base/bytes.ts'
import type { Field } from '../../../wire/h2/index.ts'
import type { ControlReply } from '../../control.ts'

/** What a reply needs of its connection. */
export interface ReplyCarrier {
  respond(id: number, status: number, headers: readonly Field[], body: Uint8Array | undefined): void
  begin(id: number, headers: readonly Field[]): void
  write(id: number, bytes: Uint8Array): void
  end(id: number): void
  queued(id: number): number
}

const STREAM_HEADERS: readonly Field[] = [['content-type', 'application/json']]

export class Reply implements ControlReply {
  readonly #carrier: ReplyCarrier
  readonly #id: number
  #open = true
  #drained: (() => void) | undefined
  #closed: (() => void) | undefined

  constructor(carrier: ReplyCarrier, id: number) {
    this.#carrier = carrier
    this.#id = id
  }

  /** Nobody has ended it, and it is not gone. */
  get open(): boolean {
    return this.#open
  }

  get queued(): number {
    return this.#open ? this.#carrier.queued(this.#id) : 0
  }

  answer(status: number, body?: string | Uint8Array, headers: readonly Field[] = []): void {
    if (!this.#open) return
    const bytes = typeof body === 'string' ? utf8(body) : body
    const length: Field = ['content-length', String(bytes?.length ?? 0)]
    this.#carrier.respond(this.#id, status, [...headers, length], bytes)
    this.gone()
  }

  start(): void {
    if (this.#open) this.#carrier.begin(this.#id, STREAM_HEADERS)
  }

  write(bytes: Uint8Array): void {
    if (this.#open) this.#carrier.write(this.#id, bytes)
  }

  end(): void {
    if (!this.#open) return
    this.#carrier.end(this.#id)
    this.gone()
  }

  onDrain(callback: () => void): void {
    this.#drained = callback
  }

  onClose(callback: () => void): void {
    if (this.#open) this.#closed = callback
    else callback()
  }

  /** The connection says: everything written has been taken. */
  drain(): void {
    if (this.#open) this.#drained?.()
  }

  /** The stream is over, whoever ended it. */
  gone(): void {
    if (!this.#open) return
    this.#open = false
    const closed = this.#closed
    this.#closed = undefined
    this.#drained = undefined
    closed?.()
  }
}
