/**
 * The relay's plain HTTP paths: latency probes, the captive-portal check, bootstrap DNS, and a page that says what
 * this is. (derp.md §3.1, §3.5, §3.6)
 */

import type { IncomingMessage, ServerResponse } from 'node:http'

/** Names and their addresses, as bootstrap DNS gives them out. */
export type BootstrapDns = () => Readonly<Record<string, readonly string[]>>

const CHALLENGE = /^[A-Za-z0-9._:-]{1,64}$/

export function answerHttp(request: IncomingMessage, response: ServerResponse, dns: BootstrapDns | undefined): void {
  switch (pathOf(request)) {
    case '/derp':
      return text(response, 426, 'DERP requires connection upgrade\n', { Upgrade: 'DERP', Connection: 'Upgrade' })
    case '/derp/probe':
    case '/derp/latency-check':
      if (request.method !== 'GET' && request.method !== 'HEAD')
        return text(response, 405, 'bogus probe method\n', { Allow: 'GET, HEAD' })
      return text(response, 200, '', { 'Access-Control-Allow-Origin': '*' })
    case '/generate_204':
      return answer204(request, response)
    case '/bootstrap-dns':
      return answerBootstrapDns(response, dns)
    case '/robots.txt':
      return text(response, 200, 'User-agent: *\nDisallow: /\n')
    case '/':
      return text(response, 200, 'This is a relay of a Sett network. It passes on packets that it cannot read.\n')
    default:
      return text(response, 404, 'not found\n')
  }
}

/** Answers on the listener without TLS: the captive-portal check only. */
export function answerPlainHttp(request: IncomingMessage, response: ServerResponse): void {
  if (pathOf(request) === '/generate_204') answer204(request, response)
  else text(response, 404, 'not found\n')
}

/** The path, without the query. */
export function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').replace(/[?#].*$/s, '')
}

function answer204(request: IncomingMessage, response: ServerResponse): void {
  const challenge = request.headers['x-tailscale-challenge']
  if (typeof challenge === 'string' && CHALLENGE.test(challenge))
    response.setHeader('X-Tailscale-Response', `response ${challenge}`)
  response.setHeader('Cache-Control', 'no-cache, no-store, must-revalidate, no-transform, max-age=0')
  response.writeHead(204)
  response.end()
}

function answerBootstrapDns(response: ServerResponse, dns: BootstrapDns | undefined): void {
  const entries = Object.entries(dns?.() ?? {}).map(([name, addresses]) => [name, shuffled(addresses)] as const)
  response.setHeader('Content-Type', 'application/json')
  response.setHeader('Connection', 'close')
  response.end(JSON.stringify(Object.fromEntries(entries)))
}

/** So that clients spread over the addresses. */
function shuffled<T>(list: readonly T[]): T[] {
  return list
    .map((one) => ({ one, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ one }) => one)
}

function text(
  response: ServerResponse,
  status: number,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', ...headers })
  response.end(body)
}
