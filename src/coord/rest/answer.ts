/** What a request comes to: a value of the route's reply, or a refusal with a message for people. (api-v2.md §3) */

import type { Plan } from '../model/ledger.ts'
import type { Batch } from '../model/records.ts'

export interface Refusal {
  readonly kind: 'refused'
  readonly status: 400 | 401 | 403 | 404 | 405 | 409 | 410 | 413 | 500 | 501 | 503
  readonly message: string
}
export interface Done<T> {
  readonly kind: 'done'
  readonly reply: T
}
export type Answer<T> = Done<T> | Refusal

export function done<T>(reply: T): Done<T> {
  return { kind: 'done', reply }
}
export const DONE: Done<undefined> = done(undefined)

export function refuse(status: Refusal['status'], message: string): Refusal {
  return { kind: 'refused', status, message }
}

/** A plan that writes nothing. */
export function settle<A>(result: A): Plan<A> {
  return { result }
}

/** A plan that writes a batch and then answers. */
export function commit<A>(batch: Omit<Batch, 'tailnet'>, result: A): Plan<A> {
  return { batch, result }
}
