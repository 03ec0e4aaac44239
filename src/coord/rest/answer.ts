/** What a request comes to: a value of the route's reply, or a refusal with a message for people. (api-v2.md §3) */

import type { Problem } from '../../wire/api/objects.ts'
import type { Plan } from '../model/ledger.ts'
import type { Batch } from '../model/records.ts'

export interface Refusal {
  readonly kind: 'refused'
  readonly status: 400 | 401 | 403 | 404 | 405 | 409 | 410 | 412 | 413 | 422 | 429 | 500 | 501 | 503
  readonly message: string
  /** What goes out beside the message: which tests failed, where a mistake stands. */
  readonly more?: Pick<Problem, 'data' | 'at' | 'error' | 'error_description'>
  readonly headers?: Readonly<Record<string, string>>
}
export interface Done<T> {
  readonly kind: 'done'
  readonly reply: T
  readonly as?: Rendering
}
/** How an answer goes out, where that is not just its JSON. */
export interface Rendering {
  /** 202: taken note of, and not done yet. */
  readonly status?: 202
  readonly etag?: string
  /** Goes out instead of the reply. */
  readonly body?: { readonly type: string; readonly text: string }
}
export type Answer<T> = Done<T> | Refusal

export function done<T>(reply: T, as?: Rendering): Done<T> {
  return { kind: 'done', reply, ...(as === undefined ? {} : { as }) }
}
export const DONE: Done<undefined> = done(undefined)

export function refuse(status: Refusal['status'], message: string, more?: Refusal['more']): Refusal {
  return { kind: 'refused', status, message, ...(more === undefined ? {} : { more }) }
}

/** An answer whose JSON is written already: it goes out as it is. */
export function written<T>(json: string): Done<T> {
  return { kind: 'done', reply: undefined as T, as: { body: { type: 'application/json', text: json } } }
}

/** A plan that writes nothing. */
export function settle<A>(result: A): Plan<A> {
  return { result }
}

/** A plan that writes a batch and then answers. */
export function commit<A>(batch: Omit<Batch, 'tailnet'>, result: A): Plan<A> {
  return { batch, result }
}
