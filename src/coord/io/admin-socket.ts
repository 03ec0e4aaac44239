/**
 * The admin socket: the REST API without a token, for root and for the server's own user.
 *
 * The file's mode keeps others out, and the kernel's word on who is calling is asked all the same: a mode can be
 * changed, a descriptor handed on.
 */

import type { RequestListener, Server } from 'node:http'
import { chmodSync, lstatSync, unlinkSync } from 'node:fs'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { once } from 'node:events'
import { MeshError } from '../../base/errors.ts'
import type { Account } from '../model/actors.ts'
import { accountOf } from './accounts.ts'
import type { Log } from './log.ts'
import { peerReader } from './peer-credentials.ts'
import type { ReadPeer } from './peer-credentials.ts'

// As a module it would be read whole, and load fetch and WebSocket with it: a tenth of each start.
const { createServer } = process.getBuiltinModule('node:http')

export interface AdminSocket {
  readonly path: string
  /** Whose process is at the other end of a connection; `undefined` for connections that are not its own. */
  accountOf(socket: Socket): Account | undefined
  close(): Promise<void>
}

export interface AdminSocketOptions {
  readonly path: string
  readonly log: Log
  readonly handle: RequestListener
  /** For tests; otherwise the kernel is asked. */
  readonly readPeer?: ReadPeer
  /** The server's own user. */
  readonly ownUid: number
}

/**
 * Opens the socket, after removing one that a crashed server left behind.
 *
 * @throws MeshError `config/invalid` when another server answers there, or something else has that name
 */
export async function openAdminSocket(options: AdminSocketOptions): Promise<AdminSocket> {
  const { path, log, ownUid } = options
  let readPeer: ReadPeer
  try {
    readPeer = options.readPeer ?? peerReader()
  } catch (err) {
    log.error('admin socket refuses everybody: this system does not tell who is calling', { path, err })
    readPeer = () => undefined
  }
  await removeStale(path)

  const accounts = new WeakMap<Socket, Account>()
  const server = createServer(
    { headersTimeout: 10_000, requestTimeout: 60_000, keepAliveTimeout: 5_000 },
    options.handle,
  )
  server.on('connection', (socket) => {
    const peer = readPeer(socket)
    // At once: a process that has ended can't be asked any more.
    if (peer !== undefined && (peer.uid === 0 || peer.uid === ownUid)) return void accounts.set(socket, accountOf(peer))
    log.warn('admin socket: caller refused', { uid: peer?.uid ?? 'unknown' })
    socket.destroy()
  })
  server.listen(path)
  try {
    await once(server, 'listening')
    chmodSync(path, 0o600)
  } catch (cause) {
    server.close()
    throw new MeshError('config/invalid', `Cannot open the admin socket ${path}: ${(cause as Error).message}`, {
      cause,
    })
  }
  return { path, accountOf: (socket) => accounts.get(socket), close: () => closeServer(server) }
}

/** Node removes the file itself when the server closes. */
export async function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeAllConnections()
  await closed
}

async function removeStale(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return
  if (!found.isSocket()) {
    throw new MeshError('config/invalid', `Cannot open the admin socket ${path}: something else has that name`)
  }
  const alive = await new Promise<boolean>((resolve) => {
    const probe = connect(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', () => resolve(false))
  })
  if (alive) {
    throw new MeshError(
      'config/invalid',
      `Cannot open the admin socket ${path}: another server uses this data folder; stop it, or choose another with --data`,
    )
  }
  unlinkSync(path)
}
