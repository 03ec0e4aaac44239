/**
 * What the control session says, as far as somebody is to hear of it: keeps how a login stands, tells the bus and whoever
 * waits for an answer, and has the server's own questions answered. What a new map means is map-news.ts.
 */

import type { Bytes } from '../../base/bytes.ts'
import type { Mono } from '../../base/clock.ts'
import type { ClientVersion } from '../../wire/map-response.ts'
import type { NetmapChanges } from '../control/netmap.ts'
import type { Bus } from '../local/bus.ts'
import type { Profiles } from '../local/profiles.ts'
import type { OwnerAction } from './control-shell.ts'
import type { Login } from './login.ts'
import { answerServerPing } from './peer-pings.ts'
import type { PingingNode } from './peer-pings.ts'

export interface SessionNewsOptions {
  readonly bus: Bus
  readonly profiles: Profiles
  readonly log: (line: string) => void
  readonly now: () => Mono
  /** Answers a raw HTTP/1 request of the server's; `undefined`: there is no answer. */
  readonly answerC2n: (request: Bytes, timeoutMs: number) => Promise<Bytes | undefined>
  readonly netmapChanged: (changes: NetmapChanges) => void
  /** Something may have to be done about what was said. */
  readonly settle: () => void
}

export class SessionNews {
  readonly #options: SessionNewsOptions
  /** Somebody has asked for a login, and the server has not answered yet. */
  joins = false
  #authUrl = ''
  #clientVersion: ClientVersion | undefined
  readonly #goneWatchers = new Set<() => void>()
  readonly #expiryWatchers: ((why: string | undefined) => void)[] = []

  constructor(options: SessionNewsOptions) {
    this.#options = options
  }

  /** Where a person has to log in; empty: nowhere. */
  get authUrl(): string {
    return this.#authUrl
  }

  get clientVersion(): ClientVersion | undefined {
    return this.#clientVersion
  }

  /** Another session begins: links of the one before lead nowhere. */
  forgetLink(): void {
    this.#authUrl = ''
  }

  /** Resolves when the server has taken the key back. */
  keysGone(): Promise<void> {
    return new Promise((resolve) => this.#goneWatchers.add(resolve))
  }

  /** Resolves when the server has answered to the next wish for a sooner end of the key: with why not, if it won't. */
  expiryAnswered(): Promise<string | undefined> {
    return new Promise((answered) => this.#expiryWatchers.push(answered))
  }

  take(action: OwnerAction, login: Login, node: PingingNode): void {
    const { bus, log, profiles, answerC2n } = this.#options
    const mono = this.#options.now()
    switch (action.kind) {
      case 'keys':
        this.#authUrl = ''
        this.joins = false
        if (!profiles.prefs.WantRunning) login.write(() => profiles.setPrefs({ ...profiles.prefs, WantRunning: true }))
        bus.publish({ loginFinished: true, prefs: profiles.prefs }, mono)
        break
      case 'keys-gone':
        for (const tell of this.#goneWatchers) tell()
        this.#goneWatchers.clear()
        break
      case 'login-refused':
        this.joins = false
        bus.publish({ error: action.why }, mono)
        break
      case 'expiry-answered':
        this.#expiryWatchers.shift()?.(action.why)
        break
      case 'netmap-changed':
        this.#options.netmapChanged(action.changes)
        break
      case 'login-url':
        this.#authUrl = action.url
        bus.publish({ browseToUrl: action.url }, mono)
        break
      case 'state': {
        const { phase, why } = action.state
        if (phase !== 'log-in') this.#authUrl = ''
        if (phase === 'refused' || phase === 'locked') this.joins = false
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
        void answerC2n(action.request, action.timeoutMs).then((response) =>
          login.run((session, now) => session.answerC2n(action.id, response, now)),
        )
        break
      case 'ping':
        void answerServerPing(node, action, (response) =>
          login.run((session, now) => session.answerPing(action.id, response, now)),
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
    this.#options.settle()
  }
}
