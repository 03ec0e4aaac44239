/**
 * The whole server, put together: folder, keys, store, relay, listeners, and the core between them. It starts, says
 * where it is, and stops; it knows nothing of signals and standard output.
 */

import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { DAY_MS, MINUTE_MS } from '../../base/clock.ts'
import { Secret } from '../../base/secret.ts'
import { MeshError } from '../../base/errors.ts'
import { machineKeyFor } from '../../crypto/primitives.ts'
import { nodePrimitives } from '../../crypto/io/node-primitives.ts'
import { BcryptThread } from './bcrypt.ts'
import { Coord } from '../coord.ts'
import { firstTailnet } from '../first-start.ts'
import type { RestOptions } from '../rest/rest.ts'
import { openAdminSocket } from './admin-socket.ts'
import { mono, wall } from './clocks.ts'
import { compress } from './compress.ts'
import { deriveUrl } from './config/config.ts'
import { doubtsOf } from './config/doubts.ts'
import type { Config } from './config/options.ts'
import { Bodies } from './control/bodies.ts'
import { keyBody } from './control/server-key.ts'
import { Turn } from './control/turn.ts'
import { Upgrades } from './control/upgrade.ts'
import { EarlyRequests } from './early-requests.ts'
import { exposeCertificate, exposeCore, exposeListener, exposeRelay } from './exposition.ts'
import { keepText, loadKey, openFolder } from './folder.ts'
import { Health } from './health.ts'
import { firstAddress } from './host.ts'
import { isLoopback, TrustedProxies } from './http/forwarded.ts'
import { Buckets } from './http/limits.ts'
import { openListeners } from './http/listeners.ts'
import type { Listeners } from './http/listeners.ts'
import { createPlainPort } from './http/plain-port.ts'
import { refuseJson } from './http/respond.ts'
import type { RestListener } from './http/rest-listener.ts'
import type { SiteListener } from './http/site-listener.ts'
import { createRoutes } from './http/routes.ts'
import { openDeliveries } from './deliver/open.ts'
import { lazyFederation } from './identity/lazy-federation.ts'
import { createSeal } from './identity/seal.ts'
import type { Log } from './log.ts'
import { Metrics } from './metrics.ts'
import { OwnAddresses } from './own-addresses.ts'
import { derpMapOf } from './relay-mount.ts'
import type { MountRelay } from './relay-mount.ts'
import { openStore } from './store/open.ts'
import { Ticker } from './ticker.ts'
import { troubleOf } from './tls/certificates.ts'
import type { CertificateState } from './tls/certificates.ts'
import { openCertificates } from './tls/open.ts'

/** Seals what the server must be able to say again. */
const SECRETS_KEY = { is: /^[0-9a-f]{64}$/, want: '64 hex digits' }
const SERVER_ID = { is: /^[0-9a-f]{16}$/, want: '16 hex digits' }
/** Bytes of request bodies being collected at once, all clients together. */
const BODIES = 64 * 1024 * 1024
/** Requests for access tokens: machines behind one address that all start at once get theirs, and guessing finds nothing. */
const TOKEN_TRIES = { burst: 300, perSecond: 5, customers: 10_000 }
/** An ephemeral node that says nothing is forgotten after so long; one that logs out, at once. */
const EPHEMERAL_MS = 30 * MINUTE_MS
/** Clients and relay connections get so long to hear the last words. */
const FAREWELL_MS = 2_000

export interface RunningServer {
  /** The origin that clients use. */
  readonly url: string
  /** Port of the first control listener. */
  readonly port: number
  readonly data: string
  readonly adminSocket: string
  /** What is known of the server's certificate, if it has one of its own. */
  certificate(): CertificateState | undefined
  /** Calls back with every certificate that is shown from then on. */
  onCertificate(shown: () => void): void
  /** A fresh auth key for one machine. */
  welcome(): Promise<Secret>
  /** A link by which somebody becomes the owner; nothing once the owner can log in, or where no browser may. */
  ownerLink(): Promise<Secret | undefined>
  /** Stops in good order: what was acknowledged is kept, clients are told. */
  stop(): Promise<void>
}

