/** What the local API asks of a running node (local/backend.ts): each question put to the part that knows. */

import { SECOND_MS } from '../../base/clock.ts'
import type { Wall } from '../../base/clock.ts'
import { MeshError } from '../../base/errors.ts'
import { CAPABILITY_VERSION } from '../../wire/capability-version.ts'
import { parseServerAddress } from '../control/dial.ts'
import type {
  AbortSignalLike,
  Backend,
  DebugAction,
  PingOutcome,
  PingType,
  Refused,
  StartRequest,
} from '../local/backend.ts'
import { whyForbidden } from '../ceiling/ceiling.ts'
import { checkPrefs } from '../local/check-prefs.ts'
import { userMetricsText } from '../local/user-metrics.ts'
import { editedPrefs } from '../local/prefs-edit.ts'
import type { MaskedPrefs, Prefs } from '../local/prefs.ts'
import { viewOf } from './daemon-view.ts'
import { debugAction } from './debug-actions.ts'
import { engineCounts } from './engine-news.ts'
import { suggestion, suggestionJson } from './exit-choice.ts'
import { checkForwarding } from './host/facts.ts'
import type { LiveNode } from './live-node.ts'
import { operatorUid } from './local-api-operator.ts'
import { pingPeer } from './peer-pings.ts'

/** What the server may take to hear of a farewell. */
const LOGOUT_MS = 10_000

export interface DaemonLog {
  write(line: string): void
  /** Lines as they are written, until the returned function is called. */
  tail(line: (line: string) => void): () => void
}

export class DaemonBackend implements Backend {
  readonly #node: LiveNode
  readonly #log: DaemonLog
  readonly #shutdown: () => void
  readonly capabilityVersion = CAPABILITY_VERSION
  readonly version: string
  readonly logId: string

  constructor(node: LiveNode, log: DaemonLog, shutdown: () => void) {
    this.#node = node
    this.#log = log
    this.#shutdown = shutdown
    this.version = node.options.version
    this.logId = node.options.logId
  }

  get bus() {
    return this.#node.options.bus
  }

