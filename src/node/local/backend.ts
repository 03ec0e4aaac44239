/**
 * What the local API asks of the node behind it. The engine implements this interface; the handlers of routes.ts
 * know nothing else, and a test's stand-in is as good.
 *
 * Requests have been authenticated and read when they come here: rights are rights.ts, JSON is the handlers'.
 */

import type { Secret } from '../../base/secret.ts'
import type { LoginProfile } from './profiles.ts'
import type { Bus } from './bus.ts'
import type { BusStart } from './notice.ts'
import type { NodeView } from './node-view.ts'
import type { MaskedPrefs, Prefs } from './prefs.ts'

/** What was asked for and could not be done; the text is for the person who asked. */
export interface Refused {
  readonly refused: string
}

/** `up` and `login`, in one request. */
export interface StartRequest {
  /** Replaces the preferences of the current profile; `undefined`: they stay. */
  readonly prefs?: Prefs
  readonly authKey?: Secret
}

export const PING_TYPES = ['disco', 'TSMP', 'ICMP', 'peerapi'] as const
export type PingType = (typeof PING_TYPES)[number]

/** One answer, or why there is none. */
export type PingOutcome =
  | {
      readonly kind: 'pong'
      /** Of the peer: its first address, and its name as people see it. */
      readonly nodeIp: string
      readonly nodeName: string
      readonly latencyMs: number
      /** `ip:port` of a direct path. */
      readonly endpoint?: string
      /** The way led through this relay. */
      readonly relay?: { readonly region: number; readonly code: string }
      /** Learnt by TSMP. */
      readonly peerApiPort?: number
      /** The one that was asked, for `peerapi`. */
      readonly peerApiUrl?: string
    }
  | { readonly kind: 'local' }
  | { readonly kind: 'failed'; readonly why: string }

/** What `debug?action=` may ask for. */
export const DEBUG_ACTIONS = [
  'rebind',
  'restun',
  'rotate-disco-key',
  'break-tcp-conns',
  'break-derp-conns',
  'pick-new-derp',
  'force-prefer-derp',
  'force-netmap-update',
  'clear-netmap-cache',
  'statedir',
  'notify-last-netmap',
  'current-netmap',
  'control-knobs',
] as const
export type DebugAction = (typeof DEBUG_ACTIONS)[number]

export interface Backend {
  /** The long version text, also sent with every answer. */
  readonly version: string
  /** What the node tells the server that it can do, also sent with every answer. */
  readonly capabilityVersion: number
  /** Public identity of this daemon's log: 64 hex digits; stands in bug reports. */
  readonly logId: string

  /** As of now. Cheap: nothing is copied. */
  view(): NodeView

  /** Watchers are added to it by the handler; the engine publishes to it. */
  readonly bus: Bus
  /** What a new watcher may be told first. */
  busStart(): BusStart

  /** With what belongs to the login, blanked: `maskedConfig` of profiles.ts makes it. */
  prefs(): Prefs
  /** Applies a masked edit; the preferences afterwards, or why not (`checkPrefs` of check-prefs.ts says). */
  editPrefs(edit: MaskedPrefs): Promise<Prefs | Refused>
  /** Why these could not be set; `undefined` when they could. */
  checkPrefs(prefs: Prefs): string | undefined

  start(request: StartRequest): Promise<Refused | undefined>
  /** Begins a login that a person finishes: the link comes over the bus and in `view().authUrl`. */
  loginInteractive(): Promise<Refused | undefined>
  logout(): Promise<Refused | undefined>
  /** Forgets the node key and log-in without telling the server. */
  resetAuth(): Promise<Refused | undefined>

  /** All profiles that have ever been logged in, and the one in use (with an empty ID when it is new). */
  profiles(): { readonly all: readonly LoginProfile[]; readonly current: LoginProfile }
  /** Stops using the current one, if any, and begins an empty one. */
  newProfile(): Promise<Refused | undefined>
  switchProfile(id: string): Promise<Refused | undefined>
  deleteProfile(id: string): Promise<Refused | undefined>

  /**
   * One ping. Rejects only when `signal` aborts: the caller has gone.
   *
   * @param ip canonical text
   * @param size bytes of a disco ping; 0: as small as can be
   */
  ping(ip: string, type: PingType, size: number, signal: AbortSignalLike): Promise<PingOutcome>

  /** Asks for more or less of a key's time: `expiry` may only be sooner than it is. Seconds since 1970. */
  setExpirySooner(expirySeconds: number): Promise<Refused | undefined>
  /** `ID`, `Name` and perhaps `Location` of the best exit node there is now; empty texts: there is none. */
  suggestExitNode(): object
  /** What the host's forwarding settings keep the advertised routes from; empty: nothing. */
  ipForwardingWarning(): Promise<string>
  /** What the machine's resolver is set to, and whether we set it. `undefined`: not known here. */
  systemDns(): Promise<SystemDns | undefined>
  /** Counters for people, as Prometheus text. */
  userMetrics(): string
  /** Counters for us, as Prometheus text. */
  debugMetrics(): string
  /** Does it, and gives what is to be shown as JSON, if anything. `body`: of the request, as some need one. */
  debug(action: DebugAction, body: string): Promise<unknown>
  /** Logs more of this component for so many seconds; 0: no more. */
  setComponentLogging(component: string, seconds: number): Refused | undefined
  /** Writes a marker to the log, so that it can be found there. */
  noteBugReport(marker: string, note: string): void
  /** Lines of the log as they are written, until the returned function is called. */
  tailLog(line: (line: string) => void): () => void
  /** The configuration file, read again; `false`: there is none. */
  reloadConfig(): Promise<boolean | Refused>
  /** Leaves the server without stopping traffic. */
  disconnectControl(): void
  /** Ends the daemon. */
  shutdown(): void
}

export interface SystemDns {
  readonly nameservers: readonly string[]
  readonly searchDomains: readonly string[]
  readonly matchDomains: readonly string[]
}

/** The part of AbortSignal that is read here; pure code has no DOM types. */
export interface AbortSignalLike {
  readonly aborted: boolean
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void
}
