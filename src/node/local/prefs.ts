/**
 * A node's preferences: their shape, what is in force when nobody has said anything, and which routes make an exit
 * node (node.md §11). Reading and writing is prefs-json.ts, editing prefs-edit.ts, what may be set check-prefs.ts.
 *
 * Names are those of the wire, since they are also the names that edits go by.
 */

import type { UserProfile } from '../../wire/map-response.ts'

/** A truth value that may have been left open; `null`: left open on purpose. */
export type OptBool = boolean | null

export interface DriveShare {
  readonly name: string
  readonly path: string
  readonly as?: string
  readonly bookmarkData?: string
}

/** How packets get past the host's own firewall: 0 off, 1 chains without jumps to them, 2 all. */
export type NetfilterMode = 0 | 1 | 2

export interface Prefs {
  /** Empty: the default server. */
  readonly ControlURL: string
  /** Accept the routes of subnet routers. */
  readonly RouteAll: boolean
  readonly ExitNodeID: string
  /** An address; empty for none. Taken for a peer's ID as soon as a peer has it. */
  readonly ExitNodeIP: string
  readonly AutoExitNode: string
  readonly InternalExitNodePrior: string
  readonly ExitNodeAllowLANAccess: boolean
  /** Accept the tailnet's DNS. */
  readonly CorpDNS: boolean
  readonly RunSSH: boolean
  readonly RunWebClient: boolean
  readonly WantRunning: boolean
  readonly LoggedOut: boolean
  readonly ShieldsUp: boolean
  readonly AdvertiseTags: readonly string[] | null
  /** Empty: the machine's own. */
  readonly Hostname: string
  readonly NotepadURLs: boolean
  readonly ForceDaemon: boolean
  readonly Egg: boolean
  /** Prefixes. */
  readonly AdvertiseRoutes: readonly string[] | null
  readonly AdvertiseServices: readonly string[] | null
  readonly Sync: OptBool
  readonly NoSNAT: boolean
  /** `undefined`: never said. */
  readonly NoStatefulFiltering: OptBool | undefined
  readonly NetfilterMode: NetfilterMode
  /** Name or number of a user who may do with the node what root may. */
  readonly OperatorUser: string
  readonly ProfileName: string
  readonly AutoUpdate: { readonly Check: boolean; readonly Apply: OptBool }
  readonly AppConnector: { readonly Advertise: boolean }
  readonly PostureChecking: boolean
  readonly NetfilterKind: string
  readonly RemoteConfig: boolean
  readonly DriveShares: readonly DriveShare[] | null
  /** 0: any port; `null`: no relay for peers. */
  readonly RelayServerPort: number | null
  /** `ip:port`. */
  readonly RelayServerStaticEndpoints: readonly string[] | null
  /** Of the login, what may be shown; `null`: there is none. */
  readonly Config: ConfigView | null
}

/** What is left of a login's keys when it is shown: who it is, and no key. */
export interface ConfigView {
  readonly UserProfile: UserProfile
  readonly NodeID: string
}

export type MaskedName = keyof Prefs | 'AutoUpdate.Check' | 'AutoUpdate.Apply'

/** A change: the fields named in `set`, with the values they get. Parts of AutoUpdate are set one by one. */
export interface MaskedPrefs {
  readonly values: Prefs
  readonly set: ReadonlySet<MaskedName>
}

/** Nothing said, which is not the default: an edit starts from it. */
export const ZERO_PREFS: Prefs = {
  ControlURL: '',
  RouteAll: false,
  ExitNodeID: '',
  ExitNodeIP: '',
  AutoExitNode: '',
  InternalExitNodePrior: '',
  ExitNodeAllowLANAccess: false,
  CorpDNS: false,
  RunSSH: false,
  RunWebClient: false,
  WantRunning: false,
  LoggedOut: false,
  ShieldsUp: false,
  AdvertiseTags: null,
  Hostname: '',
  NotepadURLs: false,
  ForceDaemon: false,
  Egg: false,
  AdvertiseRoutes: null,
  AdvertiseServices: null,
  Sync: null,
  NoSNAT: false,
  NoStatefulFiltering: undefined,
  NetfilterMode: 0,
  OperatorUser: '',
  ProfileName: '',
  AutoUpdate: { Check: false, Apply: null },
  AppConnector: { Advertise: false },
  PostureChecking: false,
  NetfilterKind: '',
  RemoteConfig: false,
  DriveShares: null,
  RelayServerPort: null,
  RelayServerStaticEndpoints: null,
  Config: null,
}

/** Of a new profile on Linux. */
export const DEFAULT_PREFS: Prefs = {
  ...ZERO_PREFS,
  CorpDNS: true,
  NoStatefulFiltering: true,
  NetfilterMode: 2,
  AutoUpdate: { Check: true, Apply: null },
}

const EVERYWHERE = ['0.0.0.0/0', '::/0'] as const

/** Do these routes lead to all there is, as an exit node's do? */
export function leadsEverywhere(routes: readonly string[]): boolean {
  return EVERYWHERE.every((all) => routes.includes(all))
}

/** Both families, or it is none. */
export function advertisesExitNode(prefs: Pick<Prefs, 'AdvertiseRoutes'>): boolean {
  return leadsEverywhere(prefs.AdvertiseRoutes ?? [])
}

/** The advertised routes with an exit node's among them, or without. */
export function withExitNode(routes: readonly string[] | null, on: boolean): readonly string[] {
  const others = (routes ?? []).filter((route) => !(EVERYWHERE as readonly string[]).includes(route))
  return on ? [...others, ...EVERYWHERE] : others
}

/** Is an exit node chosen, in any of the ways? */
export function usesExitNode(prefs: Pick<Prefs, 'ExitNodeID' | 'ExitNodeIP' | 'AutoExitNode'>): boolean {
  return prefs.ExitNodeID !== '' || prefs.ExitNodeIP !== '' || prefs.AutoExitNode !== ''
}
