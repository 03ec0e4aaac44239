/**
 * A node as its owner wants it: holds the login's session, the tunnel and the machine's routes together, and brings all
 * three to where preferences and map say they should be. What is asked through the local API is daemon-backend.ts.
 *
 * Every event ends in `#settle`: it looks at what is wanted and what is there, tells a new state, and has one
 * reconciliation run at a time, which begins anew while things change.
 */

import type { Clocks, Mono } from '../../base/clock.ts'
import type { NodeKey, PrivateKey } from '../../base/keys.ts'
import type { Secret } from '../../base/secret.ts'
import { discoKeyFor, nodeKeyFor } from '../../crypto/primitives.ts'
import type { Primitives } from '../../crypto/primitives.ts'
import type { ClientVersion } from '../../wire/map-response.ts'
import { displayMessages, magicDnsSuffix } from '../control/names.ts'
import { differences } from '../control/netmap.ts'
import type { NetmapChanges, NetworkMap } from '../control/netmap.ts'
import type { PingAnswer } from '../engine.ts'
import type { Bus } from '../local/bus.ts'
import type { Health } from '../local/health.ts'
import { isIdle, nextIpnState } from '../local/ipn.ts'
import type { IpnState } from '../local/ipn.ts'
import { withExitNodeId } from '../local/prefs-edit.ts'
import type { Prefs } from '../local/prefs.ts'
import type { Profiles } from '../local/profiles.ts'
import type { OwnEndpoint } from '../path/index.ts'
import { MARK_BYPASS } from '../routes/firewall.ts'
import { MTU } from '../routes/host-plan.ts'
import type { OwnerAction } from './control-shell.ts'
import { readFacts } from './host/facts.ts'
import type { HostFacts } from './host/facts.ts'
import type { Host } from './host/host.ts'
import { localAddresses } from './host/local-networks.ts'
import type { HostProblem } from './host/problems.ts'
import { engineSettings, exitNodeIn, planFor } from './host-wishes.ts'
import { Login } from './login.ts'
import { ownHostinfo, toldEndpoints } from './own-hostinfo.ts'
import type { StateStore } from './state-file.ts'
import type { TunDevice } from './tun.ts'
import { Tunnel } from './tunnel.ts'
import { WaitingPings } from './waiting-pings.ts'

export interface LiveNodeOptions {
  readonly primitives: Primitives
  readonly clocks: Clocks
  readonly store: StateStore
  readonly profiles: Profiles
  readonly machineKey: PrivateKey
  /** New at every start. */
  readonly disco: PrivateKey
  readonly mapFile: string
  readonly tun: TunDevice
  readonly host: Host
  /** Of the UDP sockets; 0: any. */
  readonly port: number
  readonly version: string
  readonly logId: string
  readonly bus: Bus
  readonly health: Health
  readonly log: (line: string) => void
}

export class LiveNode {
  readonly options: LiveNodeOptions
  readonly login: Login
  #tunnel: Tunnel | undefined
  #tunnelKey: NodeKey | undefined
  #state: IpnState = 'NoState'
  #authUrl = ''
  #endpoints: readonly OwnEndpoint[] = []
  #home = 0
  #relays = 0
  /** Some peer has proved itself since the tunnel was opened. */
  #hasSession = false
  #relayMap: NetworkMap['fields']['relays']
  #clientVersion: ClientVersion | undefined
  #hostProblems: readonly HostProblem[] = []
  /** Of the machine, since its network changed last. */
  #facts: HostFacts | undefined
  /** What the engine's settings were made from: setting them costs a filter. */
  #settingsTold = ''
  /** The machine may bear routes of ours. */
  #hostBusy = true
  #settling: Promise<void> | undefined
  #dirty = false
  #closed = false
  readonly #pings = new WaitingPings()
  readonly #goneWatchers = new Set<() => void>()

  constructor(options: LiveNodeOptions) {
    this.options = options
    const { primitives, clocks, store, profiles, machineKey, disco, mapFile, log, version, logId } = options
    this.login = new Login({
      primitives,
      clocks,
      store,
      profiles,
      machineKey,
      discoKey: discoKeyFor(primitives, disco),
      mapFile,
      hostinfo: () => ownHostinfo(profiles.prefs, { version, logId }),
      log,
      on: (action) => this.#take(action),
    })
  }

