/** The words between the control session and its shell: what it is given, what it wants done, how it stands. */

import type { Bytes } from '../../base/bytes.ts'
import type { Mono, Wall } from '../../base/clock.ts'
import type { DiscoKey, LockKey, NodeKey, PrivateKey } from '../../base/keys.ts'
import type { Secret } from '../../base/secret.ts'
import type { Primitives } from '../../crypto/primitives.ts'
import type { LoginProfile } from '../../wire/control-requests.ts'
import type { Hostinfo } from '../../wire/hostinfo.ts'
import type { ClientVersion, MapResponse } from '../../wire/map-response.ts'
import type { DialAction } from './dialling.ts'
import type { Unzstd } from './map-stream.ts'
import type { NetmapChanges } from './netmap.ts'

/** Both clocks, as they stand when something happens. */
export interface Now {
  readonly mono: Mono
  readonly wall: Wall
}

export interface SessionOptions {
  /** `http://` or `https://`, a host, perhaps a port. */
  readonly server: string
  readonly primitives: Primitives
  readonly unzstd: Unzstd
  /** Packs what the cached map is written anew from. */
  readonly zstd: (bytes: Bytes) => Bytes
  readonly machineKey: PrivateKey
  readonly lockKey: LockKey
  /** New at every start of the daemon. */
  readonly discoKey: DiscoKey
  /** What was kept by a `keys` action; absent: the node has never joined. */
  readonly nodeKey?: PrivateKey
  readonly oldNodeKey?: NodeKey
  readonly hostinfo: Hostinfo
  readonly authKey?: Secret
  /** Leaves no trace at the server when it ends. */
  readonly ephemeral?: boolean
  /** What `cache` actions have kept; a torn end is passed over. */
  readonly cached?: Bytes
  /** What of a message counts on this machine, whatever the server says; all when left out. */
  readonly believed?: (message: MapResponse) => MapResponse
  /** The server's version of what we can do; `CAPABILITY_VERSION` when left out. */
  readonly version?: number
}

/** How an HTTP request outside of the control connection ended. */
export type Fetched = { readonly status: number; readonly body: Bytes } | { readonly failed: string }

export type ControlAction =
  | DialAction
  /**
   * An ordinary HTTP request, TLS checked; answer with `fetched`. Redirects are followed for GET only, and never from
   * https to http.
   */
  | {
      readonly kind: 'fetch'
      readonly id: number
      readonly method: 'GET' | 'HEAD' | 'POST'
      readonly url: string
      readonly body?: Bytes
      /** Longest answer to read, in bytes. */
      readonly limit: number
      readonly timeoutMs: number
    }
  | { readonly kind: 'state'; readonly state: ControlState }
  /** For a person to open. */
  | { readonly kind: 'login-url'; readonly url: string }
  /** Keep these on disk before acting on anything that comes behind. */
  | { readonly kind: 'keys'; readonly nodeKey: PrivateKey; readonly oldNodeKey?: NodeKey; readonly login: LoginProfile }
  /** Delete them: the node has logged out. */
  | { readonly kind: 'keys-gone' }
  /** The server takes no other key in place of the accepted one; the node goes on with that. */
  | { readonly kind: 'login-refused'; readonly why: string }
  | { readonly kind: 'netmap-changed'; readonly changes: NetmapChanges }
  /** The node is in no tailnet any more: nothing of the map may be used. */
  | { readonly kind: 'netmap-gone' }
  /** Write, or add to, the file that comes back as `cached`. */
  | { readonly kind: 'cache'; readonly how: 'replace' | 'append'; readonly bytes: Bytes }
  | { readonly kind: 'cache-gone' }
  /** A raw HTTP/1 request for the node itself; answer with `answerC2n`. */
  | { readonly kind: 'c2n'; readonly id: number; readonly request: Bytes; readonly timeoutMs: number }
  /** Ping a peer in each of the ways; answer with `answerPing` for each that worked. */
  | { readonly kind: 'ping'; readonly id: number; readonly ip: string; readonly types: readonly string[] }
  /** What has come of `expireSooner`; `why`: nothing has. */
  | { readonly kind: 'expiry-answered'; readonly why?: string }
  /** The server would like a person to see this. */
  | { readonly kind: 'browse'; readonly url: string }
  | { readonly kind: 'client-version'; readonly version: ClientVersion }
  /** The server asks the program to end with this code; whether it does is its owner's matter. */
  | { readonly kind: 'exit-asked'; readonly code: number }
  /** `shutdown` is complete. */
  | { readonly kind: 'done' }
  | { readonly kind: 'log'; readonly event: string; readonly why?: string }

/** Where the session stands. `online`: a map stream is open and has brought its map. */
export interface ControlState {
  readonly phase: Phase
  readonly online: boolean
  /** What to tell a person; for `refused` and `locked` always there. */
  readonly why?: string
  /** With `log-in`. */
  readonly url?: string
  /** Another machine with this node's key seems to take the map stream from it again and again. */
  readonly contested?: boolean
}

export type Phase =
  | 'stopped'
  /** A person has to ask for a login first. */
  | 'needs-login'
  | 'connecting'
  | 'log-in'
  | 'refused'
  /** The node's key is past its time; others do not talk to it. */
  | 'expired'
  /** Somebody has to approve of this machine. */
  | 'needs-approval'
  | 'joined'
  | 'logging-out'
  | 'logged-out'
  /** The tailnet has its nodes' keys signed, which this version can't check. */
  | 'locked'

export const LOCKED_WHY =
  'This tailnet is locked: its node keys are signed (tailnet lock), and this version of Sett cannot check ' +
  'signatures. It does not join, since it could not tell a genuine node from one that was slipped in. Use the ' +
  'official client here, or disable the lock.'
