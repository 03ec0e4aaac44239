/** The control listener alone, on a real socket of this machine, with a handler that the test provides. */

import type { AddressInfo } from 'node:net'
import type { PrivateKey } from '../../src/base/keys.ts'
import { nodePrimitives } from '../../src/crypto/io/node-primitives.ts'
import { generateKey, machineKeyFor } from '../../src/crypto/primitives.ts'
import type { ControlHandler } from '../../src/coord/control.ts'
import type { TlsFiles } from '../../src/coord/io/config/options.ts'
import { mono } from '../../src/coord/io/clocks.ts'
import { keyBody } from '../../src/coord/io/control/server-key.ts'
import { Bodies } from '../../src/coord/io/control/bodies.ts'
import { Turn } from '../../src/coord/io/control/turn.ts'
import { Upgrades } from '../../src/coord/io/control/upgrade.ts'
import { TrustedProxies } from '../../src/coord/io/http/forwarded.ts'
import type { BucketRules, SlotRules } from '../../src/coord/io/http/limits.ts'
import { openListeners } from '../../src/coord/io/http/listeners.ts'
import type { ListenerOptions } from '../../src/coord/io/http/listeners.ts'
import { createRoutes } from '../../src/coord/io/http/routes.ts'
import type { Site } from '../../src/coord/io/http/routes.ts'
import type { Log } from '../../src/coord/io/log.ts'
import { readPair } from '../../src/coord/io/tls/pair.ts'

export interface TestListener {
  readonly url: string
  readonly port: number
  readonly key: PrivateKey
  readonly upgrades: Upgrades
  /** What was logged: event names and fields. */
  readonly logged: (readonly [string, object | undefined])[]
  /** Bytes of bodies that may still be collected. */
  readonly bodies: Bodies
  close(): Promise<void>
}

export interface TestListenerOptions {
  readonly handler?: ControlHandler
  readonly tls?: TlsFiles
  readonly trustedProxy?: readonly string[]
  readonly site?: Partial<Site>
  readonly host?: string
  readonly limits?: ListenerOptions['limits']
  readonly handshakes?: BucketRules
  readonly connections?: SlotRules
}

/** Answers every request with what it was. */
export const echo: ControlHandler = (request, reply) => {
  const { method, path, query, from, version, machineKey, body } = request
  reply.answer(200, JSON.stringify({ method, path, query, from, version, machineKey, length: body.length }))
}

export async function listenForControl(options: TestListenerOptions = {}): Promise<TestListener> {
  const key = generateKey(nodePrimitives.random)
  const proxies = new TrustedProxies(options.trustedProxy ?? [])
  const logged: (readonly [string, object | undefined])[] = []
  const note = (event: string, fields?: object) => void logged.push([event, fields])
  const log: Log = { trace: note, debug: note, info: note, warn: note, error: note }
  const bodies = new Bodies(64 * 1024 * 1024)
  const upgrades = new Upgrades({
    primitives: nodePrimitives,
    key,
    proxies,
    services: { handler: () => options.handler ?? echo, turn: new Turn(), log, bodies, mono, counted: () => {} },
    ...(options.handshakes === undefined ? {} : { handshakes: options.handshakes }),
    ...(options.connections === undefined ? {} : { connections: options.connections }),
  })
  let url = ''
  const host = options.host ?? '127.0.0.1'
  const listeners = await openListeners({
    listen: [{ host, port: 0 }],
    tls: options.tls === undefined ? 'off' : { current: readPair(options.tls), follow: () => undefined },
    proxies,
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    ...(options.connections === undefined ? {} : { connections: options.connections }),
    wantsUpgrade: (req) => upgrades.wants(req),
    upgrade: (req, socket, head) => upgrades.upgrade(req, socket, head),
    handle: createRoutes({
      key: keyBody(nodePrimitives, machineKeyFor(nodePrimitives, key)),
      url: () => url,
      proxies,
      tls: options.tls !== undefined,
      pages: async (_, res) => void res.end('pages'),
      ailment: async () => undefined,
      trouble: () => undefined,
      bootstrapDns: () => ({}),
      failed: (_, error) => note('failed', { error }),
      metrics: async () => ({ type: 'text/plain', text: 'metrics\n' }),
      rest: async (_, res) => void res.end('rest'),
      scim: async (_, res) => void res.end('scim'),
      upgradeFault: (req) => upgrades.faultOf(req),
      mono,
      ...options.site,
    }),
  })
  const { port } = listeners.addresses[0] as AddressInfo
  url = `${options.tls === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${port}`
  return {
    url,
    port,
    key,
    upgrades,
    logged,
    bodies,
    async close() {
      upgrades.close()
      await listeners.close()
    },
  }
}
