/**
 * The local API without its socket: a request and its caller's rights in, an answer out (node.md §9).
 *
 * Requests that a web page may have caused are turned away before anything else is looked at: the socket is for
 * programs that know its name.
 */

import type { Dice } from '../../base/bytes.ts'
import type { Backend } from './backend.ts'
import { refusal } from './exchange.ts'
import type { LocalAnswer, LocalRequest } from './exchange.ts'
import { mayDo } from './rights.ts'
import type { Rights } from './rights.ts'
import { ROUTES, SERVE_CONFIG } from './routes.ts'
import type { Route } from './routes.ts'

/** What callers call the daemon; other names come from elsewhere, by DNS rebinding. */
const HOST = 'local-tailscaled.sock'
const BASE = '/localapi/v0/'

const EXACT = new Map<string, Route>()
const UNDER: Route[] = []
for (const route of ROUTES)
  if (route.path.endsWith('/')) UNDER.push(route)
  else EXACT.set(route.path, route)

export interface LocalApiOptions {
  readonly backend: Backend
  readonly random: Dice
}

/** Answers one request. Rejects only for what is a mistake of ours; then the shell says 500 and no more. */
export async function answerLocal(
  { backend, random }: LocalApiOptions,
  request: LocalRequest,
  rights: Rights,
): Promise<LocalAnswer> {
  if (!isFromProgram(request)) return refusal(403, 'invalid localapi request')
  if (!rights.read) return refusal(403, 'access denied')
  if (request.path === '/') return ROOT
  if (!request.path.startsWith(BASE)) return NOT_FOUND
  const name = request.path.slice(BASE.length)
  const route = routeOf(name, request.method)
  if (route === undefined) return NOT_FOUND
  if (!mayDo(rights, route.needs)) return refusal(403, `${route.path.replace(/\/$/, '')} access denied`)
  if (route.methods !== 'any' && !route.methods.includes(request.method)) {
    // In the words of official daemons.
    return route.methods.includes('GET') ? refusal(405, 'unsupported method') : refusal(400, 'want POST')
  }
  const rest = route.path.endsWith('/') ? name.slice(route.path.length) : ''
  return route.handle({ request, rest, backend, random, mayWrite: rights.write })
}

function isFromProgram({ header }: LocalRequest): boolean {
  if (header('origin') !== undefined || header('referer') !== undefined) return false
  const host = header('host') ?? ''
  return host === '' || host === HOST
}

function routeOf(name: string, method: string): Route | undefined {
  if (name === 'serve-config') return SERVE_CONFIG.find(({ methods }) => methods.includes(method)) ?? SERVE_CONFIG[1]
  return EXACT.get(name) ?? UNDER.find(({ path }) => name.startsWith(path))
}

const NOT_FOUND = refusal(404, '404 page not found')
const ROOT: LocalAnswer = {
  kind: 'whole',
  status: 200,
  type: 'text/html; charset=utf-8',
  body: '<html><title>Sett</title><body><h1>Sett</h1>This is the local node daemon.\n',
  headers: { 'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'" },
}
