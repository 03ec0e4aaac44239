/**
 * A node as its owner wants it: holds the login's session and the tunnel together, and brings both to where preferences
 * and map say they should be. What is asked through the local API is daemon-backend.ts, what is said by the session
 * session-news.ts, and by its maps map-news.ts.
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
import { discoKeyFor, generateKey } from '../../crypto/primitives.ts'
import type { Primitives } from '../../crypto/primitives.ts'
import type { Hostinfo } from '../../wire/hostinfo.ts'
import type { ClientVersion } from '../../wire/map-response.ts'
import { believed } from '../ceiling/believed.ts'
import type { Ceiling } from '../ceiling/ceiling.ts'
import { displayName, magicDnsSuffix } from '../control/names.ts'
import type { NetmapChanges, NetworkMap } from '../control/netmap.ts'
import type { Bus } from '../local/bus.ts'
import type { Health } from '../local/health.ts'
import { isIdle, nextIpnState } from '../local/ipn.ts'
import type { IpnState } from '../local/ipn.ts'
import type { Prefs } from '../local/prefs.ts'
import type { Profiles } from '../local/profiles.ts'
import { findNode } from '../local/whois.ts'
import type { Host } from './host/host.ts'
import { HealthWatch } from './health-watch.ts'
import { EngineNews } from './engine-news.ts'
import { exitNodeIn, withExitNodeNamed } from './exit-choice.ts'
import { Login } from './login.ts'
import { ownHostinfo, ownName, toldEndpoints } from './own-hostinfo.ts'
import type { StateStore } from './state-file.ts'
import type { TunDevice } from './tun.ts'
import { SessionNews } from './session-news.ts'
import { MapNews } from './map-news.ts'
import { MARK_BYPASS } from '../routes/firewall.ts'
import { healthFacts, ipnInputs } from './standing.ts'
import { TunnelKeeper } from './tunnel-keeper.ts'

export interface LiveNodeOptions {
  readonly primitives: Primitives
  readonly clocks: Clocks
  readonly store: StateStore
  readonly profiles: Profiles
  readonly machineKey: PrivateKey
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
  readonly #sessionNews: SessionNews
  readonly #mapNews: MapNews
  #disco: PrivateKey
  #state: IpnState = 'NoState'
  #settling: Promise<void> | undefined
  #dirty = false
  #closed = false

  constructor(options: LiveNodeOptions) {
    this.options = options
    this.#disco = generateKey(options.primitives.random)
    const { primitives, clocks, store, profiles, machineKey, mapFile, log } = options
    const now = (): Mono => this.#mono()
    this.#healthWatch = new HealthWatch(options)
    this.#mapNews = new MapNews({ ...options, healthWatch: this.#healthWatch, now })
    this.#sessionNews = new SessionNews({
      ...options,
      now,
      netmapChanged: (changes) => this.#netmapChanged(changes),
      settle: () => this.#settle(),
    })
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
      on: (action) => this.#sessionNews.take(action, this.login, this),
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
    return this.#sessionNews.authUrl
  }
  /** The last that was known. */
  get relayMap(): NetworkMap['fields']['relays'] {
    return this.#mapNews.relayMap
  }
  get clientVersion(): ClientVersion | undefined {
    return this.#sessionNews.clientVersion
  }
  /** Somebody has asked for a login, and the server has not answered yet. */
  get joins(): boolean {
    return this.#sessionNews.joins
  }
  /** Does any peer lead to networks? */
  get hasRoutedPeers(): boolean {
    return this.#mapNews.hasRoutedPeers
  }
  get exitNode(): number | undefined {
    return exitNodeIn(this.netmap, this.prefs)
  }

  // What the owner wants.

  /** Does as preferences say: after the start, and after a profile or a login has changed. */
  resume(authKey?: Secret): void {
    const { WantRunning: wants, LoggedOut: out } = this.prefs
    const hasKey = this.options.profiles.login.nodeKey !== undefined
    this.#sessionNews.forgetLink()
    // Whoever waits for a login with a key is told how it has ended, even where the node runs all the while.
    this.#sessionNews.joins = authKey !== undefined
    if (this.#sessionNews.joins) this.#state = 'NoState'
    // Sessions have gone with the last tunnel. Peers learn that by a disco key which they do not know, and begin anew.
    if (this.tunnel.tunnel === undefined) this.#disco = generateKey(this.options.primitives.random)
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
    this.#sessionNews.joins = true
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
      const gone = this.#sessionNews.keysGone()
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
    const answered = this.#sessionNews.expiryAnswered()
    this.login.run((session, now) => session.expireSooner(expiry, now))
    return answered
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

  #netmapChanged(changes: NetmapChanges): void {
    const map = this.netmap
    if (map !== undefined) this.tunnel.netmap(map, changes)
    this.#mapNews.take(map, changes, this.login)
    if (map !== undefined && changes.peers.length > 0) this.#nameExitNode()
  }

  // Where things should be.

  #settle(): void {
    this.#noteState()
    this.#healthWatch.look(healthFacts(this))
    this.#dirty = true
    this.#settling ??= this.#reconcile()
  }

  #noteState(): void {
    const { bus } = this.options
    const inputs = ipnInputs(this)
    let next = nextIpnState(this.#state, inputs)
    // A map that comes while relays stand leads through both states at once.
    if (next === 'Starting') next = nextIpnState(next, inputs)
    if (next === this.#state) return
    this.options.log(`state: ${this.#state} -> ${next}`)
    this.#state = next
    bus.publish({ state: next }, this.#mono())
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
    const isWanted = !this.#closed && this.prefs.WantRunning
    const waits = isWanted && (this.#state === 'NoState' || (this.login.isBegun && !isIdle(this.#state)))
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
