/**
 * Requests from the server to a node: they ride on its map stream, and the node answers over Noise at a path of
 * their own. (control.md §11.2, §12)
 */

import { base64, hex, textOf, utf8 } from '../base/bytes.ts'
import type { Dice } from '../base/bytes.ts'
import { later, NEVER, SECOND_MS } from '../base/clock.ts'
import type { Mono } from '../base/clock.ts'
import type { MachineKey } from '../base/keys.ts'
import type { Located } from './model/model.ts'

export const PING_MS = 15 * SECOND_MS

export type PingAnswer =
  /** `body`: what came back; the raw HTTP response for c2n. */
  | { readonly kind: 'answered'; readonly body: Uint8Array; readonly ms: number }
  | { readonly kind: 'not-connected' }
  | { readonly kind: 'no-answer' }

interface Asked {
  readonly machineKey: MachineKey
  readonly at: Mono
  readonly done: (answer: PingAnswer) => void
}

export interface PingsOptions {
  readonly dice: Dice
  readonly mono: () => Mono
  readonly push: (tailnet: number, node: number, fields: Readonly<Record<string, unknown>>) => boolean
  readonly wake: () => void
}

export class Pings {
  readonly #options: PingsOptions
  readonly #asked = new Map<string, Asked>()

  constructor(options: PingsOptions) {
    this.#options = options
  }

  /** Is it there? The client answers with a request that has no body. */
  ping(to: Located): Promise<PingAnswer> {
    return this.#ask(to, {})
  }

  /** Lets the node's own handler answer a request, such as `POST /echo`. */
  async c2n(to: Located, method: string, path: string, body: string): Promise<PingAnswer> {
    const length = utf8(body).length
    const request = `${method} ${path} HTTP/1.1\r\nHost: unused\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n${body}`
    return await this.#ask(to, { Types: 'c2n', Payload: base64(utf8(request)) })
  }

  /** Takes an answer in. False: nobody asked this machine that. */
  answered(id: string, machineKey: MachineKey, body: Uint8Array): boolean {
    const asked = this.#asked.get(id)
    if (asked === undefined || asked.machineKey !== machineKey) return false
    this.#asked.delete(id)
    asked.done({ kind: 'answered', body, ms: this.#options.mono() - asked.at })
    return true
  }

  tick(now: Mono): void {
    for (const [id, asked] of this.#asked) {
      if (later(asked.at, PING_MS) > now) continue
      this.#asked.delete(id)
      asked.done({ kind: 'no-answer' })
    }
  }

  deadline(): Mono {
    let next = NEVER
    for (const { at } of this.#asked.values()) if (later(at, PING_MS) < next) next = later(at, PING_MS)
    return next
  }

  #ask(to: Located, fields: Readonly<Record<string, unknown>>): Promise<PingAnswer> {
    const id = hex(this.#options.dice(16))
    const PingRequest = { URL: `https://unused/machine/ping-response/${id}`, URLIsNoise: true, ...fields }
    if (!this.#options.push(to.tailnet.num, to.node.id, { PingRequest }))
      return Promise.resolve({ kind: 'not-connected' })
    return new Promise((done) => {
      this.#asked.set(id, { machineKey: to.node.machineKey, at: this.#options.mono(), done })
      this.#options.wake()
    })
  }
}

/** Body of a raw HTTP/1.x response; `undefined` unless its status is 2xx. */
export function responseBody(raw: Uint8Array): string | undefined {
  const text = textOf(raw) ?? ''
  const head = /^HTTP\/1\.[01] 2\d\d[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n/.exec(text)
  return head === null ? undefined : text.slice(head[0].length)
}
