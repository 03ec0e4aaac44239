/**
 * Looks at how a node is, and has what is wrong told: sets the warnings of local/health.ts by what is so at the moment,
 * and keeps the one timer for those that show only after a while (node.md §15).
 */

import type { Clocks } from '../../base/clock.ts'
import { NEVER } from '../../base/clock.ts'
import type { ClientVersion } from '../../wire/map-response.ts'
import type { Bus } from '../local/bus.ts'
import type { Health, WarningArgs } from '../local/health.ts'
import { advertisesExitNode } from '../local/prefs.ts'
import type { Prefs } from '../local/prefs.ts'
import type { WarnableCode } from '../local/warnables.ts'
import { timerMs } from './timer-ms.ts'

/** What the warnings are made from. */
export interface HealthFacts {
  readonly prefs: Prefs
  /** Has the machine any address but its own loopback's? */
  readonly hasNetwork: boolean
  /** The node waits for somebody to log in. */
  readonly needsLogin: boolean
  /** What the server has said against the last login. */
  readonly loginError?: string | undefined
  /** A map stream is open. */
  readonly inMapPoll: boolean
  /** Why there is none, where that is known. */
  readonly serverError?: string | undefined
  /** The map stream is taken from this node again and again, as by a copy of it. */
  readonly contested?: boolean | undefined
  /** The tunnel as it runs; absent: none is wanted now. */
  readonly tunnel?: {
    readonly home: number
    readonly homeName: string
    readonly homeConnected: boolean
    readonly failure?: string | undefined
  }
  readonly storeError?: string | undefined
  /** What keeps the kernel from forwarding to advertised routes. */
  readonly forwarding?: string | undefined
  /** Why the chosen exit node takes nothing. */
  readonly exitNodeError?: string | undefined
  /** The server's filter could not be read. */
  readonly filterError?: string | undefined
  /** Peers have routes that this node does not take. */
  readonly routesPassedBy: boolean
  readonly clientVersion?: ClientVersion | undefined
}

type Finding = readonly [code: WarnableCode, isWrong: boolean, args?: WarningArgs]

/** Every warning that is set here, right or wrong. */
function findings(facts: HealthFacts): readonly Finding[] {
  const { prefs, tunnel, clientVersion: version, loginError, serverError, storeError, forwarding, filterError } = facts
  const { exitNodeError } = facts
  const wants = prefs.WantRunning
  const isOld = version !== undefined && !version.RunningLatest && (version.LatestVersion ?? '') !== ''
  const newer: WarningArgs = { 'available-version': version?.LatestVersion ?? '' }
  const home: WarningArgs =
    tunnel === undefined ? {} : { 'derp-region-id': String(tunnel.home), 'derp-region-name': tunnel.homeName }
  const isOut = wants && tunnel !== undefined
  return [
    ['network-status', wants && !facts.hasNetwork],
    ['wantrunning-false', !wants],
    ['login-state', wants && facts.needsLogin, loginError === undefined ? {} : { error: loginError }],
    ['not-in-map-poll', isOut && !facts.inMapPoll],
    ['mapresponse-timeout', isOut && !facts.inMapPoll, serverError === undefined ? {} : { error: serverError }],
    ['node-key-in-use', isOut && facts.contested === true],
    ['no-derp-home', isOut && tunnel.home === 0],
    ['no-derp-connection', isOut && tunnel.home !== 0 && !tunnel.homeConnected, home],
    ['magicsock-receive-func-error', isOut && tunnel.failure !== undefined, { name: tunnel?.failure ?? '' }],
    ['ip-forwarding-off', forwarding !== undefined, { error: forwarding ?? '' }],
    ['nosnat-with-advertised-exit-node', prefs.NoSNAT && advertisesExitNode(prefs)],
    ['exit-node-unusable', isOut && exitNodeError !== undefined, { error: exitNodeError ?? '' }],
    ['invalid-packet-filter', filterError !== undefined, { error: filterError ?? '' }],
    ['state-store-health', storeError !== undefined, { error: storeError ?? '' }],
    ['peers-advertise-routes', isOut && !prefs.RouteAll && facts.routesPassedBy],
    ['update-available', isOld && !version.UrgentSecurityUpdate, newer],
    ['security-update-available', isOld && version.UrgentSecurityUpdate, newer],
  ]
}

export class HealthWatch {
  readonly #health: Health
  readonly #bus: Bus
  readonly #clocks: Clocks
  #timer: NodeJS.Timeout | undefined

  constructor({ health, bus, clocks }: { readonly health: Health; readonly bus: Bus; readonly clocks: Clocks }) {
    this.#health = health
    this.#bus = bus
    this.#clocks = clocks
  }

  look(facts: HealthFacts): void {
    const now = { mono: this.#clocks.mono(), wall: this.#clocks.wall() }
    let isNews = false
    for (const [code, isWrong, args] of findings(facts)) isNews = this.#health.set(code, isWrong, now, args) || isNews
    if (isNews) this.tell()
  }

  /** Tells watchers how things stand, and again when that changes by itself. */
  tell(): void {
    const now = this.#clocks.mono()
    if (!this.#bus.isQuiet) this.#bus.publish({ health: this.#health.state(now) }, now)
    clearTimeout(this.#timer)
    const at = this.#health.deadline(now)
    if (at !== NEVER) this.#timer = setTimeout(() => this.tell(), timerMs(at, now))
  }

  close(): void {
    clearTimeout(this.#timer)
  }
}
