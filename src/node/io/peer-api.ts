/**
 * The PeerAPI's sockets: HTTP on each address that the node has in its tailnet, and nowhere else (node.md §8.1). Callers
 * are peers, known by where they come from; whoever else gets here, such as a host of the local network, is cut off at
 * once. What is answered is peer-api/answer.ts.
 */

import { once } from 'node:events'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { formatIp, parseIp, unmapIp } from '../../base/ip.ts'
import type { AddressPort, Ip } from '../../base/ip.ts'
import { answerPeer } from '../peer-api/answer.ts'
import { peerApiPorts } from '../peer-api/ports.ts'

// As a module it would be read whole, and load fetch and WebSocket with it.
const { createServer } = process.getBuiltinModule('node:http')

/** In all, and of one peer: nobody may use up what the others need. */
const CONNECTIONS_MAX = 256
const PEER_CONNECTIONS_MAX = 16
const LIMITS = {
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 10_000,
  connectionsCheckingInterval: 2_000,
  maxHeaderSize: 8_192,
}

export interface PeerApiOptions {
  /** What whoever has this address in the tailnet is called; `undefined`: nobody has it. */
  readonly nameOf: (ip: Ip) => string | undefined
  readonly ownName: () => string
  readonly log: (line: string) => void
}

interface Listener {
  readonly place: AddressPort
  readonly server: Server
}

export class PeerApi {
  readonly #options: PeerApiOptions
  readonly #listeners = new Map<string, Listener>()
  /** What went wrong, so that it is told once: listening is tried again whenever something changes. */
  readonly #told = new Set<string>()
  readonly #open = new Map<string, number>()

  constructor(options: PeerApiOptions) {
    this.#options = options
  }

  /** Where it listens. */
  get places(): readonly AddressPort[] {
    return [...this.#listeners.values()].map(({ place }) => place)
  }

  /** Listens on these addresses and on no others. @returns is that a change? */
  async listenOn(addresses: readonly Ip[]): Promise<boolean> {
    const wanted = new Map(addresses.map((ip) => [formatIp(ip), ip]))
    let isChange = false
    for (const [text, listener] of this.#listeners) {
      if (wanted.has(text)) continue
      this.#listeners.delete(text)
      await end(listener)
      isChange = true
    }
    for (const [text, ip] of wanted) {
      if (this.#listeners.has(text)) continue
      const listener = await this.#listen(ip)
      if (listener === undefined) continue
      this.#listeners.set(text, listener)
      this.#told.clear()
      isChange = true
    }
    return isChange
  }

  async close(): Promise<void> {
    await this.listenOn([])
  }

  async #listen(ip: Ip): Promise<Listener | undefined> {
    for (const port of [...peerApiPorts(ip), 0]) {
      const server = createServer(LIMITS, (request, response) => this.#respond(request, response))
      server.maxConnections = CONNECTIONS_MAX
      server.maxHeadersCount = 50
      server.on('connection', (socket) => this.#admit(socket))
      server.on('upgrade', (_request, socket) => socket.destroy())
      server.on('clientError', (_error, socket) => socket.destroy())
      server.listen({ host: formatIp(ip), port, exclusive: true })
      try {
        await once(server, 'listening')
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') continue
        const line = `PeerAPI: ${(error as Error).message}`
        if (!this.#told.has(line)) this.#options.log(line)
        this.#told.add(line)
        return undefined
      }
      const bound = server.address()
      if (bound !== null && typeof bound === 'object') return { place: { ip, port: bound.port }, server }
    }
    return undefined
  }

  #admit(socket: Socket): void {
    const from = addressOf(socket)
    if (from === undefined || this.#options.nameOf(from) === undefined) return void socket.destroy()
    const key = formatIp(from)
    const open = (this.#open.get(key) ?? 0) + 1
    if (open > PEER_CONNECTIONS_MAX) return void socket.destroy()
    this.#open.set(key, open)
    socket.on('close', () => {
      const left = (this.#open.get(key) ?? 1) - 1
      if (left === 0) this.#open.delete(key)
      else this.#open.set(key, left)
    })
  }

  #respond(request: IncomingMessage, response: ServerResponse): void {
    const from = addressOf(request.socket)
    // Asked again: the peer may have left the tailnet since it connected.
    const name = from && this.#options.nameOf(from)
    if (from === undefined || name === undefined) return void request.socket.destroy()
    const { method = '', url = '', headers } = request
    const header = (wanted: string): string | undefined => {
      const value = headers[wanted]
      return Array.isArray(value) ? value[0] : value
    }
    const answer = answerPeer(
      { method, target: url, header },
      { caller: { name, address: formatIp(from) }, ownName: this.#options.ownName(), places: this.places },
    )
    response.on('error', () => {})
    // A body is none of what is answered here: it is not read.
    const hasBody = header('transfer-encoding') !== undefined || !['', '0'].includes(header('content-length') ?? '')
    response.writeHead(answer.status, {
      'Content-Type': 'text/plain; charset=utf-8',
      'Content-Length': Buffer.byteLength(answer.body),
      'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
      'X-Content-Type-Options': 'nosniff',
      ...(hasBody ? { Connection: 'close' } : {}),
      ...answer.headers,
    })
    response.end(method === 'HEAD' ? undefined : answer.body, () => {
      if (hasBody) request.socket.destroySoon()
    })
  }
}

function addressOf({ remoteAddress = '' }: Socket): Ip | undefined {
  const ip = parseIp(remoteAddress)
  return ip && unmapIp(ip)
}

async function end({ server }: Listener): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeAllConnections()
  await closed
}