  get prefs(): Prefs {
    return this.options.profiles.prefs
  }
  get state(): IpnState {
    return this.#state
  }
  get tunnel(): Tunnel | undefined {
    return this.#tunnel
  }
  get netmap(): NetworkMap | undefined {
    return this.login.netmap
  }
  get authUrl(): string {
    return this.#authUrl
  }
  get endpoints(): readonly OwnEndpoint[] {
    return this.#endpoints
  }
  /** Region of the home relay; 0: none. */
  get home(): number {
    return this.#home
  }
  /** Relays that have taken our connection. */
  get liveRelays(): number {
    return this.#relays
  }
  /** The last that was known. */
  get relayMap(): NetworkMap['fields']['relays'] {
    return this.#relayMap
  }
  get clientVersion(): ClientVersion | undefined {
    return this.#clientVersion
  }
  get hostProblems(): readonly HostProblem[] {
    return this.#hostProblems
  }
  get exitNode(): number | undefined {
    return exitNodeIn(this.netmap, this.prefs)
  }

  // What the owner wants.

  /** Does as preferences say: after the start, and after a profile or a login has changed. */
  resume(authKey?: Secret): void {
    const { WantRunning: wants, LoggedOut: out } = this.prefs
    const hasKey = this.options.profiles.login.nodeKey !== undefined
    this.#authUrl = ''
    if (authKey !== undefined || (wants && !out && hasKey)) this.login.begin(authKey)
    else this.login.end()
    this.#settle()
  }

  /** A person is to log in; the link comes from the server. */
  logIn(): void {
    if (this.login.isBegun && this.login.state.phase === 'connecting') return
    if (!this.login.isBegun) this.login.begin()
    this.login.run((session, now) => session.login({}, now))
    this.#settle()
  }

