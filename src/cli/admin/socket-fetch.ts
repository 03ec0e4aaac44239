/** Carries the client's requests over the server's Unix socket, where the kernel says who is calling. */

import { request } from 'node:http'
import { MeshError } from '../../base/errors.ts'
import type { Fetch } from '../../sdk/client.ts'

/** The server answers within this time or not at all; it is the limit of other clients too (api-v2.md §1). */
const TIMEOUT_MS = 60_000

export function socketFetch(socketPath: string): Fetch {
  return (url, { method, headers, body }) =>
    new Promise((resolve, reject) => {
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
          const parts: Buffer[] = []
          answer.on('data', (part: Buffer) => parts.push(part))
          answer.on('error', reject)
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
      call.on('error', (error: NodeJS.ErrnoException) => reject(unreachable(socketPath, error)))
      call.end(body)
    })
}

function unreachable(path: string, cause: NodeJS.ErrnoException): MeshError {
  const hint = {
    ENOENT:
      'there is no server on this data folder; start one with `sett coord`, or say where it is with --socket or --url',
    ECONNREFUSED: 'the server that made this socket is gone; start it with `sett coord`',
    EACCES: 'only root and the user that the server runs as may use it',
    EPERM: 'only root and the user that the server runs as may use it',
    ECONNRESET: 'it refuses this user; only root and the user that the server runs as may use it',
    EPIPE: 'it refuses this user; only root and the user that the server runs as may use it',
  }[cause.code ?? '']
  return new MeshError('api/unreachable', `Cannot reach the server at ${path}: ${hint ?? cause.message}`, { cause })
}
