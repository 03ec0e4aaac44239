/**
 * The sockets that clients connect to: plain HTTP, or TLS with a certificate that they trust. HTTP/1.1 only, since
 * that is what can be upgraded; and nothing may hang, since clients try other ports only when one fails.
 */

import { once } from 'node:events'
import type { IncomingMessage, RequestListener, Server, ServerOptions } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { createSecureContext } from 'node:tls'
import type { TLSSocket, TlsOptions } from 'node:tls'
import { MeshError } from '../../../base/errors.ts'
import type { Listen } from '../config/options.ts'
import type { Certificates } from '../tls/certificates.ts'
import type { TrustedProxies } from './forwarded.ts'
import { plainAddress } from './forwarded.ts'
import { Slots } from './limits.ts'
import type { SlotRules } from './limits.ts'

// As a module it would be read whole, and load fetch and WebSocket with it: a tenth of each start.
const { createServer: createHttp } = process.getBuiltinModule('node:http')
const { createServer: createHttps } = process.getBuiltinModule('node:https')

export interface Listeners {
  readonly addresses: readonly AddressInfo[]
  /** Stops accepting; connections that are only waiting for a next request are closed. */
  stop(): void
  close(): Promise<void>
}

export interface ListenerOptions {
  readonly listen: readonly Listen[]
  /** The option that says where to listen; `--listen` if nobody says. */
  readonly option?: '--listen' | '--http-listen'
  readonly tls: 'off' | Pick<Certificates, 'current' | 'follow' | 'proofOf'>
  readonly proxies: TrustedProxies
  readonly handle: RequestListener
  wantsUpgrade(req: IncomingMessage): boolean
  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void
  readonly limits?: ServerOptions
  readonly connections?: SlotRules
}

/** How long a request may take to come, and how large its head may be. */
export const LIMITS: ServerOptions = {
  headersTimeout: 10_000,
  requestTimeout: 60_000,
  keepAliveTimeout: 30_000,
  connectionsCheckingInterval: 5_000,
  maxHeaderSize: 16 * 1024,
  noDelay: true,
}

const TOO_LARGE = '431 Request Header Fields Too Large'
/** Long enough for a client that is writing to come to reading. */
const LINGER_MS = 1_000

/** Connections at once; generous, since a whole site may sit behind one address. */
export const CONNECTIONS: SlotRules = { perAddress: 20_000, total: 200_000 }

/**
 * Opens all addresses, or none.
 *
 * @throws MeshError `config/invalid` when one can't be opened
 */
export async function openListeners(options: ListenerOptions): Promise<Listeners> {
  const slots = new Slots(options.connections ?? CONNECTIONS)
  const servers: Server[] = []
  try {
    for (const { host, port } of options.listen) {
      const server = createServer(options, slots)
      servers.push(server)
      // Without a host Node listens on all interfaces, IPv6 included where there is any.
      server.listen(host === '' ? { port } : { host, port })
      try {
        await once(server, 'listening')
      } catch (cause) {
        throw new MeshError(
          'config/invalid',
          listenComplaint(host, port, options.option ?? '--listen', cause as NodeJS.ErrnoException),
          { cause },
        )
      }
      server.on('error', () => undefined)
    }
  } catch (error) {
    for (const server of servers) server.close()
    throw error
  }
  return {
    addresses: servers.map((server) => server.address() as AddressInfo),
    stop() {
      for (const server of servers) {
        server.close()
        server.closeIdleConnections()
      }
    },
    async close() {
      await Promise.all(
        servers.map(async (server) => {
          const closed = server.listening ? once(server, 'close') : undefined
          if (server.listening) server.close()
          server.closeAllConnections()
          await closed
        }),
      )
    },
  }
}

function createServer(options: ListenerOptions, slots: Slots): Server {
  const limits: ServerOptions = {
    ...LIMITS,
    ...options.limits,
    shouldUpgradeCallback: (req) => options.wantsUpgrade(req),
  }
  const server =
    options.tls === 'off' ? createHttp(limits, options.handle) : createTls(options.tls, limits, options.handle)
  server.on('connection', (socket: Socket) => {
    const from = plainAddress(socket.remoteAddress ?? '') ?? 'unknown'
    // A proxy carries many clients' connections; each is counted when it is upgraded.
    if (options.proxies.trusts(from)) return
    const release = slots.take(from)
    if (release === undefined) socket.destroy()
    else socket.once('close', release)
  })
  server.on('upgrade', (req, socket, head) => options.upgrade(req, socket, head))
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy()
    else refuseRest(socket, error.code === 'HPE_HEADER_OVERFLOW' ? TOO_LARGE : '400 Bad Request')
  })
  return server
}

/** How a name is proved to an authority: a handshake that asks for this, and nothing after it (RFC 8737). */
const PROOF = 'acme-tls/1'

/** A server whose certificate may be another one at every handshake. */
function createTls(
  certificates: Exclude<ListenerOptions['tls'], 'off'>,
  limits: ServerOptions,
  handle: RequestListener,
): Server {
  const tls: TlsOptions = {
    ...certificates.current,
    handshakeTimeout: 10_000,
    // To whoever wants neither, an alert says so.
    ALPNCallback(this: TLSSocket, { servername, protocols }) {
      if (!protocols.includes(PROOF)) return protocols.find((each) => each === 'http/1.1')
      const proof = certificates.proofOf?.(servername)
      if (proof === undefined) return undefined
      this.setKeyCert(createSecureContext(proof))
      return PROOF
    },
  }
  const server = createHttps({ ...limits, ...tls }, handle)
  server.on('secureConnection', (socket: TLSSocket) => {
    if (socket.alpnProtocol === PROOF) socket.destroySoon()
  })
  certificates.follow((pair) => server.setSecureContext(pair))
  return server as Server
}

/**
 * Answers what can't be read as HTTP, and closes. What the client is still sending is read and thrown away for a
 * moment: a connection closed with bytes unread is reset, and the answer lost with it.
 */
function refuseRest(socket: Duplex, status: string): void {
  // The parser would complain of every piece that follows.
  socket.removeAllListeners('data')
  socket.on('data', () => undefined)
  const timer = setTimeout(() => socket.destroy(), LINGER_MS)
  socket.once('close', () => clearTimeout(timer))
  socket.once('end', () => socket.destroy())
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
}

function listenComplaint(host: string, port: number, option: string, error: NodeJS.ErrnoException): string {
  const where = `Cannot listen on ${host.includes(':') ? `[${host}]` : host}:${port}`
  // Without it, one of the two ways to prove a name is left.
  const without = option === '--http-listen' ? ', or none with "off"' : ''
  if (error.code === 'EADDRINUSE')
    return `${where}: another program does; stop it, or choose another port with ${option}${without}`
  if (error.code === 'EACCES')
    return `${where}: not permitted; ports below 1024 are for root unless the system says otherwise, as it does for a service (sett service install --server); or choose another port with ${option}${without}, and have the router lead this one to it`
  if (error.code === 'EADDRNOTAVAIL') return `${where}: this machine has no such address`
  return `${where}: ${error.message}`
}
