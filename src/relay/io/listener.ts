/**
 * The relay's TLS listener: who may begin a handshake, and how a request becomes a relay connection. (derp.md §3)
 *
 * Handshakes are bounded in time and number, in all and from one address, since they cost memory and cipher time
 * before anybody has proved who they are.
 */

import { Buffer } from 'node:buffer'
import type { IncomingMessage, Server as HttpServer } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import type { NodeKey } from '../../base/keys.ts'
import type { CertifiedKey } from '../../crypto/io/self-signed.ts'
import { MAX_CLIENT_INFO_BYTES, PROTOCOL_VERSION } from '../../wire/derp/frame.ts'
import { makeMetaCertificate } from './certificate.ts'
import type { EarlyConnections } from './early.ts'
import { answerHttp, answerPlainHttp, pathOf } from './http.ts'
import type { BootstrapDns } from './http.ts'
import type { Switchboard } from './line.ts'

// As a module it would be read whole, and load fetch and WebSocket with it: a tenth of each start.
const { createServer: createPlainServer } = process.getBuiltinModule('node:http')
const { createServer } = process.getBuiltinModule('node:https')

const HANDSHAKE_MS = 10_000
/** Connections that are not yet relay connections: handshakes, probes, idle HTTP. */
const MOST_HANDSHAKES = 2048
/** A whole office may sit behind one address and come back at once after a restart. */
const MOST_HANDSHAKES_PER_ADDRESS = 256

export interface ListenerCounters {
  accepted: number
  rejected: number
  websockets: number
}

export interface Listener {
  readonly server: HttpsServer
  readonly counters: Readonly<ListenerCounters>
  /** Presents another certificate from the next handshake on; also renews the meta certificate. */
  setCertificate(certified: CertifiedKey): void
  /** Stops accepting and closes every connection that isn't a relay connection. */
  stopAccepting(): void
}

/** TLS settings for a certificate: the meta certificate comes behind the chain. */
function secureContext(certified: CertifiedKey, relayKey: NodeKey) {
  const chain = certified.cert.trimEnd()
  return { cert: `${chain}\n${makeMetaCertificate(relayKey, new Date())}`, key: certified.key }
}

