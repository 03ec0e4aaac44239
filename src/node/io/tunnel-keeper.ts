/**
 * Brings the tunnel and the machine's routes to where they should be: opens a tunnel for a login's key, tells it what
 * preferences and map ask for, opens it anew when it has failed, and has the host carry out the plan. When to look is
 * live-node.ts's matter.
 */

import { later } from '../../base/clock.ts'
import type { Clocks, Mono } from '../../base/clock.ts'
import { formatAddressPort } from '../../base/ip.ts'
import type { AddressPort, Ip } from '../../base/ip.ts'
import type { NodeKey, PrivateKey } from '../../base/keys.ts'
import type { Primitives } from '../../crypto/primitives.ts'
import type { NetInfo } from '../../wire/hostinfo.ts'
import { differences } from '../control/netmap.ts'
import type { NetmapChanges, NetworkMap } from '../control/netmap.ts'
import type { EngineSettings, PingAnswer } from '../engine.ts'
import { addressesOf } from '../filter-keeper.ts'
import type { Prefs } from '../local/prefs.ts'
import type { OwnEndpoint } from '../path/index.ts'
import { MARK_BYPASS } from '../routes/firewall.ts'
import { MTU } from '../routes/host-plan.ts'
import type { HostPlan } from '../routes/host-plan.ts'
import { readFacts } from './host/facts.ts'
import type { HostFacts } from './host/facts.ts'
import type { Host } from './host/host.ts'
import { LocalAddresses } from './host/local-networks.ts'
import type { HostProblem } from './host/problems.ts'
import { engineSettings, planFor } from './host-wishes.ts'
import { PeerApi } from './peer-api.ts'
import { Refusals } from './refusals.ts'
import type { TunDevice } from './tun.ts'
import { Tunnel } from './tunnel.ts'
import { WaitingPings } from './waiting-pings.ts'

export interface TunnelKeeperOptions {
  readonly primitives: Primitives
  readonly clocks: Clocks
  readonly disco: () => PrivateKey
  readonly tun: TunDevice
  readonly host: Host
  /** Of the UDP sockets; 0: any. */
  readonly port: number
  readonly log: (line: string) => void
  /** For PeerAPI: what whoever has this address in the tailnet is called. */
  readonly nameOf: (ip: Ip) => string | undefined
  readonly ownName: () => string
  readonly events: TunnelKeeperEvents
}

export interface TunnelKeeperEvents {
  endpoints(endpoints: readonly OwnEndpoint[]): void
  netInfo(netInfo: NetInfo): void
  /** PeerAPI listens elsewhere than before. */
  peerApi(): void
  /** Something that others look at is not as it was, or it is time to look anew. */
  changed(): void
}

export interface TunnelWish {
  readonly nodeKey: PrivateKey
  readonly publicKey: NodeKey
  readonly map: NetworkMap
  readonly prefs: Prefs
}

/** A tunnel that fails at once is opened anew after this time, and each time after twice as long, up to the limit. */
const REOPEN_MS = 1_000
const REOPEN_MAX_MS = 60_000
/** One that has lived so long has failed for a new reason. */
const LIVED_MS = 5 * 60_000

export class TunnelKeeper {
  readonly #options: TunnelKeeperOptions
  readonly #pings = new WaitingPings()
  readonly #refusals: Refusals
  readonly #peerApi: PeerApi
  readonly #local: LocalAddresses
  #tunnel: Tunnel | undefined
  #key: NodeKey | undefined
  #openedAt = 0 as Mono
  #failure: Error | undefined
  /** Somebody has asked for another tunnel in place of the one that runs. */
  #isStale = false
  #reopenMs = REOPEN_MS
  #reopenAt = 0 as Mono
  #reopenTimer: NodeJS.Timeout | undefined
  #endpoints: readonly OwnEndpoint[] = []
  #home = 0
  #latencies: ReadonlyMap<number, number> = new Map()
  #relays: ReadonlySet<number> = new Set()
  /** Some peer has proved itself since the tunnel was opened. */
  #hasSession = false
  /** The machine's routes lead into the tunnel that runs. */
  #hasRoutes = false
  #problems: readonly HostProblem[] = []
  /** Of the machine, since its network changed last. */
  #facts: Promise<HostFacts> | undefined
  /** What the engine's settings were made from: setting them costs a filter. */
  #settingsTold = ''
  /** What the host was asked for last, and what it was made of. */
  #plan: { readonly plan: HostPlan; readonly madeOf: readonly unknown[] } | undefined
  /** The machine may bear routes of ours. */
  #hostBusy = true

