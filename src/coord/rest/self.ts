/**
 * Requests that prove by their own body who asks: those that give out access tokens. (RFC 6749 §3.2)
 *
 *   tries -> input -> handler -> answer
 *
 * Nobody has been proved before a handler runs, so an address may ask only so often, and bodies are small.
 */

import type { RouteShape } from '../../wire/api/route.ts'
import { routes } from '../../wire/api/routes.ts'
import type { RouteId, Routes } from '../../wire/api/routes.ts'
import type { Ledger } from '../model/ledger.ts'
import type { TailnetNum } from '../model/records.ts'
import { refuse } from './answer.ts'
import type { Answer } from './answer.ts'
import type { SelfCall, Tools } from './call.ts'
import type { FederatedLogins } from './federation.ts'
import { handlerOf } from './handlers/all.ts'
import { readInput } from './input.ts'
import { oauthRefusal } from './oauth-refusal.ts'
import type { Seen } from './rest.ts'

export type SelfRouteId = { [Id in RouteId]: Routes[Id]['access']['kind'] extends 'self' ? Id : never }[RouteId]

export function isSelfRoute(id: RouteId): id is SelfRouteId {
  return (routes[id] as RouteShape).access.kind === 'self'
}

export interface SelfOptions {
  readonly ledger: Ledger
  readonly tools: Tools
  readonly federation: FederatedLogins
  /** May this address try now? Asking counts as a try. */
  readonly mayTry: (from: string) => boolean
  readonly onRequest: ((seen: Seen) => void) | undefined
}

export interface SelfAsked {
  readonly request: Request
  /** Absent: over the server's own socket. */
  readonly from: string | undefined
  readonly url: URL
}

export async function answerSelf(options: SelfOptions, id: SelfRouteId, asked: SelfAsked): Promise<Answer<unknown>> {
  const { ledger, tools, federation, mayTry, onRequest } = options
  const { request, from, url } = asked
  const known: { client?: string; tailnet?: TailnetNum; fault?: string } = {}

  async function answer(): Promise<Answer<unknown>> {
    if (from !== undefined && !mayTry(from))
      return { ...refuse(429, 'Too many tries from this address: wait a minute'), headers: { 'retry-after': '60' } }
    const input = await readInput(id, {}, url, request)
    if (input.kind === 'refused') return oauthRefusal(input.status, 'invalid_request', input.message)
    const call: SelfCall = {
      ledger,
      tools,
      federation,
      from,
      authorization: request.headers.get('authorization') ?? undefined,
      known,
    }
    return await handlerOf(id)(call, input.reply)
  }

  const result = await answer()
  const { client, tailnet, fault } = known
  onRequest?.({
    route: id,
    status: result.kind === 'done' ? 200 : result.status,
    by: result.kind === 'done' && client !== undefined ? client : 'nobody',
    ...(tailnet === undefined ? {} : { tailnet }),
    ...(from === undefined ? {} : { from }),
    ...(fault === undefined ? {} : { fault }),
    ...(result.kind === 'done' || client === undefined ? {} : { token: client }),
  })
  return result
}
