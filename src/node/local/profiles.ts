/**
 * The logins that a node keeps, one of which is in use, each with its preferences and keys (node.md §12). Pure: what
 * has to be kept comes out as writes to the state file. How a profile reads there is profile-json.ts.
 */

import type { UserProfile } from '../../wire/map-response.ts'

/** What is told of a login: who, where, and what it is called. */
export interface LoginProfile {
  /** 4 hex digits; empty: new, and not kept yet. */
  readonly ID: string
  /** Unique; the user's login name unless somebody has given another. */
  readonly Name: string
  readonly NetworkProfile: {
    readonly MagicDNSName: string
    readonly DomainName: string
    readonly DisplayName: string
  }
  /** Of its preferences in the state file: `profile-` and the ID. */
  readonly Key: string
  readonly UserProfile: UserProfile
  /** Stable ID of the node. */
  readonly NodeID: string
  /** For systems where each user has a login of their own: empty on Linux. */
  readonly LocalUserID: string
  readonly ControlURL: string
  /** RFC 3339. */
  readonly Created?: string
}
