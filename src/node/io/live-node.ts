/**
 * A node as its owner wants it: holds the login's session and the tunnel together, and brings both to where preferences
 * and map say they should be. What is asked through the local API is daemon-backend.ts.
 *
 * Every event ends in `#settle`: it looks at what is wanted and what is there, tells a new state, and has one
 * reconciliation run at a time, which begins anew while things change.
 */

import type { Bytes } from '../../base/bytes.ts'
import type { Clocks, Mono, Wall } from '../../base/clock.ts'
import type { PrivateKey } from '../../base/keys.ts'
import { formatIp } from '../../base/ip.ts'
import type { Ip } from '../../base/ip.ts'
import type { Secret } from '../../base/secret.ts'
import { discoKeyFor } from '../../crypto/primitives.ts'
import type { Primitives } from '../../crypto/primitives.ts'
import type { Hostinfo } from '../../wire/hostinfo.ts'
import type { ClientVersion } from '../../wire/map-response.ts'
import { believed } from '../ceiling/believed.ts'
import type { Ceiling } from '../ceiling/ceiling.ts'
import type { Phase } from '../control/actions.ts'
import { displayMessages, displayName, magicDnsSuffix } from '../control/names.ts'
import type { NetmapChanges, NetworkMap } from '../control/netmap.ts'
import type { Bus } from '../local/bus.ts'
import type { Health } from '../local/health.ts'
import { isIdle, nextIpnState } from '../local/ipn.ts'
import type { IpnState } from '../local/ipn.ts'
import type { Prefs } from '../local/prefs.ts'
import type { Profiles } from '../local/profiles.ts'
import { findNode } from '../local/whois.ts'
import type { OwnerAction } from './control-shell.ts'
import type { Host } from './host/host.ts'
import { checkForwarding } from './host/facts.ts'
import { HealthWatch } from './health-watch.ts'
import { EngineNews } from './engine-news.ts'
import { exitNodeIn, withExitNodeNamed } from './exit-choice.ts'
import { Login } from './login.ts'
import { ownHostinfo, ownName, toldEndpoints } from './own-hostinfo.ts'
import type { StateStore } from './state-file.ts'
import type { TunDevice } from './tun.ts'
import { answerServerPing } from './peer-pings.ts'
import { RoutedPeers } from './routed-peers.ts'
import { MARK_BYPASS } from '../routes/firewall.ts'
import { TunnelKeeper } from './tunnel-keeper.ts'

/** Where the server takes the node's key no more, whatever a map from before says. */
const LOGGED_OUT: ReadonlySet<Phase> = new Set(['expired', 'log-in', 'needs-login', 'refused'])

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
  /** What the machine's owner forbids, whoever asks. */
  readonly ceiling: Ceiling
  /** Answers a raw HTTP/1 request of the server's; `undefined`: there is no answer. */
  readonly answerC2n: (request: Bytes, timeoutMs: number) => Promise<Bytes | undefined>
  readonly bus: Bus
  readonly health: Health
  readonly log: (line: string) => void
}

export class LiveNode {
  readonly options: LiveNodeOptions
  readonly login: Login
  readonly tunnel: TunnelKeeper
  readonly #healthWatch: HealthWatch
  readonly #engineNews: EngineNews
  readonly #routedPeers = new RoutedPeers()
  #disco: PrivateKey
  #state: IpnState = 'NoState'
  #authUrl = ''
  #relayMap: NetworkMap['fields']['relays']
  #clientVersion: ClientVersion | undefined
  /** Somebody has asked for a login, and the server has not answered yet. */
  #joins = false
  #settling: Promise<void> | undefined
  #dirty = false
  #closed = false
  readonly #goneWatchers = new Set<() => void>()
  readonly #expiryWatchers: ((why: string | undefined) => void)[] = []

