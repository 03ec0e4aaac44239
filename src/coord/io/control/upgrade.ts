/**
 * From an HTTP/1.1 request to a control connection: `POST /ts2021` with an upgrade, and the WebSocket of browsers
 * (control.md §3.1, §3.3).
 */

import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Socket } from 'node:net'
import { WebSocketServer } from 'ws'
import { EMPTY } from '../../../base/bytes.ts'
import type { PrivateKey } from '../../../base/keys.ts'
import type { Primitives } from '../../../crypto/primitives.ts'
import type { Mono } from '../../../base/clock.ts'
import { Buckets, Slots } from '../http/limits.ts'
import type { BucketRules, SlotRules } from '../http/limits.ts'
import type { TrustedProxies } from '../http/forwarded.ts'
import { ControlConnection } from './connection.ts'
import type { Services } from './connection.ts'
import { answerInitiation, earlyPayload, PROTOCOL, readHandshake, upgradeFault, withHead } from './handshake.ts'
import { socketPipe, webSocketPipe } from './pipe.ts'
import type { Pipe } from './pipe.ts'

/** A router that the network sees asks the kernel to look after connections that say nothing. */
const KEEPALIVE_MS = 60_000
/** How often connections are looked at for what should have happened. */
export const SWEEP_MS = 5_000
/** A WebSocket message has no need to be larger than the records that a client has at hand. */
const MAX_MESSAGE = 1024 * 1024

/**
 * A handshake costs some 0.3 ms. All nodes of a large site may come back at once behind one address, so the bucket
 * is deep; what flows in is what a server can bear for good.
 */
export const HANDSHAKES: BucketRules = { burst: 10_000, perSecond: 200, customers: 50_000 }
export const CONNECTIONS: SlotRules = { perAddress: 10_000, total: 100_000 }

