/**
 * What a node's local API says (node.md §9, §11): as much of its JSON as programs here read. Other members are passed on.
 *
 * Names are the wire's own. Where an integer may be beyond 2^53, it is a decimal text then.
 */

/** A user's number; a decimal text where a JavaScript number cannot hold it. */
export type UserId = number | string

/** How a peer or the node itself is doing (node.md §9.1). */
export interface PeerStatus {
  readonly ID: string
  readonly PublicKey: string
  readonly HostName: string
  /** With its final dot. */
  readonly DNSName: string
  readonly OS: string
  readonly UserID: UserId
  readonly AltSharerUserID?: UserId
  readonly TailscaleIPs: readonly string[] | null
  readonly AllowedIPs?: readonly string[]
  readonly PrimaryRoutes?: readonly string[]
  readonly Tags?: readonly string[]
  /** `address:port` of a trusted direct path, else the empty text. */
  readonly CurAddr: string
  readonly Relay: string
  readonly PeerRelay?: string
  readonly RxBytes: number
  readonly TxBytes: number
  /** RFC 3339; `0001-01-01T00:00:00Z` is never. */
  readonly LastSeen: string
  readonly Online: boolean
  readonly ExitNode: boolean
  readonly ExitNodeOption: boolean
  readonly Active: boolean
  readonly ShareeNode?: boolean
}

export interface LocalUser {
  readonly LoginName: string
}

export interface Status {
  readonly Version: string
  readonly TUN: boolean
  readonly BackendState: string
  readonly HaveNodeKey?: boolean
  readonly AuthURL: string
  readonly TailscaleIPs: readonly string[] | null
  readonly Self: PeerStatus
  readonly Health: readonly string[] | null
  readonly MagicDNSSuffix: string
  /** By node key. */
  readonly Peer: Readonly<Record<string, PeerStatus>> | null
  /** By the user's number in decimal. */
  readonly User: Readonly<Record<string, LocalUser>> | null
}

/** Preferences (node.md §11). `null` where the daemon has nothing, absent where it leaves a member out. */
export interface Prefs {
  readonly ControlURL: string
  readonly RouteAll: boolean
  readonly ExitNodeID: string
  readonly ExitNodeIP: string
  readonly AutoExitNode?: string
  readonly InternalExitNodePrior: string
  readonly ExitNodeAllowLANAccess: boolean
  readonly CorpDNS: boolean
  readonly RunSSH: boolean
  readonly RunWebClient: boolean
  readonly WantRunning: boolean
  readonly LoggedOut: boolean
  readonly ShieldsUp: boolean
  readonly AdvertiseTags: readonly string[] | null
  readonly Hostname: string
  readonly NotepadURLs: boolean
  readonly AdvertiseRoutes: readonly string[] | null
  readonly AdvertiseServices: readonly string[] | null
  readonly Sync: boolean | null
  readonly NoSNAT: boolean
  readonly NoStatefulFiltering: boolean | null
  /** 0 off, 1 nodivert, 2 on. */
  readonly NetfilterMode: number
  readonly OperatorUser?: string
  readonly ProfileName?: string
  readonly AutoUpdate: { readonly Check: boolean; readonly Apply: boolean | null }
  readonly AppConnector: { readonly Advertise: boolean }
  readonly PostureChecking: boolean
  readonly NetfilterKind: string
  readonly RemoteConfig?: boolean
  readonly DriveShares: readonly unknown[] | null
  readonly RelayServerPort?: number | null
  readonly RelayServerStaticEndpoints?: readonly string[] | null
  readonly Config: { readonly UserProfile?: { readonly LoginName?: string } } | null
}

/** Some preferences, each with its `…Set` beside it: `{ Hostname: 'web', HostnameSet: true }`. */
export type MaskedPrefs = Readonly<Record<string, unknown>>

/** A message of the notification bus (node.md §9.2); absent and `null` mean unchanged. */
export interface Notify {
  /** Of the first line, which says how things are, and not what is new. */
  readonly SessionID?: string
  readonly ErrMessage?: string | null
  readonly State?: number | null
  readonly Prefs?: Pick<Prefs, 'WantRunning'> | null
  readonly BrowseToURL?: string | null
  readonly SelfChange?: { readonly Key?: string } | null
  readonly Health?: {
    readonly Warnings?: Readonly<Record<string, { readonly Args?: Readonly<Record<string, string>> }>>
  } | null
}

export interface LoginProfile {
  readonly ID: string
  readonly Name: string
  readonly NetworkProfile: { readonly DomainName: string; readonly DisplayName: string }
  readonly UserProfile: { readonly LoginName: string }
}

export interface PingResult {
  readonly NodeIP: string
  readonly NodeName: string
  /** Why there was no answer; else empty. */
  readonly Err: string
  readonly LatencySeconds: number
  readonly Endpoint: string
  readonly PeerRelay?: string
  readonly DERPRegionID: number
  readonly DERPRegionCode: string
  readonly PeerAPIPort?: number
  readonly PeerAPIURL?: string
  readonly IsLocalIP?: boolean
}

export const PING_TYPES = ['disco', 'TSMP', 'ICMP', 'peerapi'] as const
export type PingType = (typeof PING_TYPES)[number]

export interface WhoIs {
  readonly Node: {
    readonly StableID: string
    readonly Name: string
    readonly Addresses: readonly string[] | null
    readonly AllowedIPs: readonly string[] | null
    readonly Tags?: readonly string[]
  }
  readonly UserProfile: { readonly ID: UserId; readonly LoginName: string }
  readonly CapMap: Readonly<Record<string, readonly unknown[] | null>> | null
}
