/**
 * What the control server answers over plain HTTP: its key, its health, the login page, and the REST API where that
 * is allowed (control.md §11.3). Everything else is told quickly that there is nothing.
 */

import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { versionInQuery } from '../control/server-key.ts'
import { isLoopback, plainAddress } from './forwarded.ts'
import type { TrustedProxies } from './forwarded.ts'
import { Buckets } from './limits.ts'
import { JSON_TEXT, refuse, refuseJson, respond, TEXT } from './respond.ts'

export interface Site {
  /** The body of `/key`. */
  readonly key: string
  /** The origin that clients use. */
  url(): string
  readonly proxies: TrustedProxies
  /** The listener itself speaks TLS with a certificate that clients trust. */
  readonly tls: boolean
  /**
   * The pages that people see in their browser. `secure`: nobody in between can read what they send, so they may log in.
   */
  pages(req: IncomingMessage, res: ServerResponse, secure: boolean): Promise<void> | undefined
  /** What is wrong with the server; nothing when it is well. */
  ailment(): Promise<string | undefined>
  /** What should be looked after although it is well. */
  trouble(): string | undefined
  /** Addresses behind this server's name. */
  bootstrapDns(): Readonly<Record<string, readonly string[]>>
  metrics(): Promise<{ readonly type: string; readonly text: string }>
  /** The REST API, for callers who bring a token. */
  rest(req: IncomingMessage, res: ServerResponse): Promise<void> | undefined
  /** SCIM, for directories that bring a token. */
  scim(req: IncomingMessage, res: ServerResponse): Promise<void> | undefined
  /** Why a request for `/ts2021` was not upgraded. */
  upgradeFault(req: IncomingMessage): string
  failed(method: string, error: unknown): void
  mono(): number
}

/**
 * Codes and links are secrets of 80 bits and more: guessing finds none. A login takes half a dozen requests, and an
 * office behind one address has twenty people who come at nine.
 */
const LOOKUPS = { burst: 240, perSecond: 2, customers: 10_000 }
/** Below these, people see pages in their browser. */
const PAGES = ['/login/', '/auth/', '/ssh-check/']
const CHALLENGE = /^[A-Za-z0-9.\-_:]{1,64}$/

export function createRoutes(site: Site): RequestListener {
  const lookups = new Buckets(LOOKUPS)

  async function handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const [path = '', ...rest] = (req.url ?? '').split('?')
    const query = rest.join('?')
    if (path === '/ts2021') return refuse(res, 400, site.upgradeFault(req))
    if (path.startsWith('/api/v2/') || path === '/api/v2') {
      const why = apiRefusal(site, req)
      if (why !== undefined) return refuseJson(res, 403, why)
      return await (site.rest(req, res) ?? refuseJson(res, 503, 'The server is starting: try again'))
    }
    if (path.startsWith('/scim/v2/') || path === '/scim/v2') {
      const why = apiRefusal(site, req)
      if (why !== undefined) return refuseJson(res, 403, why)
      return await (site.scim(req, res) ?? refuseJson(res, 503, 'The server is starting: try again'))
    }
    if (PAGES.some((start) => path.startsWith(start)) || path === '/auth') {
      const { address } = site.proxies.client(req.socket.remoteAddress, req.headers)
      if (!lookups.take(address, site.mono()))
        return refuse(res, 429, 'too many tries: wait a minute', { 'retry-after': '60' })
      return await (site.pages(req, res, apiRefusal(site, req) === undefined) ??
        refuse(res, 503, 'the server is starting: try again'))
    }
    if (req.method !== 'GET' && req.method !== 'HEAD') {
      // Whoever sends a body to nowhere is not listened to until its end.
      return refuse(res, KNOWN.has(path) ? 405 : 404, KNOWN.has(path) ? 'method not allowed' : 'not found', {
        connection: 'close',
        ...(KNOWN.has(path) ? { allow: 'GET, HEAD' } : {}),
      })
    }
    switch (path) {
      case '/':
        return respond(
          res,
          200,
          TEXT,
          'This is a Sett coordination server. Join with: tailscale up --login-server URL\n',
        )
      case '/key':
        if (versionInQuery(query) === undefined) return refuse(res, 400, 'want a capability version: /key?v=NUMBER')
        return respond(res, 200, JSON_TEXT, site.key, { 'cache-control': 'no-store' })
      case '/generate_204': {
        const challenge = req.headers['x-tailscale-challenge']
        const known = typeof challenge === 'string' && CHALLENGE.test(challenge)
        res.writeHead(204, known ? { 'x-tailscale-response': `response ${challenge}` } : {}).end()
        return
      }
      case '/healthz': {
        const ailment = await site.ailment()
        const lines = [ailment ?? 'ok', site.trouble() ?? []].flat()
        return respond(res, ailment === undefined ? 200 : 503, TEXT, `${lines.join('\n')}\n`, NO_STORE)
      }
      case '/metrics': {
        if (!isLocal(site, req))
          return refuse(res, 403, `metrics are for this machine only: read them on it${here(site, req, '/metrics')}`)
        const { type, text } = await site.metrics()
        return respond(res, 200, type, text, NO_STORE)
      }
      case '/admin':
        return respond(res, 200, TEXT, NO_CONSOLE)
      case '/robots.txt':
        return respond(res, 200, TEXT, 'User-agent: *\nDisallow: /\n')
      case '/bootstrap-dns':
        return respond(res, 200, JSON_TEXT, JSON.stringify(site.bootstrapDns()))
    }
    refuse(res, 404, 'not found')
  }

  return (req, res) => {
    handle(req, res).catch((error: unknown) => {
      site.failed(req.method ?? '', error)
      if (res.headersSent) res.destroy()
      else refuse(res, 500, 'internal error')
    })
  }
}

