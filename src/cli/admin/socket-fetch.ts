/** Carries the client's requests over the server's Unix socket, where the kernel says who is calling. */

import { statSync } from 'node:fs'
import { request } from 'node:http'
import { MeshError } from '../../base/errors.ts'
import type { Fetch } from '../../sdk/client.ts'

/** The server answers within this time or not at all; it is the limit of other clients too (api-v2.md §1). */
const TIMEOUT_MS = 60_000

export function socketFetch(socketPath: string): Fetch {
  return (url, { method, headers, body }) =>
    new Promise((resolve, reject) => {
      let isAnswering = false
      const failed = (error: Error): void => reject(unreachable(socketPath, error))
      const { pathname, search } = new URL(url)
      const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }
      const call = request(
        {
          socketPath,
          method,
          path: pathname + search,
          headers: { host: 'sett', ...headers, ...length },
          agent: false,
          timeout: TIMEOUT_MS,
        },
        (answer) => {
          isAnswering = true
          const parts: Buffer[] = []
          answer.on('data', (part: Buffer) => parts.push(part))
          answer.on('error', failed)
          answer.on('end', () =>
            resolve({
              status: answer.statusCode ?? 0,
              headers: { get: (name) => answer.headers[name]?.toString() ?? null },
              text: async () => Buffer.concat(parts).toString('utf8'),
            }),
          )
        },
      )
      call.on('timeout', () => call.destroy(new Error('no answer within a minute')))
      // A server may answer before it has all of the body, and close: then what it says counts.
      call.on('error', (error) => {
        if (!isAnswering) failed(error)
      })
      call.end(body)
    })
}

const WHO = 'only root and the user that the server runs as may use it'

function unreachable(path: string, cause: NodeJS.ErrnoException): MeshError {
  const closed = isOurs(path) ? 'it closed the connection before it had answered' : `it closed the connection; ${WHO}`
  const hint = {
    ENOENT:
      'there is no server on this data folder; start one with `sett coord`, or say where it is with --socket or --url',
    ECONNREFUSED: 'the server that made this socket is gone; start it with `sett coord`',
    EACCES: WHO,
    EPERM: WHO,
    ECONNRESET: closed,
    EPIPE: closed,
  }[cause.code ?? '']
  return new MeshError('api/unreachable', `Cannot reach the server at ${path}: ${hint ?? cause.message}`, { cause })
}

/** Is this process one of those that may use the socket? Whom the server does not know it cuts off without a word. */
function isOurs(path: string): boolean {
  const uid = process.getuid?.()
  return uid === 0 || uid === statSync(path, { throwIfNoEntry: false })?.uid
}