  constructor(options: LiveNodeOptions) {
    this.options = options
    this.#disco = options.disco
    const { primitives, clocks, store, profiles, machineKey, mapFile, log } = options
    this.#healthWatch = new HealthWatch(options)
    this.login = new Login({
      primitives,
      clocks,
      store,
      profiles,
      machineKey,
      discoKey: () => discoKeyFor(primitives, this.#disco),
      mapFile,
      mark: MARK_BYPASS,
      believed: (message) => believed(options.ceiling, message),
      hostinfo: () => this.#hostinfo(),
      log,
      unkept: (why) => options.bus.publish({ error: why }, clocks.mono()),
      on: (action) => this.#take(action),
    })
    this.tunnel = new TunnelKeeper({
      ...options,
      disco: () => this.#disco,
      nameOf: (ip) => this.#nameOf(ip),
      ownName: () => ownName(this.prefs),
      events: {
        endpoints: (endpoints) => {
          const told = toldEndpoints(endpoints)
          this.login.run((session, now) => session.setEndpoints(told, now))
        },
        netInfo: (netInfo) => {
          this.login.run((session, now) => session.setNetInfo(netInfo, now))
          this.#nameExitNode()
        },
        peerApi: () => this.#tellHostinfo(),
        changed: () => this.#settle(),
      },
    })
    const { tunnel } = this
    this.#engineNews = new EngineNews({ ...options, tunnel, netmap: () => this.netmap })
  }

  get prefs(): Prefs {
    return this.options.profiles.prefs
  }
  get state(): IpnState {
    return this.#state
  }
  get netmap(): NetworkMap | undefined {
    return this.login.netmap
  }
  get authUrl(): string {
    return this.#authUrl
  }
  /** The last that was known. */
  get relayMap(): NetworkMap['fields']['relays'] {
    return this.#relayMap
  }
  get clientVersion(): ClientVersion | undefined {
    return this.#clientVersion
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
    // Whoever waits for a login with a key is told how it has ended, even where the node runs all the while.
    this.#joins = authKey !== undefined
    if (this.#joins) this.#state = 'NoState'
    if (authKey !== undefined || (wants && !out && hasKey)) this.login.begin(authKey)
    else this.login.end()
    this.#settle()
  }

  /** Another login is in use from now on, or none; what was so of the last is so no more. */
  async changeLogin(change: () => void): Promise<void> {
    this.login.end()
    this.#state = 'NoState'
    await this.settled()
    this.login.forgetMap()
    change()
    this.options.bus.publish({ prefs: this.prefs }, this.#mono())
    this.resume()
    await this.settled()
  }

  /** A person is to log in; the link comes from the server. */
  logIn(): void {
    if (this.login.isBegun && this.login.state.phase === 'connecting') return
    if (!this.login.isBegun) this.login.begin()
    this.#joins = true
    this.#state = 'NoState'
    // Always with a new key: whoever asks for it anew wants to be somebody else, or not to go on as who they were.
    this.login.run((session, now) => session.login({ anew: true }, now))
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
    this.login.write(() => profiles.loggedOut())
    this.login.forgetMap()
    this.options.bus.publish({ prefs: this.prefs }, this.#mono())
    await this.settled()
  }

  /** Takes a new disco key: peers learn of it from the server, and look for us anew. */
  useDisco(disco: PrivateKey): void {
    this.#disco = disco
    if (this.login.isBegun) this.login.begin()
    this.tunnel.reopen()
    this.#settle()
  }

  /** Has the server end the key sooner. Resolves with why not, if it does not. */
  expireSooner(expiry: Wall): Promise<string | undefined> {
    if (!this.login.isBegun) return Promise.resolve('the node is in no tailnet')
    return new Promise((answered) => {
      this.#expiryWatchers.push(answered)
      this.login.run((session, now) => session.expireSooner(expiry, now))
    })
  }

  /** Preferences have been set: makes them so. */
  setPrefs(prefs: Prefs): void {
    const { profiles, bus } = this.options
    const before = this.prefs
    this.login.write(() => profiles.setPrefs(this.#named(prefs)))
    const now = this.prefs
    bus.publish({ prefs: now }, this.#mono())
    const begins = now.WantRunning !== before.WantRunning || now.LoggedOut !== before.LoggedOut
    if (begins || now.ControlURL !== before.ControlURL) {
      // A login that waits for a person goes on waiting.
      if (!(now.WantRunning && this.login.isBegun && now.ControlURL === before.ControlURL)) return this.resume()
    }
    this.#tellHostinfo()
    this.#settle()
  }

  // What the machine tells.

  networkChanged(): void {
    this.tunnel.networkChanged()
    this.login.run((session, now) => session.networkChanged(now))
    this.#settle()
  }

  /** Ends everything; the machine is as it was. */
  async close(): Promise<void> {
    this.#closed = true
    this.login.end()
    this.#settle()
    await this.settled()
    this.#healthWatch.close()
    this.#engineNews.close()
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
        this.#joins = false
        if (!this.prefs.WantRunning)
          this.login.write(() => this.options.profiles.setPrefs({ ...this.prefs, WantRunning: true }))
        bus.publish({ loginFinished: true, prefs: this.prefs }, mono)
        break
      case 'keys-gone':
        for (const tell of this.#goneWatchers) tell()
        this.#goneWatchers.clear()
        break
      case 'login-refused':
        this.#joins = false
        bus.publish({ error: action.why }, mono)
        break
      case 'expiry-answered':
        this.#expiryWatchers.shift()?.(action.why)
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
        if (phase === 'refused' || phase === 'locked') this.#joins = false
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
      case 'c2n':
        void this.options
          .answerC2n(action.request, action.timeoutMs)
          .then((response) => this.login.run((session, now) => session.answerC2n(action.id, response, now)))
        break
      case 'ping':
        void answerServerPing(this, action, (response) =>
          this.login.run((session, now) => session.answerPing(action.id, response, now)),
        )
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
    this.#routedPeers.take(changes)
    const map = this.netmap
    if (map === undefined) return
    const { profiles, bus, health, primitives } = this.options
    const { self, domain, relays } = map.fields
    if (relays !== undefined) this.#relayMap = relays
    this.tunnel.netmap(map, changes)
    const suffix = magicDnsSuffix(self)
    if (changes.parts.has('self') || changes.parts.has('profiles') || changes.parts.has('domain'))
      this.login.write(() => profiles.setNetwork(self.StableID, map.fields.profiles.get(self.User), suffix, domain))
    if (changes.peers.length > 0) this.#nameExitNode()
    if (changes.parts.has('messages') || changes.parts.has('health')) {
      health.setMessages(displayMessages(map.fields, (bytes) => primitives.sha256(bytes)))
      this.#healthWatch.tell()
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
    this.#noteHealth()
    this.#dirty = true
    this.#settling ??= this.#reconcile()
  }

  #noteState(): void {
    const { profiles, bus } = this.options
    const { WantRunning: wantRunning, LoggedOut: loggedOut } = this.prefs
    const { phase } = this.login.state
    const self = this.#joins ? undefined : this.netmap?.fields.self
    const { hasRoutes, hasSession, relays } = this.tunnel
    const inputs = {
      storeWorks: this.login.storeError === undefined,
      wantRunning,
      loggedOut,
      blocked: false,
      hasNodeKey: profiles.login.nodeKey !== undefined,
      needsPerson: this.#needsPerson,
      ...(self === undefined
        ? {}
        : { netmap: { expired: LOGGED_OUT.has(phase), authorized: self.MachineAuthorized === true } }),
      // What nobody's packets come to is not up yet, whoever has answered it.
      liveSessions: hasRoutes && hasSession ? 1 : 0,
      liveRelays: hasRoutes ? relays.size : 0,
    }
    let next = nextIpnState(this.#state, inputs)
    // A map that comes while relays stand leads through both states at once.
    if (next === 'Starting') next = nextIpnState(next, inputs)
    if (next === this.#state) return
    this.options.log(`state: ${this.#state} -> ${next}`)
    this.#state = next
    bus.publish({ state: next }, this.#mono())
  }

  get #needsPerson(): boolean {
    const { phase } = this.login.state
    return phase === 'log-in' || phase === 'needs-login' || this.options.profiles.login.nodeKey === undefined
  }

  #noteHealth(): void {
    const { phase, why, online, contested } = this.login.state
    const { home, relays, failure, tunnel } = this.tunnel
    this.#healthWatch.look({
      prefs: this.prefs,
      hasNetwork: this.tunnel.hasNetwork,
      needsLogin: this.#state === 'NeedsLogin',
      // Where there is a map, a server that can't be reached is no matter of the login.
      loginError: phase === 'refused' || phase === 'locked' || phase === 'connecting' ? why : undefined,
      inMapPoll: online,
      serverError: online ? undefined : why,
      contested,
      ...(tunnel === undefined && failure === undefined
        ? {}
        : {
            tunnel: {
              home,
              homeName: this.#relayMap?.regions.get(home)?.RegionName ?? '',
              homeConnected: relays.has(home),
              failure: failure?.message,
            },
          }),
      storeError: this.login.storeError,
      forwarding: checkForwarding(this.prefs.AdvertiseRoutes ?? [])?.text,
      filterError: tunnel?.engine.filterProblem,
      routesPassedBy: this.#routedPeers.any,
      clientVersion: this.#clientVersion,
    })
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

  #makeSo(): Promise<void> {
    const { nodeKey } = this.options.profiles.login
    const isOut = this.#closed || (isIdle(this.#state) && this.#state !== 'NoState')
    const map = isOut ? undefined : this.netmap
    const { publicKey } = this.login
    if (map !== undefined && nodeKey !== undefined && publicKey !== undefined)
      return this.tunnel.run({ nodeKey, publicKey, map, prefs: this.prefs })
    // A node that is about to come up keeps what an earlier run has left on the machine.
    const waits = !this.#closed && (this.#state === 'NoState' || (this.login.isBegun && !isIdle(this.#state)))
    return this.tunnel.rest(waits)
  }

  #named(prefs: Prefs): Prefs {
    return withExitNodeNamed(prefs, this.netmap, this.tunnel, this.options.primitives.random)
  }

  /** The exit node may be another by what is known now. */
  #nameExitNode(): void {
    const named = this.#named(this.prefs)
    if (named.ExitNodeID === this.prefs.ExitNodeID) return
    this.login.write(() => this.options.profiles.setPrefs(named))
    this.options.bus.publish({ prefs: this.prefs }, this.#mono())
    this.#tellHostinfo()
  }

  /** What whoever has this address in the tailnet is called. */
  #nameOf(ip: Ip): string | undefined {
    const { netmap } = this
    const node = findNode({ netmap }, { ip: formatIp(ip) })
    return netmap && node && displayName(node, magicDnsSuffix(netmap.fields.self))
  }

  #hostinfo(): Hostinfo {
    const { version, logId } = this.options
    return ownHostinfo(this.prefs, { version, logId, peerApi: this.tunnel.peerApi })
  }

  #tellHostinfo(): void {
    const hostinfo = this.#hostinfo()
    this.login.run((session, at) => session.setHostinfo(hostinfo, at))
  }

  #mono(): Mono {
    return this.options.clocks.mono()
  }
}
