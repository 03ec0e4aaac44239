/** A request to the local API and the answer to it, without a socket; and the answers that many handlers give. */

import type { Bytes, Dice } from '../../base/bytes.ts'
import type { AbortSignalLike, Backend, Refused } from './backend.ts'

export interface LocalRequest {
  readonly method: string
  /** From the first slash on, without the query, percent signs as they came. */
  readonly path: string
  /** Decoded; of several values the first. */
  readonly query: ReadonlyMap<string, string>
  /** By lower-case name. */
  readonly header: (name: string) => string | undefined
  readonly body: Bytes
  /** Aborts when the caller has gone. */
  readonly signal: AbortSignalLike
}

export type LocalAnswer =
  | {
      readonly kind: 'whole'
      readonly status: number
      /** Empty: there is no body. */
      readonly type: string
      readonly body: string
      readonly headers?: { readonly [name: string]: string }
    }
  | {
      readonly kind: 'stream'
      readonly type: string
      /** Begins; `send` gives `false` when nobody reads. Returns what ends it. */
      readonly open: (send: (text: string) => boolean) => () => void
    }

/** What a handler has. `rest` is what of the path is behind the endpoint's name. */
export interface Call {
  readonly request: LocalRequest
  readonly rest: string
  readonly backend: Backend
  readonly random: Dice
  readonly mayWrite: boolean
}

export type Handler = (call: Call) => LocalAnswer | Promise<LocalAnswer>

const JSON_TYPE = 'application/json'
const TEXT_TYPE = 'text/plain; charset=utf-8'

export function json(value: unknown, status = 200, headers: { readonly [name: string]: string } = {}): LocalAnswer {
  return { kind: 'whole', status, type: JSON_TYPE, body: `${JSON.stringify(value, undefined, '\t')}\n`, headers }
}

export function text(body: string, type = TEXT_TYPE): LocalAnswer {
  return { kind: 'whole', status: 200, type, body }
}

/** What is wrong, in one line of text. */
export function refusal(status: number, why: string): LocalAnswer {
  return { kind: 'whole', status, type: TEXT_TYPE, body: `${why}\n`, headers: { 'X-Content-Type-Options': 'nosniff' } }
}

export function nothing(status = 200): LocalAnswer {
  return { kind: 'whole', status, type: '', body: '' }
}

/** 204, or why not. */
export function doneOr(refused: Refused | undefined): LocalAnswer {
  return refused === undefined ? nothing(204) : refusal(500, refused.refused)
}

export function isRefused(outcome: object): outcome is Refused {
  return 'refused' in outcome
}