  /** Resolves when the server has taken the key back, or could not be asked for it in time. */
  async logOut(patienceMs: number): Promise<void> {
    const { profiles } = this.options
    if (profiles.login.nodeKey !== undefined) {
      if (!this.login.isBegun) this.login.begin()
      const gone = new Promise<void>((resolve) => this.#goneWatchers.add(resolve))
      this.login.run((session, now) => session.logout(now))
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, patienceMs)))
      await Promise.race([gone, late])
      clearTimeout(timer)
    }
    this.login.end()
    if (profiles.login.nodeKey !== undefined) this.login.write(() => profiles.loggedOut())
    this.login.forgetMap()
    this.options.bus.publish({ prefs: this.prefs }, this.#mono())
    await this.settled()
  }

  /** Preferences have been set: makes them so. */
  setPrefs(prefs: Prefs): void {
    const { profiles, bus, version, logId } = this.options
    const before = this.prefs
    this.login.write(() => profiles.setPrefs(this.#named(prefs)))
    const now = this.prefs
    bus.publish({ prefs: now }, this.#mono())
    const begins = now.WantRunning !== before.WantRunning || now.LoggedOut !== before.LoggedOut
    if (begins || now.ControlURL !== before.ControlURL) {
      // A login that waits for a person goes on waiting.
      if (!(now.WantRunning && this.login.isBegun && now.ControlURL === before.ControlURL)) return this.resume()
    }
    const hostinfo = ownHostinfo(now, { version, logId })
    this.login.run((session, at) => session.setHostinfo(hostinfo, at))
    this.#settle()
  }

  /** One ping by disco; `undefined`: no answer came. */
  ping(peer: NodeKey, size: number): Promise<PingAnswer | undefined> {
    const tunnel = this.#tunnel
    if (tunnel === undefined) return Promise.resolve(undefined)
    return this.#pings.ask((asked) => tunnel.run((engine, now) => engine.ping(peer, asked, size, now)))
  }

  // What the machine tells.

  networkChanged(): void {
    this.#facts = undefined
    this.#tunnel?.networkChanged()
    this.login.run((session, now) => session.networkChanged(now))
    this.#settle()
  }

  async rulesChanged(): Promise<void> {
    if (this.#tunnel !== undefined) this.#setProblems(await this.options.host.repair())
  }

  /** Ends everything; the machine is as it was. */
  async close(): Promise<void> {
    this.#closed = true
    this.login.end()
    this.#settle()
    await this.settled()
    this.#pings.end()
  }

  /** Resolves when the machine is as preferences and map say. */
  async settled(): Promise<void> {
    this.#settle()
    await this.#settling
  }

  // What the session says.

  #take(action: OwnerAction): void {
    const { bus, log } = this.options
    const mono = this.#mono()
    switch (action.kind) {
      case 'keys':
        this.#authUrl = ''
        if (!this.prefs.WantRunning)
          this.login.write(() => this.options.profiles.setPrefs({ ...this.prefs, WantRunning: true }))
        bus.publish({ loginFinished: true, prefs: this.prefs }, mono)
        break
      case 'keys-gone':
        for (const tell of this.#goneWatchers) tell()
        this.#goneWatchers.clear()
        break
      case 'netmap-changed':
        this.#netmapChanged(action.changes)
        break
      case 'login-url':
        this.#authUrl = action.url
        bus.publish({ browseToUrl: action.url }, mono)
        break
      case 'state': {
        const { phase, why } = action.state
        if (phase !== 'log-in') this.#authUrl = ''
        log(`control: ${phase}${action.state.online ? ', online' : ''}${why === undefined ? '' : `: ${why}`}`)
        if ((phase === 'refused' || phase === 'locked') && why !== undefined) bus.publish({ error: why }, mono)
        break
      }
      case 'browse':
        bus.publish({ browseToUrl: action.url }, mono)
        break
      case 'client-version':
        this.#clientVersion = action.version
        bus.publish({ clientVersion: action.version }, mono)
        break
      // Nothing here answers for the node itself yet; silence would be waited for.
      case 'c2n':
        queueMicrotask(() => this.login.run((session, now) => session.answerC2n(action.id, undefined, now)))
        break
      case 'ping':
        queueMicrotask(() => this.login.run((session, now) => session.answerPing(action.id, undefined, now)))
        break
      case 'log':
        log(`control: ${action.event}${action.why === undefined ? '' : `: ${action.why}`}`)
        break
      case 'netmap-gone':
      case 'cache':
      case 'cache-gone':
      case 'exit-asked':
      case 'done':
        break
    }
    this.#settle()
  }

  #netmapChanged(changes: NetmapChanges): void {
    const map = this.netmap
    if (map === undefined) return
    const { profiles, bus, health, primitives } = this.options
    const { self, domain, relays } = map.fields
    if (relays !== undefined) this.#relayMap = relays
    this.#tunnel?.netmap(map, changes)
    const suffix = magicDnsSuffix(self)
    if (changes.parts.has('self') || changes.parts.has('profiles') || changes.parts.has('domain'))
      this.login.write(() => profiles.setNetwork(self.StableID, map.fields.profiles.get(self.User), suffix, domain))
    const named = this.#named(this.prefs)
    if (named.ExitNodeID !== this.prefs.ExitNodeID) this.login.write(() => profiles.setPrefs(named))
    if (changes.parts.has('messages') || changes.parts.has('health')) {
      health.setMessages(displayMessages(map.fields, (bytes) => primitives.sha256(bytes)))
      bus.publish({ health: health.state(this.#mono()) }, this.#mono())
    }
    if (bus.isQuiet) return
    const news = changes.peers.flatMap(({ now }) => now ?? [])
    const gone = changes.peers.flatMap(({ id, now }) => (now === undefined ? [id] : []))
    bus.publish(
      {
        ...(changes.parts.has('self') ? { self } : {}),
        ...(news.length > 0 ? { peersChanged: news } : {}),
        ...(gone.length > 0 ? { peersRemoved: gone } : {}),
        suffix,
      },
      this.#mono(),
    )
  }

  // Where things should be.

  #settle(): void {
    this.#noteState()
    this.#dirty = true
    this.#settling ??= this.#reconcile()
  }

  #noteState(): void {
    const { profiles, bus, health, clocks } = this.options
    const { WantRunning: wantRunning, LoggedOut: loggedOut } = this.prefs
    const { phase } = this.login.state
    const self = this.netmap?.fields.self
    const hasNodeKey = profiles.login.nodeKey !== undefined
    const inputs = {
      storeWorks: this.login.storeWorks,
      wantRunning,
      loggedOut,
      blocked: false,
      hasNodeKey,
      needsPerson: phase === 'log-in' || phase === 'needs-login' || !hasNodeKey,
      ...(self === undefined
        ? {}
        : { netmap: { expired: phase === 'expired', authorized: self.MachineAuthorized === true } }),
      liveSessions: this.#hasSession ? 1 : 0,
      liveRelays: this.#relays,
    }
    let next = nextIpnState(this.#state, inputs)
    // A map that comes while relays stand leads through both states at once.
    if (next === 'Starting') next = nextIpnState(next, inputs)
    const now = { mono: clocks.mono(), wall: clocks.wall() }
    const isNews = [
      health.set('wantrunning-false', !wantRunning, now),
      health.set('login-state', wantRunning && next === 'NeedsLogin', now),
      health.set('state-store-health', !this.login.storeWorks, now),
    ].some(Boolean)
    if (isNews && !bus.isQuiet) bus.publish({ health: health.state(now.mono) }, now.mono)
    if (next === this.#state) return
    this.options.log(`state: ${this.#state} -> ${next}`)
    this.#state = next
    bus.publish({ state: next }, now.mono)
  }

  async #reconcile(): Promise<void> {
    while (this.#dirty) {
      this.#dirty = false
      try {
        await this.#makeSo()
      } catch (error) {
        this.options.log((error as Error).message)
      }
    }
    // In the same step as the last look, so that no wish falls in between.
    this.#settling = undefined
  }

  async #makeSo(): Promise<void> {
    const { primitives, profiles, host, tun } = this.options
    const map = this.#closed || (isIdle(this.#state) && this.#state !== 'NoState') ? undefined : this.netmap
    const { nodeKey } = profiles.login
    const key = map === undefined || nodeKey === undefined ? undefined : nodeKeyFor(primitives, nodeKey)
    if (this.#tunnel !== undefined && this.#tunnelKey !== key) await this.#closeTunnel()
    if (map === undefined || nodeKey === undefined || key === undefined) {
      // A node that is about to come up keeps what an earlier run has left, so that nothing leaks meanwhile.
      const waits = !this.#closed && this.login.isBegun && !isIdle(this.#state)
      if (this.#hostBusy && !waits && this.#state !== 'NoState') this.#setProblems(await this.#hostDown())
      else if (this.#hostBusy && this.#closed) this.#setProblems(await this.#hostDown())
      return
    }
    const local = localAddresses(tun.name)
    const settings = engineSettings(this.prefs, map, local)
    const { ShieldsUp, RouteAll, AdvertiseRoutes } = this.prefs
    const told = JSON.stringify([ShieldsUp, RouteAll, AdvertiseRoutes, settings.exitNode, local])
    if (this.#tunnel === undefined) {
      this.#tunnel = this.#openTunnel(nodeKey, settings)
      this.#tunnelKey = key
      this.#tunnel.netmap(map, differences(undefined, map))
    } else if (told !== this.#settingsTold) this.#tunnel.run((engine) => engine.setSettings(settings))
    this.#settingsTold = told
    const { engine, port } = this.#tunnel
    this.#hostBusy = true
    this.#facts ??= await readFacts(tun.name)
    const facts = this.#facts
    const plan = planFor({
      device: tun.name,
      prefs: this.prefs,
      map,
      installed: engine.installed(),
      local,
      facts,
      udpPort: port,
    })
    this.#setProblems([...facts.problems, ...(await host.apply(plan))])
  }

  #hostDown(): Promise<readonly HostProblem[]> {
    this.#hostBusy = false
    return this.options.host.down()
  }

  #openTunnel(nodeKey: PrivateKey, settings: ReturnType<typeof engineSettings>): Tunnel {
    const { primitives, clocks, disco, tun, port, log } = this.options
    return new Tunnel({
      primitives,
      clocks,
      nodeKey,
      disco,
      tun,
      port,
      mtu: MTU,
      mark: MARK_BYPASS,
      settings,
      events: {
        endpoints: (endpoints) => {
          this.#endpoints = endpoints
          const told = toldEndpoints(endpoints)
          this.login.run((session, now) => session.setEndpoints(told, now))
        },
        home: (region, latencies) => {
          this.#home = region
          const DERPLatency = Object.fromEntries([...latencies].map(([id, ms]) => [`${id}-v4`, ms / 1000]))
          const netInfo = { PreferredDERP: region, WorkingUDP: latencies.size > 0, DERPLatency }
          this.login.run((session, now) => session.setNetInfo(netInfo, now))
        },
        pinged: (asked, answer) => this.#pings.answer(asked, answer),
        relays: (connected) => {
          this.#relays = connected
          this.#settle()
        },
        established: () => {
          if (this.#hasSession) return
          this.#hasSession = true
          this.#settle()
        },
        failed: (error) => log(`the tunnel has failed: ${error.message}`),
      },
    })
  }

  async #closeTunnel(): Promise<void> {
    const tunnel = this.#tunnel
    this.#tunnel = undefined
    this.#tunnelKey = undefined
    this.#relays = 0
    this.#hasSession = false
    this.#facts = undefined
    this.#endpoints = []
    this.#pings.end()
    await tunnel?.close()
  }

  #setProblems(problems: readonly HostProblem[]): void {
    const told = new Set(this.#hostProblems.map(({ text }) => text))
    for (const { text } of problems) if (!told.has(text)) this.options.log(text)
    this.#hostProblems = problems
  }

  /** With an exit node that was given by its address named by its ID. */
  #named(prefs: Prefs): Prefs {
    return withExitNodeId(prefs, (ip) => {
      const id = exitNodeIn(this.netmap, { ...prefs, ExitNodeID: '', ExitNodeIP: ip })
      return id === undefined ? undefined : this.netmap?.peers.get(id)?.StableID
    })
  }

  #mono(): Mono {
    return this.options.clocks.mono()
  }
}
