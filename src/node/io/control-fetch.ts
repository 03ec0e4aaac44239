/** One HTTP request for the control session, outside of its own connection: the server's key, and pings over the web. */

import { request as requestPlain } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { request as requestTls } from 'node:https'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { EMPTY } from '../../base/bytes.ts'
import type { Bytes } from '../../base/bytes.ts'
import type { Fetched } from '../control/actions.ts'
import { dialMarked, targetOf, tlsNameOf } from './race-dial.ts'

export interface FetchOptions {
  readonly method: 'GET' | 'HEAD' | 'POST'
  readonly url: string
  readonly body?: Bytes
  /** Longest answer to read, in bytes. */
  readonly limit: number
  readonly timeoutMs: number
}

const REDIRECTS_MAX = 5
const HTTP_PORT = 80
const HTTPS_PORT = 443

/**
 * Never rejects: what goes wrong is an outcome. Certificates are checked; redirects are followed for GET only.
 *
 * @param mark what its packets are marked with (node.md §4.2)
 */
export async function fetchOnce(options: FetchOptions, mark: number, signal: AbortSignal): Promise<Fetched> {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(options.timeoutMs)])
  let url = options.url
  try {
    for (let hops = 0; hops <= REDIRECTS_MAX; hops++) {
      const answer = await send(options, url, mark, deadline)
      const next = redirect(options, url, answer)
      if (next === undefined) return { status: answer.statusCode ?? 0, body: await bodyOf(answer, options) }
      answer.destroy()
      // A key that came in the clear could be anybody's.
      if (url.startsWith('https:') && !next.startsWith('https:')) return { failed: 'redirected from https to http' }
      url = next
    }
    return { failed: 'too many redirects' }
  } catch (error) {
    return { failed: deadline.aborted ? 'no answer in time' : (error as Error).message }
  }
}

function send(
  { method, body }: FetchOptions,
  url: string,
  mark: number,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const { protocol, hostname, port } = new URL(url)
    const isTls = protocol === 'https:'
    const host = hostname.replace(/^\[|\]$/g, '')
    const target = targetOf(host, port === '' ? (isTls ? HTTPS_PORT : HTTP_PORT) : Number(port))
    const call = (isTls ? requestTls : requestPlain)(
      url,
      {
        method,
        signal,
        headers: { 'user-agent': 'sett' },
        createConnection: (_options, made) => {
          const secure = (socket: Socket) => (isTls ? connectTls({ socket, host, ...tlsNameOf(host) }) : socket)
          dialMarked(target, mark, signal).then(
            (socket) => made(null, secure(socket)),
            // Node reads no socket where there is an error.
            (error: Error) => made(error, undefined as never),
          )
          return undefined
        },
      },
      resolve,
    )
    call.on('error', reject)
    call.end(body)
  })
}

function redirect(
  { method }: FetchOptions,
  url: string,
  { statusCode = 0, headers }: IncomingMessage,
): string | undefined {
  if (method !== 'GET' || ![301, 302, 303, 307, 308].includes(statusCode) || headers.location === undefined)
    return undefined
  return new URL(headers.location, url).href
}

async function bodyOf(answer: IncomingMessage, { method, limit }: FetchOptions): Promise<Bytes> {
  if (method === 'HEAD') {
    answer.resume()
    return EMPTY
  }
  const parts: Buffer[] = []
  let length = 0
  for await (const part of answer as AsyncIterable<Buffer>) {
    length += part.length
    if (length > limit) throw new Error(`the answer is longer than ${limit} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts)
}