const NO_STORE = { 'cache-control': 'no-store' }
const KNOWN: ReadonlySet<string> = new Set([
  '/',
  '/key',
  '/generate_204',
  '/healthz',
  '/metrics',
  '/admin',
  '/robots.txt',
  '/bootstrap-dns',
])

/** Clients that wait for approval send their users to this page. */
const NO_CONSOLE = `This server has no web console. An administrator approves a device on the server:

  sett admin nodes list
  sett admin nodes approve NAME
`

/**
 * Does this come from this machine itself, and not through a proxy on it? A proxy that says nothing cannot be told
 * apart; the ones in our documentation say whom they speak for.
 */
function isLocal(site: Site, req: IncomingMessage): boolean {
  const peer = req.socket.remoteAddress
  const { headers } = req
  if (!isLoopback(peer)) return false
  if (!isForwarded(req)) return true
  return site.proxies.trusts(plainAddress(peer ?? '') ?? '') && isLoopback(site.proxies.client(peer, headers).address)
}

/** How a program on this machine asks; whoever comes through a proxy is not told what is behind it. */
function here(site: Site, req: IncomingMessage, path = ''): string {
  if (isForwarded(req)) return ''
  return `, at ${site.tls ? 'https' : 'http'}://127.0.0.1:${req.socket.localPort}${path}`
}

function isForwarded({ headers }: IncomingMessage): boolean {
  return ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'].some((name) => headers[name] !== undefined)
}

/** Why the REST API does not answer here, where its tokens could be read on the way; `undefined` when it does. */
function apiRefusal(site: Site, req: IncomingMessage): string | undefined {
  if (site.tls || site.proxies.client(req.socket.remoteAddress, req.headers).secure) return undefined
  if (!isLocal(site, req)) {
    return `the API answers over TLS only, since whoever carries a token in clear text gives it away: give the server a certificate with --tls, put a trusted proxy in front of it, or ask on the machine itself${here(site, req)}`
  }
  // A web page that names this machine by a host of its own must not speak to it (DNS rebinding).
  const host = (req.headers.host ?? '').replace(/:\d+$/, '')
  if (host === 'localhost' || isLoopback(host) || host === new URL(site.url()).hostname) return undefined
  return `the API does not answer to the name ${JSON.stringify(host)}: use localhost`
}
