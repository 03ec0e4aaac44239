/**
 * The whole server, put together: folder, keys, listeners, admin socket, metrics, and the core between them. It
 * starts, says where it is, and stops; it knows nothing of signals and standard output.
 */

import { join } from 'node:path'
import type { PrivateKey } from '../../base/keys.ts'
import { machineKeyFor } from '../../crypto/primitives.ts'
import { nodePrimitives } from '../../crypto/io/node-primitives.ts'
import type { ControlHandler } from '../control.ts'
import { openAdminSocket } from './admin-socket.ts'
import { mono, wall } from './clocks.ts'
import { deriveUrl } from './config/config.ts'
import type { Config } from './config/options.ts'
import { keyBody } from './control/server-key.ts'
import { Turn } from './control/turn.ts'
import { Upgrades } from './control/upgrade.ts'
import { loadKey, openFolder } from './folder.ts'
import { firstAddress } from './host.ts'
import { TrustedProxies } from './http/forwarded.ts'
import { openListeners } from './http/listeners.ts'
import { refuse, respond, JSON_TEXT } from './http/respond.ts'
import { createRoutes } from './http/routes.ts'
import type { Log } from './log.ts'
import { Metrics } from './metrics.ts'

/** Bytes of request bodies being collected at once, all clients together. */
const BODIES = 64 * 1024 * 1024

export interface RunningServer {
  /** The origin that clients use. */
  readonly url: string
  /** Port of the first control listener. */
  readonly port: number
  readonly data: string
  readonly adminSocket: string
  /** Stops in good order: what was acknowledged is kept, clients are told. */
  stop(): Promise<void>
}

/**
 * Starts a server.
 *
 * @throws MeshError `config/invalid` when an address, file or folder can't be used
 */
export async function startServer(config: Config, log: Log): Promise<RunningServer> {
  const folder = openFolder(config.data)
  if (folder.open) log.warn('others may look into the data folder', { data: folder.path })
  const noiseKey: PrivateKey = loadKey(folder, 'noise.key', nodePrimitives)
  const publicKey = machineKeyFor(nodePrimitives, noiseKey)

  const proxies = new TrustedProxies(config.trustedProxy)
  const metrics = new Metrics()
  const sent = metrics.counter('sett_control_sent_bytes_total', 'Bytes sent inside Noise, as they leave')
  const notYet: ControlHandler = (_, reply) => reply.answer(501, 'not implemented\n')
  const upgrades = new Upgrades({
    primitives: nodePrimitives,
    key: noiseKey,
    proxies,
    services: { handler: () => notYet, turn: new Turn(), log, bodies: { left: BODIES }, mono, counted: sent },
  })
  metrics.gauge('sett_control_connections', 'Control connections', () => upgrades.connections)
  metrics.gauge(
    'sett_control_requests',
    'Requests under way inside Noise, map streams included',
    () => upgrades.streams,
  )

  let url = config.url ?? ''
  const readMetrics = async () => ({ type: metrics.contentType, text: await metrics.text() })
  const listeners = await openListeners({
    listen: config.listen,
    tls: config.tls,
    proxies,
    wantsUpgrade: (req) => upgrades.wants(req),
    upgrade: (req, socket, head) => upgrades.upgrade(req, socket, head),
    handle: createRoutes({
      key: keyBody(nodePrimitives, publicKey),
      url: () => url,
      proxies,
      tls: config.tls !== 'off',
      loginPage: () => undefined,
      ailment: () => undefined,
      metrics: readMetrics,
      rest: async (_, res) => refuse(res, 501, 'not implemented'),
      upgradeFault: (req) => upgrades.faultOf(req),
      mono,
      wall,
    }),
  })
  const port = listeners.addresses[0]?.port ?? 0
  if (url === '') url = deriveUrl(config, port, firstAddress())

  const admin = await openAdminSocket({
    path: join(folder.path, 'admin.sock'),
    log,
    ownUid: process.getuid?.() ?? -1,
    handle: (_, res) => respond(res, 501, JSON_TEXT, '{"message":"not implemented"}'),
  })
  for (const { address, port } of listeners.addresses) log.info('listening', { address, port })

  return {
    url,
    port,
    data: folder.path,
    adminSocket: admin.path,
    async stop() {
      listeners.stop()
      upgrades.leave()
      await admin.close()
      upgrades.close()
      await listeners.close()
      metrics.close()
    },
  }
}
