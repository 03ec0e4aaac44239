/**
 * The local API's socket: HTTP on a Unix socket, with callers named by the kernel (node.md §9). What is answered is
 * local/local-api.ts.
 *
 * The file's mode lets everybody in where the kernel says who they are, and its owner alone where it does not. Over
 * TCP there is nothing: a web page can reach that.
 */

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, existsSync, lstatSync, mkdirSync, unlinkSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { dirname } from 'node:path'
import { MeshError } from '../../base/errors.ts'
import type { Backend } from '../local/backend.ts'
import { refusal } from '../local/exchange.ts'
import type { LocalAnswer, LocalRequest } from '../local/exchange.ts'
import { answerLocal } from '../local/local-api.ts'
import { rightsOf } from '../local/rights.ts'
import type { Owners } from '../local/rights.ts'
import { peerUidReader } from './peer-credentials.ts'
import type { PeerUid } from './peer-credentials.ts'

// As a module it would be read whole, and load fetch and WebSocket with it: a tenth of each start.
const { createServer } = process.getBuiltinModule('node:http')

/** Longest body of a request, in bytes. Nothing that is asked here is longer. */
export const BODY_BYTES_MAX = 1 << 20
/** A watcher that has so many bytes unread is not reading, and is dropped. */
const UNREAD_BYTES_MAX = 32 << 20
const CONNECTIONS_MAX = 512
/** Of users who may only look: they must not use up what the owner's commands need. */
const STRANGER_CONNECTIONS_MAX = 16

export interface LocalApiSocketOptions {
  readonly path: string
  readonly backend: Backend
  /** Asked for each request: the operator may change. */
  readonly owners: () => Owners
  /** What went wrong within; the caller is told 500 and no more. */
  readonly failed: (error: unknown) => void
  /** For tests. `null`: this system does not say who is calling. Otherwise the kernel is asked. */
  readonly peerUid?: PeerUid | null
}

export interface LocalApiSocket {
  readonly path: string
  /** Ends every conversation, the watchers' too, and removes the file. */
  close(): Promise<void>
}

/**
 * Opens the socket, after removing one that a crashed daemon left behind.
 *
 * @throws MeshError `config/invalid` when another daemon answers there, something else has that name, or its folder
 * would lie in none
 */
export async function openLocalApi(options: LocalApiSocketOptions): Promise<LocalApiSocket> {
  const { path } = options
  const peerUid = options.peerUid === undefined ? askKernel() : options.peerUid
  makeFolder(path)
  await removeStale(path)
  const callers = new WeakMap<Socket, number | undefined>()
  const server = createServer(
    { headersTimeout: 10_000, requestTimeout: 60_000, keepAliveTimeout: 30_000, maxHeaderSize: 16_384 },
    (request, response) => {
      // Only its owner gets through a socket of mode 0600.
      const uid = peerUid === null ? options.owners().ownUid : callers.get(request.socket)
      void respond(options, uid, request, response)
    },
  )
  server.maxConnections = CONNECTIONS_MAX
  const strangers = new Map<number | undefined, number>()
  server.on('connection', (socket) => {
    if (peerUid === null) return
    const uid = peerUid(socket)
    callers.set(socket, uid)
    if (rightsOf(uid, options.owners()).write) return
    const open = (strangers.get(uid) ?? 0) + 1
    if (open > STRANGER_CONNECTIONS_MAX) return void socket.destroy()
    strangers.set(uid, open)
    socket.on('close', () => {
      const left = (strangers.get(uid) ?? 1) - 1
      if (left === 0) strangers.delete(uid)
      else strangers.set(uid, left)
    })
  })
  // An upgrade that nobody knows would otherwise end without a word.
  server.on('upgrade', (_request, socket) =>
    socket.end('HTTP/1.1 501 Not Implemented\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'),
  )
  // The file is made within `listen`, and nobody else may get in before it has its mode.
  const mask = process.umask(0o177)
  server.listen(path)
  process.umask(mask)
  try {
    await once(server, 'listening')
  } catch (cause) {
    server.close()
    throw new MeshError('config/invalid', `Cannot open ${path}: ${(cause as Error).message}`, { cause })
  }
  chmodSync(path, peerUid === null ? 0o600 : 0o666)
  return {
    path,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  }
}