  view() {
    return viewOf(this.#node)
  }

  busStart() {
    const { health, clocks } = this.#node.options
    const { clientVersion } = this.#node
    const start = { view: this.view(), prefs: this.prefs(), health: health.state(clocks.mono()) }
    return { ...start, ...(clientVersion === undefined ? {} : { clientVersion }) }
  }

  prefs(): Prefs {
    return this.#node.prefs
  }

  async editPrefs(edit: MaskedPrefs): Promise<Prefs | Refused> {
    const next = editedPrefs(this.prefs(), edit)
    const refused = this.checkPrefs(next)
    if (refused !== undefined) return { refused }
    this.#node.setPrefs(next)
    await this.#node.settled()
    const { storeError } = this.#node.login
    return storeError === undefined
      ? this.prefs()
      : { refused: `It is so until settd ends, and not kept: ${storeError}` }
  }

  checkPrefs(prefs: Prefs): string | undefined {
    const { netmap } = this.#node
    return checkPrefs(prefs, {
      has: netmap && ((capability) => netmap.fields.self.CapMap?.has(capability) === true),
      current: this.prefs(),
      profileNames: this.#node.options.profiles.otherNames,
      can: {},
      whyNoServer,
      knowsUser: (name) => operatorUid(name) !== undefined,
      forbidden: (asked) => whyForbidden(this.#node.options.ceiling, asked),
    })
  }

  async start({ prefs, authKey }: StartRequest): Promise<Refused | undefined> {
    const { profiles } = this.#node.options
    const forbidden = prefs && this.checkPrefs(prefs)
    if (forbidden !== undefined) return { refused: forbidden }
    if (prefs !== undefined) this.#node.login.write(() => profiles.setPrefs(prefs))
    this.bus.publish({ prefs: this.prefs() }, this.#node.options.clocks.mono())
    this.#node.resume(authKey)
    return undefined
  }

  async loginInteractive(): Promise<Refused | undefined> {
    this.#node.logIn()
    return undefined
  }

  async logout(): Promise<Refused | undefined> {
    await this.#node.logOut(LOGOUT_MS)
    return undefined
  }

  async resetAuth(): Promise<Refused | undefined> {
    const { login, options } = this.#node
    await this.#node.changeLogin(() => login.write(() => options.profiles.forgetKeys()))
    return undefined
  }

  profiles() {
    const { all, current } = this.#node.options.profiles
    return { all, current }
  }

  async newProfile(): Promise<undefined> {
    const { login, options } = this.#node
    await this.#node.changeLogin(() => login.write(() => options.profiles.begin()))
  }

  async switchProfile(id: string): Promise<Refused | undefined> {
    const { login, options } = this.#node
    if (!options.profiles.has(id)) return { refused: 'no profile with that ID' }
    if (options.profiles.current.ID === id) return undefined
    await this.#node.changeLogin(() => login.write(() => options.profiles.use(id)))
    return undefined
  }

  async deleteProfile(id: string): Promise<Refused | undefined> {
    const { login, options } = this.#node
    const remove = (): void => login.write(() => options.profiles.remove(id))
    if (options.profiles.current.ID === id) await this.#node.changeLogin(remove)
    else remove()
    return undefined
  }

  ping(ip: string, type: PingType, size: number, signal: AbortSignalLike): Promise<PingOutcome> {
    return orGone(pingPeer(this.#node, ip, type, size), signal)
  }

  async setExpirySooner(expirySeconds: number): Promise<Refused | undefined> {
    const why = await this.#node.expireSooner((expirySeconds * SECOND_MS) as Wall)
    return why === undefined ? undefined : { refused: why }
  }

  suggestExitNode(): object {
    const { netmap, tunnel, options } = this.#node
    if (netmap === undefined) return { ID: '', Name: '' }
    const found = suggestion(netmap, tunnel, this.prefs().ExitNodeID, options.primitives.random)
    return suggestionJson(netmap, found)
  }

  async ipForwardingWarning(): Promise<string> {
    return checkForwarding(this.prefs().AdvertiseRoutes ?? [])?.text ?? ''
  }

  /** The resolver is left as it is. */
  async systemDns(): Promise<undefined> {}

  userMetrics(): string {
    const { netmap, tunnel, options } = this.#node
    const { rxBytes, txBytes } = engineCounts(tunnel, netmap, options.clocks.mono())
    const [counts, relayed] = [tunnel.tunnel?.counts(), tunnel.tunnel?.relayed]
    const offered = this.prefs().AdvertiseRoutes ?? []
    const { AllowedIPs: allowed = [] } = netmap?.fields.self ?? {}
    return userMetricsText({
      advertisedRoutes: offered.length,
      approvedRoutes: offered.filter((route) => allowed.includes(route)).length,
      warnings: this.view().health.length,
      homeRelay: tunnel.home,
      received: { bytes: rxBytes, relayedBytes: relayed?.received ?? 0 },
      sent: { bytes: txBytes, relayedBytes: relayed?.sent ?? 0 },
      inboundDrops: counts?.refusedInbound ?? new Map(),
      outboundDrops: counts?.refusedOutbound ?? new Map(),
    })
  }

  debugMetrics(): string {
    const drops = Object.entries(this.#node.tunnel.tunnel?.counts().drops ?? {})
    const lines = drops.map(([why, count]) => `settd_dropped_packets_total{reason=${JSON.stringify(why)}} ${count}\n`)
    return `${this.userMetrics()}# TYPE settd_dropped_packets_total counter\n${lines.join('')}`
  }

  async debug(action: DebugAction, body: string): Promise<unknown> {
    return debugAction(this.#node, action, body)
  }

  setComponentLogging(): Refused {
    return { refused: 'This version of Sett logs no component apart.' }
  }

  noteBugReport(marker: string, note: string): void {
    this.#log.write(`bug report ${marker}${note === '' ? '' : `: ${JSON.stringify(note)}`}`)
  }

  tailLog(line: (line: string) => void): () => void {
    return this.#log.tail(line)
  }

  async reloadConfig(): Promise<false> {
    return false
  }

  disconnectControl(): void {
    this.#node.login.disconnect()
  }

  shutdown(): void {
    this.#shutdown()
  }
}

function orGone<T>(answer: Promise<T>, signal: AbortSignalLike): Promise<T> {
  return new Promise((resolve, reject) => {
    const gone = (): void => reject(new MeshError('internal', 'Cannot answer: the caller has gone'))
    if (signal.aborted) return gone()
    signal.addEventListener('abort', gone, { once: true })
    void answer.then(resolve, reject)
  })
}

function whyNoServer(url: string): string | undefined {
  try {
    parseServerAddress(url)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}
