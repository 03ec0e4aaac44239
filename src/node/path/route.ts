/**
 * Where packets for a peer go just now: plain values that never change, so that a worker can be told. (disco.md §5.3)
 *
 * A route holds until another is announced: whoever sends needs no clock.
 */

import type { Endpoint } from './endpoint.ts'

export type Route =
  | { readonly kind: 'direct'; readonly endpoint: Endpoint }
  | { readonly kind: 'relay'; readonly region: number }
  /** A copy each way: the direct one has not proved itself of late. Receivers drop what comes twice. */
  | { readonly kind: 'both'; readonly endpoint: Endpoint; readonly region: number }
  /** Nowhere: the peer's key has expired, or nobody knows where it is. */
  | { readonly kind: 'none' }

export const NO_ROUTE: Route = Object.freeze({ kind: 'none' })

export function makeRoute(endpoint: Endpoint | undefined, region: number): Route {
  if (endpoint === undefined) return region === 0 ? NO_ROUTE : Object.freeze({ kind: 'relay', region })
  return Object.freeze(region === 0 ? { kind: 'direct', endpoint } : { kind: 'both', endpoint, region })
}

export function sameRoute(a: Route, b: Route): boolean {
  return a.kind === b.kind && endpointIn(a) === endpointIn(b) && regionIn(a) === regionIn(b)
}

const endpointIn = (r: Route): Endpoint | undefined => ('endpoint' in r ? r.endpoint : undefined)
const regionIn = (r: Route): number => ('region' in r ? r.region : 0)