/** The socket's own folder, and none above it: a path with a slip of the pen in it is to be noticed. */
function makeFolder(path: string): void {
  const folder = dirname(path)
  if (existsSync(folder)) return
  try {
    mkdirSync(folder, { mode: 0o755 })
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    const why = code === 'ENOENT' ? `there is no folder ${dirname(folder)}` : (cause as Error).message
    throw new MeshError('config/invalid', `Cannot open ${path}: ${why}`, { cause })
  }
}

function askKernel(): PeerUid | null {
  try {
    return peerUidReader()
  } catch {
    return null
  }
}

async function respond(
  options: LocalApiSocketOptions,
  uid: number | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { backend } = options
  response.setHeader('Tailscale-Version', backend.version)
  response.setHeader('Tailscale-Cap', String(backend.capabilityVersion))
  const gone = new AbortController()
  response.on('close', () => gone.abort())
  // A caller who hangs up is none of our trouble.
  response.on('error', () => gone.abort())
  let body: Uint8Array | undefined
  try {
    body = await bodyOf(request)
  } catch {
    // Gone before it had said everything.
    response.destroy()
    return
  }
  try {
    const answer =
      body === undefined
        ? refusal(413, 'request body too large')
        : await answerLocal({ backend, random }, requestOf(request, body, gone.signal), rightsOf(uid, options.owners()))
    if (!gone.signal.aborted) write(response, answer, request.method === 'HEAD')
  } catch (error) {
    if (gone.signal.aborted) return
    options.failed(error)
    if (response.headersSent) response.destroy()
    else write(response, refusal(500, 'internal error'), false)
  }
}

function write(response: ServerResponse, answer: LocalAnswer, head: boolean): void {
  if (answer.kind === 'whole') {
    if (answer.type !== '') response.setHeader('Content-Type', answer.type)
    for (const [name, value] of Object.entries(answer.headers ?? {})) response.setHeader(name, value)
    if (answer.status === 413) response.setHeader('Connection', 'close')
    response.writeHead(answer.status)
    response.end(head ? undefined : answer.body)
    return
  }
  response.writeHead(200, { 'Content-Type': answer.type })
  // Whoever asks with a mask that brings nothing waits for this.
  response.flushHeaders()
  const stop = answer.open((text) => {
    if (response.destroyed || response.writableLength > UNREAD_BYTES_MAX) {
      response.destroy()
      return false
    }
    response.write(text)
    return true
  })
  response.on('close', stop)
}

/** The whole body; `undefined` when it is too long. */
async function bodyOf(request: IncomingMessage): Promise<Uint8Array | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > BODY_BYTES_MAX) return undefined
  const pieces: Uint8Array[] = []
  let length = 0
  for await (const piece of request as AsyncIterable<Uint8Array>) {
    length += piece.length
    if (length > BODY_BYTES_MAX) return undefined
    pieces.push(piece)
  }
  return Buffer.concat(pieces, length)
}

function requestOf(request: IncomingMessage, body: Uint8Array, signal: AbortSignal): LocalRequest {
  const url = request.url ?? '/'
  const mark = url.indexOf('?')
  const query = new Map<string, string>()
  for (const [name, value] of new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1)))
    if (!query.has(name)) query.set(name, value)
  return {
    method: request.method ?? '',
    path: mark < 0 ? url : url.slice(0, mark),
    query,
    // All of them: of two names for a host, neither is to be believed.
    header: (name) => request.headersDistinct[name]?.join(', '),
    body,
    signal,
  }
}

function random(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(randomBytes(length))
}

async function removeStale(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return
  if (!found.isSocket()) throw new MeshError('config/invalid', `Cannot open ${path}: something else has that name`)
  const alive = await new Promise<boolean>((resolve) => {
    const probe = connect(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', () => resolve(false))
  })
  if (alive) throw new MeshError('config/invalid', `Cannot open ${path}: another daemon answers there`)
  unlinkSync(path)
}
