/** The bodies that two real daemons sent in one tailnet's life, in order: `test/vectors/map-request.json`. */

import { golden } from './golden.ts'
import type { GoldenCase } from './golden.ts'

export interface RecordedHostinfo {
  readonly Hostname: string
  readonly RoutableIPs?: readonly string[]
  readonly NetInfo?: { readonly PreferredDERP: number }
  readonly [other: string]: unknown
}

export interface Recorded extends GoldenCase {
  readonly phase: string
  readonly kind: 'register' | 'map'
  readonly body: {
    readonly Version: number
    readonly NodeKey: string
    readonly Hostinfo: RecordedHostinfo
    readonly Expiry?: string
    readonly NLKey?: string
    readonly DiscoKey?: string
    readonly Stream?: true
    readonly OmitPeers?: true
    readonly Endpoints?: readonly string[]
    readonly [other: string]: unknown
  }
}

export function recorded(kind?: Recorded['kind']): readonly Recorded[] {
  return golden<Recorded>('map-request.json').filter((one) => kind === undefined || one.kind === kind)
}
