/** Carries requests to the daemon over its Unix socket, where the kernel says who is calling. */

import { MeshError } from '../../base/errors.ts'
import type { IncomingMessage } from 'node:http'
import type { LocalAnswer, LocalTransport } from '../../sdk/local-client.ts'
import { NoDaemon } from './no-daemon.ts'

/** An import statement would read every export, and that of `WebSocket` loads a client that takes 50 ms to start. */
const { request } = process.getBuiltinModule('node:http')

/** The daemon answers to this name only, so that no web page can reach it (node.md §9). */
const HOST = 'local-tailscaled.sock'

export function socketTransport(socketPath: string): LocalTransport {
  return ({ method, path, headers, body, signal }) =>
    new Promise((resolve, reject) => {
      const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }
      const call = request(
        {
          socketPath,
          method,
          path,
          headers: { host: HOST, ...headers, ...length },
          agent: false,
          ...(signal === undefined ? {} : { signal }),
        },
        (answer) => resolve(answerFrom(answer, signal)),
      )
      call.on('error', (error: NodeJS.ErrnoException) =>
        reject(
          signal?.aborted === true
            ? signal.reason
            : error.syscall === 'connect' || error.code === 'ENOTSOCK'
              ? new NoDaemon(socketPath, path, error)
              : brokenOff(error),
        ),
      )
      call.end(body)
    })
}

function answerFrom(answer: IncomingMessage, signal: AbortSignal | undefined): LocalAnswer {
  answer.setEncoding('utf8')
  return {
    status: answer.statusCode ?? 0,
    statusText: answer.statusMessage ?? '',
    headers: Object.fromEntries(Object.entries(answer.headers).map(([name, value]) => [name, String(value)])),
    async text() {
      let whole = ''
      for await (const piece of piecesOf(answer, signal)) whole += piece
      return whole
    },
    pieces: () => piecesOf(answer, signal),
  }
}

async function* piecesOf(answer: IncomingMessage, signal: AbortSignal | undefined): AsyncIterable<string> {
  try {
    for await (const piece of answer) yield piece as string
  } catch (error) {
    throw signal?.aborted === true ? signal.reason : brokenOff(error as NodeJS.ErrnoException)
  }
}

/** As when the daemon ends in the middle of an answer, or has too many callers, or is something else altogether. */
function brokenOff(cause: NodeJS.ErrnoException): MeshError {
  const isNonsense = cause.code?.startsWith('HPE_') === true
  const isClosed = cause.code === 'ECONNRESET' || cause.code === 'EPIPE' || cause.code === 'ERR_STREAM_PREMATURE_CLOSE'
  const words = isNonsense
    ? 'what answers at the socket is not settd: it does not speak HTTP'
    : isClosed
      ? 'settd has closed the connection: it ends, or has too many callers'
      : `the connection to settd is broken: ${cause.message}`
  return new MeshError('api/unreachable', words, { cause })
}