export interface ServerDeps {
  readonly log: Log
  readonly mountRelay: MountRelay
  readonly version: string
  readonly ephemeralMs?: number
}

/**
 * Starts a server.
 *
 * @throws MeshError `config/invalid` when an address, file or folder can't be used; what the store says otherwise
 */
export async function startServer(config: Config, deps: ServerDeps): Promise<RunningServer> {
  const { log } = deps
  /** What has been opened, to be closed in the opposite order when something after it fails. */
  const opened: (() => Promise<void> | void)[] = []
  try {
    return await assemble(config, deps, (close) => opened.push(close))
  } catch (error) {
    for (const close of opened.reverse()) {
      try {
        await close()
      } catch (err) {
        log.debug('could not close after a failed start', { err })
      }
    }
    throw error
  }
}

async function assemble(
  config: Config,
  { log, mountRelay, version, ephemeralMs = EPHEMERAL_MS }: ServerDeps,
  onFailure: (close: () => Promise<void> | void) => void,
): Promise<RunningServer> {
  const folder = openFolder(config.data)
  if (folder.open) log.warn('others may look into the data folder', { data: folder.path })
  const noiseKey = loadKey(folder, 'noise.key', nodePrimitives)
  const relayKey = loadKey(folder, 'relay.key', nodePrimitives)
  const serverName = keepText(folder, 'server.id', SERVER_ID, () => randomBytes(8).toString('hex'))
  const seal = createSeal(
    new Secret(keepText(folder, 'secrets.key', SECRETS_KEY, () => randomBytes(32).toString('hex'))),
  )
  const dice = nodePrimitives.random
  const sha256 = (...parts: Uint8Array[]) => nodePrimitives.sha256(...parts)

  // The listeners come first, so that clients of a server that restarts find the port open.
  const proxies = new TrustedProxies(config.trustedProxy)
  const metrics = new Metrics()
  onFailure(() => metrics.close())
  const sent = metrics.counter('sett_control_sent_bytes_total', 'Bytes sent inside Noise, as they leave')
  const early = new EarlyRequests()
  const upgrades = new Upgrades({
    primitives: nodePrimitives,
    key: noiseKey,
    proxies,
    services: { handler: () => early.handle, turn: new Turn(), log, bodies: new Bodies(BODIES), mono, counted: sent },
  })
  onFailure(() => upgrades.close())
  exposeListener(metrics, upgrades)

  const clocks = { mono, wall }
  const certificates = await openCertificates(config, { folder: folder.path, log, clocks, dice, version })
  onFailure(() => certificates?.close())
  if (certificates !== undefined) exposeCertificate(metrics, certificates)
  const trouble = (): string | undefined => certificates && troubleOf(certificates.state, wall())

  let ready: Ready | undefined
  let url = config.url ?? ''
  let addresses: OwnAddresses | undefined
  const upgrading = {
    proxies,
    wantsUpgrade: (req: IncomingMessage) => upgrades.wants(req),
    upgrade: (req: IncomingMessage, socket: Duplex, head: Buffer) => upgrades.upgrade(req, socket, head),
  }
  const listeners = await openListeners({
    ...upgrading,
    listen: config.listen,
    tls: certificates ?? 'off',
    handle: createRoutes({
      key: keyBody(nodePrimitives, machineKeyFor(nodePrimitives, noiseKey)),
      url: () => url,
      proxies,
      tls: config.tls !== 'off',
      pages: (req, res, secure) => ready?.pages(req, res, secure),
      ailment: async () => (ready === undefined ? 'the server is starting' : await ready.health.ailment()),
      trouble,
      bootstrapDns: () => addresses?.table() ?? {},
      metrics: () => metrics.read(),
      rest: (req, res) => ready?.rest('token', req, res),
      scim: (req, res) => ready?.scim(req, res),
      upgradeFault: (req) => upgrades.faultOf(req),
      failed: (method, err) => log.error('request failed', { method, err }),
      mono,
    }),
  })
  onFailure(() => listeners.close())
  const plain: Listeners = await openListeners({
    ...upgrading,
    listen: config.httpListen,
    option: '--http-listen',
    tls: 'off',
    handle: createPlainPort({
      url: () => url,
      proof: (token) => certificates?.answer?.(token),
      missing: () => (certificates?.state.until === undefined ? trouble() : undefined),
      upgradeFault: (req) => upgrades.faultOf(req),
    }),
  })
  onFailure(() => plain.close())
  const port = listeners.addresses[0]?.port ?? 0
  if (url === '') url = deriveUrl(config, port, firstAddress())
  const host = new URL(url).hostname.replace(/^\[(.*)\]$/, '$1')
  addresses = new OwnAddresses(host, mono)

  // Held before the store is opened: whoever has the socket has the folder.
  const admin = await openAdminSocket({
    path: join(folder.path, 'admin.sock'),
    log,
    ownUid: process.getuid?.() ?? -1,
    handle: (req, res) => {
      if (ready === undefined) refuseJson(res, 503, 'The server is starting: try again')
      else ready.rest('server', req, res).catch((err: unknown) => log.error('request failed', { err }))
    },
  })
  onFailure(() => admin.close())

  const opened = await openStore(config.database.reveal(), {
    dataDir: folder.path,
    log: {
      info: (fields, event) => log.info(event, { ...fields }),
      warn: (fields, event) => log.warn(event, { ...fields }),
    },
  })
  onFailure(() => opened.close())
  const health = new Health(opened, log)
  const { store } = health

  const relay = await mountRelay({
    listen: config.relayListen,
    stun: config.stunListen,
    key: relayKey,
    tls: certificates ?? 'off',
    folder: folder.path,
    host,
    realmOf: (key) => ready?.coord.realmOf(key),
    log: (event, fields) => log.debug(event, fields),
    bootstrapDns: addresses.table,
  })
  onFailure(() => relay.close(0))
  exposeRelay(metrics, relay)

  const bcrypt = new BcryptThread(mono)
  onFailure(() => bcrypt.close())
  const ticker = new Ticker(mono, () => ready?.coord)
  onFailure(() => ticker.stop())
  const derpMap = derpMapOf(host, relay)
  const coord = await Coord.open({
    store,
    clocks,
    dice,
    sha256,
    bcrypt: bcrypt.compare,
    compress,
    url,
    tailnetDomain: config.tailnetDomain,
    derpMap,
    server: serverName,
    ephemeralMs,
    auditMs: config.auditDays * DAY_MS,
    wake: ticker.wake,
    admissionChanged: () => relay.refreshAdmission(),
    failed: (what, err) => log.error('failed', { what, err }),
    say: (event, fields) => log.info(event, fields),
    deliver: openDeliveries({ sha256, seal, privateTargets: config.privateTargets }),
  })
  exposeCore(metrics, coord)
  const tokenTries = new Buckets(TOKEN_TRIES)
  const restOptions: RestOptions = {
    ledger: coord.ledger,
    policies: coord.policies,
    seal: (text, place) => seal.seal(text, place),
    federation: lazyFederation({
      mono,
      failed: (issuer, why) => log.warn('cannot read the keys of an issuer', { issuer, why }),
    }),
    mayTry: (address) => tokenTries.take(address, mono()),
    dice,
    primitives: { sha256 },
    config: { version, url, started: wall(), tailnetDomain: config.tailnetDomain },
    live: {
      isOnline: (tailnet, node) => coord.ledger.model.state(tailnet).presence(node)?.online === true,
      ping: (tailnet, node, echo) => coord.ping(tailnet, node, echo),
      regionName: (region) => derpMap.Regions[region]?.RegionName,
      certificate: () => certificates?.state,
    },
    pause: () => new Promise((resolve) => setImmediate(resolve)),
    onRequest: (seen) => log.debug('api request', { ...seen }),
    onError: (err, route) => log.error('api request failed', { route, err }),
  }
  let rest: Promise<Record<'token' | 'server', RestListener>> | undefined
  let site: Promise<SiteListener> | undefined
  let scim: Promise<RestListener> | undefined
  // Before anybody is served, so that there is always a tailnet to join.
  await firstTailnet(coord.ledger, dice, config.tailnetDomain)
  ready = {
    coord,
    health,
    async rest(who, req, res) {
      rest ??= import('./http/rest-listener.ts').then((loaded) =>
        loaded.createRestListeners(
          restOptions,
          (req) => proxies.client(req.socket.remoteAddress, req.headers).address,
          (req) => {
            const account = admin.accountOf(req.socket)
            if (account === undefined) throw new MeshError('internal', 'a caller at the admin socket has no account')
            return account
          },
        ),
      )
      await (await rest)[who](req, res)
    },
    async scim(req, res) {
      scim ??= import('./http/scim-listener.ts').then(({ createScimListener }) =>
        createScimListener(
          {
            ledger: coord.ledger,
            dice,
            sha256,
            url,
            onRequest: (seen) => log.debug('scim request', { ...seen }),
            onError: (err) => log.error('scim request failed', { err }),
          },
          (req) => proxies.client(req.socket.remoteAddress, req.headers).address,
        ),
      )
      await (
        await scim
      )(req, res)
    },
    async pages(req, res, secure) {
      site ??= import('./http/site.ts').then(({ openSite }) =>
        openSite({ coord, seal, url, log, dice, sha256, mono, proxies }),
      )
      await (
        await site
      )(req, res, secure)
    },
  }
  early.ready(coord.handle)
  relay.open()
  ticker.wake()
  certificates?.start?.()
  for (const { address, port } of [...listeners.addresses, ...plain.addresses]) log.info('listening', { address, port })
  for (const doubt of doubtsOf(config, url)) log.warn(doubt)
  log.info('started', { url, data: folder.path, relay: relay.port, stun: relay.stunPorts })

  return {
    url,
    port,
    data: folder.path,
    adminSocket: admin.path,
    certificate: () => certificates?.state,
    onCertificate: (shown) => certificates?.follow(shown),
    welcome: () => coord.welcome(),
    ownerLink: async () => (browsersMayLogIn(url) ? await coord.ownerLink() : undefined),
    async stop() {
      listeners.stop()
      plain.stop()
      certificates?.close()
      await admin.close()
      await coord.stopDelivering()
      ticker.stop()
      coord.close()
      upgrades.leave()
      await Promise.all([upgrades.left(FAREWELL_MS), relay.close(FAREWELL_MS), bcrypt.close()])
      upgrades.close()
      await Promise.all([listeners.close(), plain.close()])
      await store.close()
      metrics.close()
    },
  }
}

interface Ready {
  readonly coord: Coord
  readonly health: Health
  rest(who: 'token' | 'server', req: IncomingMessage, res: ServerResponse): Promise<void>
  scim(req: IncomingMessage, res: ServerResponse): Promise<void>
  pages(req: IncomingMessage, res: ServerResponse, secure: boolean): Promise<void>
}

/** Over TLS, or on this machine: elsewhere what they send could be read on the way. */
function browsersMayLogIn(url: string): boolean {
  const { protocol, hostname } = new URL(url)
  return protocol === 'https:' || hostname === 'localhost' || isLoopback(hostname.replace(/^\[(.*)\]$/, '$1'))
}

/** The version in our own manifest. */
export function readVersion(): string {
  const manifest = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(manifest) as { version: string }).version
}