export class Upgrades {
  readonly #p: Primitives
  readonly #key: PrivateKey
  readonly #services: Services
  readonly #proxies: TrustedProxies
  readonly #connections = new Set<ControlConnection>()
  readonly #handshakes: Buckets
  readonly #slots: Slots
  readonly #webSockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE,
    handleProtocols: (offered) => (offered.has(PROTOCOL) ? PROTOCOL : false),
  })
  readonly #sweeper: NodeJS.Timeout
  #leaving = false
  #empty: (() => void) | undefined

  constructor(options: {
    readonly primitives: Primitives
    readonly key: PrivateKey
    readonly services: Services
    readonly proxies: TrustedProxies
    readonly handshakes?: BucketRules
    readonly connections?: SlotRules
  }) {
    this.#handshakes = new Buckets(options.handshakes ?? HANDSHAKES)
    this.#slots = new Slots(options.connections ?? CONNECTIONS)
    this.#p = options.primitives
    this.#key = options.key
    this.#services = options.services
    this.#proxies = options.proxies
    this.#sweeper = setInterval(() => this.sweep(this.#services.mono()), SWEEP_MS).unref()
  }

  get connections(): number {
    return this.#connections.size
  }

  get streams(): number {
    let streams = 0
    for (const connection of this.#connections) streams += connection.openStreams
    return streams
  }

  /** Should the HTTP server hand this request over? Others get an ordinary answer, which says what is wrong. */
  wants(req: IncomingMessage): boolean {
    if (pathOf(req) !== '/ts2021' || this.#leaving) return false
    return isWebSocket(req) ? webSocketFault(req) === undefined : faultOf(req) === undefined
  }

  /** Why `wants` refuses a request for `/ts2021`, for the answer with status 400. */
  faultOf(req: IncomingMessage): string {
    return (isWebSocket(req) ? webSocketFault(req) : faultOf(req)) ?? 'try again'
  }

  /** Takes a request that `wants` wants. */
  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void {
    const from = this.#proxies.client(req.socket.remoteAddress, req.headers).address
    socket.on('error', () => socket.destroy())
    const now = this.#services.mono()
    const release = this.#handshakes.take(from, now) ? this.#slots.take(from) : undefined
    if (release === undefined) {
      socket.end('HTTP/1.1 429 Too Many Requests\r\nRetry-After: 10\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
      return
    }
    socket.once('close', release)
    const tcp = socket as Socket
    tcp.setTimeout(0)
    tcp.setNoDelay(true)
    tcp.setKeepAlive(true, KEEPALIVE_MS)
    if (!isWebSocket(req)) {
      const initiation = readHandshake(single(req.headers['x-tailscale-handshake'])) ?? EMPTY
      this.#open(socketPipe(tcp, head), initiation, from, 'upgrade')
      return
    }
    const initiation = readHandshake(handshakeInQuery(req)) ?? EMPTY
    this.#webSockets.handleUpgrade(req, socket, head, (webSocket) => {
      this.#open(webSocketPipe(webSocket), initiation, from, 'websocket')
    })
  }

  #open(pipe: Pipe, initiation: Uint8Array, from: string, kind: 'upgrade' | 'websocket'): void {
    const { log } = this.#services
    const answer = answerInitiation(this.#p, this.#key, initiation)
    const dressed = (bytes: Uint8Array) => (kind === 'upgrade' ? withHead(bytes) : bytes)
    if (answer.kind === 'refused') {
      log.info('client refused', { from, why: answer.why })
      pipe.write(dressed(answer.frame))
      pipe.end()
      pipe.listen({ data: () => {}, drained: () => {}, closed: () => {} })
      return
    }
    const { machine, version, session } = answer
    // The reference server sends no early payload over WebSockets (control.md §3.3).
    const early = kind === 'upgrade' ? earlyPayload(this.#p) : EMPTY
    const connection = new ControlConnection(
      pipe,
      { machine, version, from, session },
      this.#services,
      { first: dressed(answer.first), early },
      () => {
        this.#connections.delete(connection)
        if (this.#connections.size === 0) this.#empty?.()
        log.trace('control connection closed', { machine, from })
      },
    )
    this.#connections.add(connection)
    log.trace('control connection opened', { machine, version, from, kind })
  }

  /** Looks for connections that stand still. */
  sweep(now: Mono): void {
    for (const connection of this.#connections) connection.sweep(now)
  }

  /** Accepts nothing more; connections close as soon as what they have at hand is answered. */
  leave(): void {
    this.#leaving = true
    for (const connection of this.#connections) connection.leave()
  }

  /** Resolves when all connections have closed, or after so long. */
  async left(atMostMs: number): Promise<void> {
    if (this.#connections.size === 0) return
    const timer = setTimeout(() => this.#empty?.(), atMostMs)
    await new Promise<void>((resolve) => (this.#empty = resolve))
    clearTimeout(timer)
  }

  close(): void {
    this.#leaving = true
    clearInterval(this.#sweeper)
    for (const connection of this.#connections) connection.destroy()
    this.#webSockets.close()
  }
}

function pathOf(req: IncomingMessage): string {
  return (req.url ?? '').split('?', 1)[0] ?? ''
}

function isWebSocket(req: IncomingMessage): boolean {
  return req.headers.upgrade?.toLowerCase() === 'websocket'
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value
}

function faultOf(req: IncomingMessage): string | undefined {
  return upgradeFault({
    method: req.method,
    upgrade: req.headers.upgrade,
    connection: req.headers.connection,
    handshake: single(req.headers['x-tailscale-handshake']),
  })
}

function handshakeInQuery(req: IncomingMessage): string | undefined {
  const query = (req.url ?? '').split('?').slice(1).join('?')
  return new URLSearchParams(query).get('X-Tailscale-Handshake') ?? undefined
}

function webSocketFault(req: IncomingMessage): string | undefined {
  if (req.method !== 'GET') return 'want GET for a WebSocket'
  const offered = (req.headers['sec-websocket-protocol'] ?? '').split(',').map((p) => p.trim())
  if (!offered.includes(PROTOCOL)) return `want the WebSocket sub-protocol ${PROTOCOL}`
  if (readHandshake(handshakeInQuery(req)) === undefined) return 'missing or undecodable X-Tailscale-Handshake'
  return undefined
}