export function createListener(
  board: Switchboard,
  certified: CertifiedKey,
  bootstrapDns: BootstrapDns | undefined,
  early: EarlyConnections,
): Listener {
  const relayKey = board.hub.key
  const counters: ListenerCounters = { accepted: 0, rejected: 0, websockets: 0 }
  const gate = new Gate(counters)
  const server = createServer(
    {
      ...secureContext(certified, relayKey),
      minVersion: 'TLSv1.2',
      // HTTP/2 has no Upgrade.
      ALPNProtocols: ['http/1.1'],
      handshakeTimeout: HANDSHAKE_MS,
      headersTimeout: HANDSHAKE_MS,
      requestTimeout: HANDSHAKE_MS,
      keepAliveTimeout: HANDSHAKE_MS,
      connectionsCheckingInterval: HANDSHAKE_MS / 4,
      maxHeaderSize: 16 * 1024,
      noDelay: true,
      // An upgrade that means nothing to us is a request like any other.
      shouldUpgradeCallback: isRelayUpgrade,
    },
    (request, response) => {
      // Node reads no further behind an upgrade, also one that was not made.
      if (request.headers.upgrade !== undefined) response.once('finish', () => request.socket.end())
      answerHttp(request, response, bootstrapDns)
    },
  )
  const webSockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_CLIENT_INFO_BYTES * 2,
    handleProtocols: () => 'derp',
  })
  const greeting = Buffer.from(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: DERP\r\nConnection: Upgrade\r\n` +
      `Derp-Version: ${PROTOCOL_VERSION}\r\nDerp-Public-Key: ${relayKey.slice(8)}\r\n\r\n`,
  )

  server.on('connection', (socket: Socket) => gate.enter(socket))
  // Strangers' broken handshakes are no event of ours; without a listener Node would destroy the socket all the same.
  server.on('tlsClientError', () => {})
  server.on('clientError', (_error, socket) => socket.destroy())
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy())
    const protocol = request.headers.upgrade?.toLowerCase()
    const notIdeal = (request.headers['ideal-node'] ?? '') !== ''
    // IPv4 may come in IPv6 clothing, and is logged without it.
    const remote = (request.socket.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/, '')
    gate.leave(request.socket)
    // Ancient clients ask for a WebSocket and speak plain DERP; those who mean it name the subprotocol.
    if (protocol === 'websocket' && namesDerp(request.headers['sec-websocket-protocol'])) {
      counters.websockets++
      const take = () =>
        webSockets.handleUpgrade(request, socket, head, (ws) => board.addWebSocket(ws, notIdeal, remote))
      return early.admit(socket, take)
    }
    const fast = request.headers['derp-fast-start'] === '1'
    const answer = fast ? Buffer.alloc(0) : greeting
    early.admit(socket, () => board.addSocket(socket, answer, head, notIdeal, remote))
  })
  return {
    server,
    counters,
    setCertificate: (next) => server.setSecureContext({ ...secureContext(next, relayKey), minVersion: 'TLSv1.2' }),
    stopAccepting() {
      server.close()
      server.closeAllConnections()
      gate.closeAll()
      early.close()
    },
  }
}

function isRelayUpgrade(request: IncomingMessage): boolean {
  const protocol = request.headers.upgrade?.toLowerCase()
  return pathOf(request) === '/derp' && request.method === 'GET' && (protocol === 'derp' || protocol === 'websocket')
}

/** A listener without TLS, for the captive-portal check that clients make on port 80. */
export function createPlainListener(): HttpServer {
  return createPlainServer(
    {
      headersTimeout: HANDSHAKE_MS,
      requestTimeout: HANDSHAKE_MS,
      keepAliveTimeout: HANDSHAKE_MS,
      maxHeaderSize: 16 * 1024,
    },
    answerPlainHttp,
  )
}

/** Counts connections from their first packet until they are relay connections or gone. */
class Gate {
  readonly #counters: ListenerCounters
  readonly #inside = new Map<Socket, string>()
  readonly #byAddress = new Map<string, number>()

  constructor(counters: ListenerCounters) {
    this.#counters = counters
  }

  enter(socket: Socket): void {
    const address = blockOf(socket.remoteAddress ?? '')
    const already = this.#byAddress.get(address) ?? 0
    if (this.#inside.size >= MOST_HANDSHAKES || already >= MOST_HANDSHAKES_PER_ADDRESS) {
      this.#counters.rejected++
      socket.destroy()
      return
    }
    this.#counters.accepted++
    this.#inside.set(socket, address)
    this.#byAddress.set(address, already + 1)
    socket.once('close', () => this.#forget(socket))
  }

  /** `socket` may be the TLS socket on top of the one that entered. */
  leave(socket: Socket): void {
    this.#forget((socket as { _parent?: Socket })._parent ?? socket)
  }

  /** Closes whoever is still inside. */
  closeAll(): void {
    for (const socket of this.#inside.keys()) socket.destroy()
  }

  #forget(socket: Socket): void {
    const address = this.#inside.get(socket)
    if (address === undefined) return
    this.#inside.delete(socket)
    const left = (this.#byAddress.get(address) as number) - 1
    if (left === 0) this.#byAddress.delete(address)
    else this.#byAddress.set(address, left)
  }
}

/** What one customer has: an IPv4 address, or an IPv6 /64. */
function blockOf(address: string): string {
  return address.includes(':') && !address.includes('.') ? address.split(':').slice(0, 4).join(':') : address
}

function namesDerp(header: string | undefined): boolean {
  return header !== undefined && header.split(',').some((name) => name.trim() === 'derp')
}