  constructor(options: TunnelKeeperOptions) {
    this.#options = options
    this.#refusals = new Refusals(options.log)
    this.#peerApi = new PeerApi(options)
    const { tun, clocks } = options
    this.#local = new LocalAddresses(tun.name, () => clocks.mono())
    // The first map is not to wait for them; whoever needs them hears of a failure.
    void this.#readFacts().catch(() => {})
  }

  get tunnel(): Tunnel | undefined {
    return this.#tunnel
  }
  get endpoints(): readonly OwnEndpoint[] {
    return this.#endpoints
  }
  /** Region of the home relay; 0: none. */
  get home(): number {
    return this.#home
  }
  /** In ms, of the relays that have answered the last look around. */
  get latencies(): ReadonlyMap<number, number> {
    return this.#latencies
  }
  /** Regions whose relay has taken our connection. */
  get relays(): ReadonlySet<number> {
    return this.#relays
  }
  /** Where PeerAPI listens. */
  get peerApi(): readonly AddressPort[] {
    return this.#peerApi.places
  }
  get hasSession(): boolean {
    return this.#hasSession
  }
  /** Whatever programs send to peers comes to the tunnel. */
  get hasRoutes(): boolean {
    return this.#hasRoutes
  }
  /** The machine has an address that leads out of it. */
  get hasNetwork(): boolean {
    return this.#local.all.some(({ isInternal }) => !isInternal)
  }
  /** What has ended the last tunnel, until one is opened again. */
  get failure(): Error | undefined {
    return this.#failure
  }
  /** What of the plan for the machine could not be carried out. */
  get problems(): readonly HostProblem[] {
    return this.#problems
  }

