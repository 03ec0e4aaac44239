/**
 * Starts and stops a relay: TLS listener, STUN sockets, and the hub between them.
 */

import { Buffer } from 'node:buffer'
import { once } from 'node:events'
import type { Server as HttpServer } from 'node:http'
import type { AddressInfo, Server } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { DAY_MS } from '../../base/clock.ts'
import type { NodeKey, PrivateKey } from '../../base/keys.ts'
import { nodePrimitives } from '../../crypto/io/node-primitives.ts'
import type { CertifiedKey } from '../../crypto/io/self-signed.ts'
import { Hub } from '../hub/hub.ts'
import type { Admission, PeerReport } from '../hub/hub.ts'
import type { HubMetrics } from '../hub/metrics.ts'
import { pinOf } from './certificate.ts'
import { EarlyConnections } from './early.ts'
import type { BootstrapDns } from './http.ts'
import { now, Switchboard } from './line.ts'
import type { ConnectionLog } from './line.ts'
import { createListener, createPlainListener } from './listener.ts'
import { startStun } from './stun.ts'
import type { StunCounters } from './stun.ts'

export interface RelayOptions {
  /** Where to listen with TLS; host '' is every address, port 0 a free one. */
  readonly listen: { readonly host: string; readonly port: number }
  /** Where to answer captive-portal checks in clear, if at all; clients ask on port 80. */
  readonly plain?: { readonly host: string; readonly port: number }
  /** The relay's own key. It must stay the same over restarts. */
  readonly key: PrivateKey
  readonly tls: CertifiedKey
  /** UDP ports for STUN; two of them let clients tell their NAT. */
  readonly stun: readonly number[]
  readonly admission: Admission
  /** Connections wait until `open`, since the admission does not know yet. */
  readonly held?: boolean
  readonly log: ConnectionLog
  readonly bootstrapDns?: BootstrapDns
  /** Bytes that may wait in all queues together, and for one client. */
  readonly memoryBytes?: number
  readonly queueBytes?: number
}

export interface RelayMetrics {
  readonly hub: HubMetrics
  readonly derp_websocket_accepts: number
  readonly tls_listener: {
    readonly counter_accepted_connections: number
    readonly counter_rejected_connections: number
  }
  readonly stun: Readonly<StunCounters>
}

export interface Relay {
  readonly address: { readonly host: string; readonly port: number }
  /** Of the listener without TLS, if there is one. */
  readonly plainAddress: { readonly host: string; readonly port: number } | undefined
  readonly stunPorts: readonly number[]
  readonly key: NodeKey
  /** What a DERP map's `CertName` says to pin the certificate in use. */
  pin(): string
  /** Lets connections in that were held. */
  open(): void
  /** Asks the admission again for everybody connected. Call it when keys were revoked or moved. */
  refreshAdmission(): void
  /** Closes every connection of a key. */
  evict(key: NodeKey): void
  /** States a problem of this relay to all clients; the empty text clears it. */
  setHealth(problem: string): void
  setCertificate(certified: CertifiedKey): void
  metrics(): RelayMetrics
  peers(): PeerReport[]
  /** Stops. With `drainMs`, clients are told first and what waits for them is written for so long at most. */
  close(options?: { readonly drainMs?: number }): Promise<void>
}

/** Clients that are told of a restart come back so soon, and try for so long. */
const RECONNECT_MS = 1000
const TRY_FOR_MS = 30_000
const DRAIN_STEP_MS = 10
/** The meta certificate is good for 30 days. */
const META_RENEWAL_MS = 7 * DAY_MS

/** @throws the system's error when an address or port can't be had, or the certificate can't be used */
export async function startRelay(options: RelayOptions): Promise<Relay> {
  const hub = new Hub({
    primitives: nodePrimitives,
    key: options.key,
    admission: options.admission,
    allocate: (length) => Buffer.allocUnsafeSlow(length),
    ...(options.memoryBytes === undefined ? {} : { memoryBytes: options.memoryBytes }),
    ...(options.queueBytes === undefined ? {} : { queueBytes: options.queueBytes }),
  })
  const board = new Switchboard(hub, options.log)
  let certified = options.tls
  const early = new EarlyConnections(options.held === true)
  const listener = createListener(board, certified, options.bootstrapDns, early)
  const address = await listen(listener.server, options.listen)
  let plain: HttpServer | undefined
  let plainAddress: Relay['plainAddress']
  let stun: Awaited<ReturnType<typeof startStun>>
  try {
    if (options.plain !== undefined) {
      plain = createPlainListener()
      plainAddress = await listen(plain, options.plain)
    }
    stun = await startStun(options.listen.host, options.stun)
  } catch (error) {
    listener.stopAccepting()
    plain?.close()
    throw error
  }
  const renewal = setInterval(() => listener.setCertificate(certified), META_RENEWAL_MS)
  renewal.unref()
  let closing: Promise<void> | undefined
  // Whoever asks for no STUN here may have it elsewhere.
  options.log('relay.started', { port: address.port, ...(stun.ports.length > 0 ? { stun: stun.ports } : {}) })

  return {
    address,
    plainAddress,
    stunPorts: stun.ports,
    key: hub.key,
    pin: () => pinOf(certified.cert),
    open: () => early.open(),
    refreshAdmission: () => hub.refresh(now()),
    evict: (key) => hub.evict(key, now()),
    setHealth: (problem) => hub.setHealth(problem),
    setCertificate(next) {
      listener.setCertificate(next)
      certified = next
    },
    metrics: () => ({
      hub: hub.metrics(),
      derp_websocket_accepts: listener.counters.websockets,
      tls_listener: {
        counter_accepted_connections: listener.counters.accepted,
        counter_rejected_connections: listener.counters.rejected,
      },
      stun: { ...stun.counters },
    }),
    peers: () => hub.peers(),
    close: (how = {}) => (closing ??= stop(how.drainMs)),
  }

  async function stop(drainMs: number | undefined): Promise<void> {
    clearInterval(renewal)
    const closed = [listener.server, ...(plain === undefined ? [] : [plain])].map((server) => once(server, 'close'))
    listener.stopAccepting()
    plain?.close()
    plain?.closeAllConnections()
    if (drainMs !== undefined) {
      hub.restarting(RECONNECT_MS, TRY_FOR_MS)
      const until = now() + drainMs
      while (hub.busy && now() < until) await sleep(DRAIN_STEP_MS)
    }
    board.stop()
    await Promise.all([...closed, stun.close()])
    options.log('relay.stopped', {})
  }
}

async function listen(server: Server, at: { readonly host: string; readonly port: number }) {
  server.listen(at.host === '' ? { port: at.port } : { host: at.host, port: at.port })
  await once(server, 'listening')
  const { address, port } = server.address() as AddressInfo
  return { host: address, port }
}