  /** Makes it so; the tunnel runs when this resolves. Only one such call may run at a time. */
  async run(wish: TunnelWish): Promise<void> {
    const { host, tun, clocks, events } = this.#options
    const { nodeKey, publicKey: key, map, prefs } = wish
    if (this.#tunnel !== undefined && (this.#key !== key || this.#failure !== undefined || this.#isStale))
      await this.#close()
    const local = this.#local.all
    const peerApi = this.#peerApi.places
    const settings = { ...engineSettings(prefs, map, local), peerApi }
    const { ShieldsUp, RouteAll, AdvertiseRoutes } = prefs
    const ports = peerApi.map(formatAddressPort)
    const told = JSON.stringify([ShieldsUp, RouteAll, AdvertiseRoutes, settings.exitNode, local, ports])
    if (this.#tunnel === undefined) {
      if (clocks.mono() < this.#reopenAt) return
      this.#tunnel = this.#open(nodeKey, settings)
      this.#key = key
      this.#failure = undefined
      this.#tunnel.netmap(map, differences(undefined, map))
    } else if (told !== this.#settingsTold) this.#tunnel.run((engine) => engine.setSettings(settings))
    this.#settingsTold = told
    const { engine, port } = this.#tunnel
    this.#hostBusy = true
    const facts = await this.#readFacts()
    const installed = engine.installed()
    const madeOf = [installed, JSON.stringify(prefs), map.fields.self.Addresses.join(), facts, told, port]
    // Most of what changes is where a peer is, and a plan for ten thousand peers takes milliseconds.
    if (this.#plan === undefined || madeOf.some((part, n) => part !== this.#plan?.madeOf[n])) {
      const plan = planFor({ device: tun.name, prefs, map, installed, local, facts, udpPort: port })
      this.#plan = { plan, madeOf }
    }
    const { plan } = this.#plan
    this.#setProblems([...facts.problems, ...(await host.apply(plan))])
    // Only now the device has the addresses.
    if (!this.#hasRoutes) {
      this.#hasRoutes = true
      events.changed()
    }
    if (await this.#peerApi.listenOn(addressesOf(map.fields.self))) {
      events.peerApi()
      events.changed()
    }
  }

  /** @param keepsHost leaves on the machine what is there of an earlier run, so that nothing leaks meanwhile */
  async rest(keepsHost: boolean): Promise<void> {
    if (this.#tunnel !== undefined) await this.#close()
    this.#reopenAt = 0 as Mono
    this.#failure = undefined
    clearTimeout(this.#reopenTimer)
    if (!keepsHost) await this.#peerApi.close()
    if (keepsHost || !this.#hostBusy) return
    this.#hostBusy = false
    this.#setProblems(await this.#options.host.down())
  }

  /** Sockets and sessions from scratch. */
  reopen(): void {
    if (this.#tunnel === undefined) return
    this.#isStale = true
    this.#options.events.changed()
  }

  netmap(map: NetworkMap, changes: NetmapChanges): void {
    this.#tunnel?.netmap(map, changes)
  }

  networkChanged(): void {
    this.#facts = undefined
    this.#local.forget()
    this.#tunnel?.networkChanged()
  }

  /** Somebody else has changed rules of the machine. */
  async rulesChanged(): Promise<void> {
    if (this.#tunnel !== undefined) this.#setProblems(await this.#options.host.repair())
  }

  /** Somebody may have flushed the machine's firewall. */
  async checkFirewall(): Promise<void> {
    if (this.#tunnel !== undefined) this.#setProblems(await this.#options.host.checkFirewall())
  }

  /** One ping by disco; `undefined`: no answer came. */
  ping(peer: NodeKey, size: number): Promise<PingAnswer | undefined> {
    const tunnel = this.#tunnel
    if (tunnel === undefined) return Promise.resolve(undefined)
    return this.#pings.ask((asked) => tunnel.run((engine, now) => engine.ping(peer, asked, size, now)))
  }

  /** One ping through the tunnel, to an address that leads to the peer; `undefined`: no answer came. */
  pingInside(kind: 'TSMP' | 'ICMP', peer: NodeKey, dst: Ip): Promise<PingAnswer | undefined> {
    const tunnel = this.#tunnel
    if (tunnel === undefined) return Promise.resolve(undefined)
    return this.#pings.ask((asked) => tunnel.run((engine, now) => engine.pingInside(kind, peer, dst, asked, now)))
  }

  #open(nodeKey: PrivateKey, settings: EngineSettings): Tunnel {
    const { primitives, clocks, disco, tun, port, events } = this.#options
    this.#openedAt = clocks.mono()
    const tunnel: Tunnel = new Tunnel({
      primitives,
      clocks,
      nodeKey,
      disco: disco(),
      tun,
      port,
      mtu: MTU,
      mark: MARK_BYPASS,
      settings,
      events: {
        endpoints: (endpoints) => {
          this.#endpoints = endpoints
          events.endpoints(endpoints)
        },
        home: (region, latencies) => {
          this.#home = region
          this.#latencies = latencies
          const DERPLatency = Object.fromEntries([...latencies].map(([id, ms]) => [`${id}-v4`, ms / 1000]))
          events.netInfo({ PreferredDERP: region, WorkingUDP: latencies.size > 0, DERPLatency })
          events.changed()
        },
        pinged: (asked, answer) => this.#pings.answer(asked, answer),
        relays: (connected) => {
          this.#relays = connected
          events.changed()
        },
        established: () => {
          if (this.#hasSession) return
          this.#hasSession = true
          events.changed()
        },
        rejected: (flow, reason) => this.#refusals.note(flow, reason, clocks.mono()),
        rebind: () => this.reopen(),
        failed: (error) => void (this.#tunnel === tunnel && this.#failed(error)),
      },
    })
    return tunnel
  }

  #failed(error: Error): void {
    const { clocks, log, events } = this.#options
    if (this.#failure !== undefined) return
    const now = clocks.mono()
    if (now - this.#openedAt > LIVED_MS) this.#reopenMs = REOPEN_MS
    log(`the tunnel has failed, and is opened anew in ${this.#reopenMs / 1_000} s: ${error.message}`)
    this.#failure = error
    this.#reopenAt = later(now, this.#reopenMs)
    this.#reopenTimer = setTimeout(() => events.changed(), this.#reopenMs + 1)
    this.#reopenMs = Math.min(REOPEN_MAX_MS, this.#reopenMs * 2)
    events.changed()
  }

  async #close(): Promise<void> {
    const tunnel = this.#tunnel
    this.#tunnel = undefined
    this.#key = undefined
    this.#isStale = false
    this.#relays = new Set()
    this.#hasSession = false
    this.#hasRoutes = false
    this.#facts = undefined
    this.#endpoints = []
    this.#pings.end()
    await tunnel?.close()
  }

  #readFacts(): Promise<HostFacts> {
    const facts = (this.#facts ??= readFacts(this.#options.tun.name))
    facts.catch(() => {
      if (this.#facts === facts) this.#facts = undefined
    })
    return facts
  }

  #setProblems(problems: readonly HostProblem[]): void {
    const told = new Set(this.#problems.map(({ text }) => text))
    for (const { text } of problems) if (!told.has(text)) this.#options.log(text)
    this.#problems = problems
  }
}
