/**
 * What the audit log says of a change: who made it, from where, and what became of what. (api-v2.md §7.2)
 *
 * The words on the wire are the words here. Describing changes is `audit/`; keeping and chaining entries is the store's.
 */

import type { Wall } from '../../base/clock.ts'
import type { AuditHead, AuditLink } from '../../wire/audit-chain.ts'
import type { TailnetNum } from './records.ts'

export type AuditOrigin =
  | 'ADMIN_CONSOLE'
  | 'CONFIG_API'
  | 'CONTROL'
  | 'IDENTITY_PROVIDER'
  | 'NODE'
  | 'SECURITY_NOTIFICATION'
export type ActorType = 'USER' | 'NODE' | 'AUTOMATED_WORKER' | 'OAUTH_CLIENT' | 'SCIM' | 'LOGSTREAM'
export type TargetType =
  | 'TAILNET'
  | 'USER'
  | 'GROUP'
  | 'NODE'
  | 'API_KEY'
  | 'INVITE'
  | 'SHARE'
  | 'ADMIN_CONSOLE'
  | 'WEB_INTERFACE'
  | 'WEBHOOK_ENDPOINT'
  | 'FAILED_REQUEST'
export type AuditAction =
  | 'LOGIN'
  | 'LOGOUT'
  | 'CREATE'
  | 'UPDATE'
  | 'DELETE'
  | 'CANCEL'
  | 'REVOKE'
  | 'APPROVE'
  | 'SUSPEND'
  | 'RESTORE'
  | 'ENABLE'
  | 'DISABLE'
  | 'ACCEPT'
  | 'EXPIRED'
  | 'PUSH_USER'
  | 'PUSH_GROUP'
  | 'VERIFY'
  | 'INVITE'
  | 'JOIN'
  | 'LEAVE'
  | 'RESEND'

/** Somebody with a name: a person, a client, a machine, or a part of the server that acts by itself. */
export interface Actor {
  /** A user's id, a node's stable id, a key's id, `unix:UID`, or the name of a part of the server. */
  readonly id: string
  readonly type: ActorType
  readonly loginName?: string
  readonly displayName?: string
  readonly tags?: readonly string[]
}

/** Who makes a change, and how they came to make it. Every transaction says so. */
export interface By {
  readonly origin: AuditOrigin
  readonly actor: Actor
  /** Address that it was asked from. */
  readonly from?: string
  /** How, for people: the token that was used, the key that a machine joined by. */
  readonly details?: string
  /** The log for what is in no tailnet's own scope: that of the tailnet on whose behalf it is done. */
  readonly log?: TailnetNum
}

export interface AuditTarget {
  readonly id: string
  readonly name: string
  readonly type: TargetType
  readonly isEphemeral?: boolean
  readonly property?: string
}

/** JSON that an entry may hold as `old` and `new`. Never a secret, nor the hash of one. */
export type AuditValue =
  | string
  | number
  | boolean
  | null
  | readonly AuditValue[]
  | { readonly [name: string]: AuditValue | undefined }

/** One entry as it is kept. When it happened, its number and its hash are the store's to add. */
export interface AuditEntry {
  readonly origin: AuditOrigin
  readonly actor: Actor
  readonly target: AuditTarget
  readonly action: AuditAction
  /** What it was before; absent: there was nothing. */
  readonly old?: AuditValue
  readonly new?: AuditValue
  readonly actionDetails?: string
  readonly error?: string
  readonly from?: string
}

/** An entry on its way into a log. The log may be another tailnet's than the transaction's: see `audit/`. */
export interface AuditEvent {
  readonly log: TailnetNum
  readonly entry: AuditEntry
}

/** One entry of an audit log, with the hash that ties it to all before it (wire/audit-chain.ts). */
export interface AuditRow extends AuditLink {
  readonly at: Wall
  readonly hash: string
}

/** Both ends of an audit log: nothing up to `trimmed` is kept any more, and `newest` is its last entry. */
export interface AuditEnds {
  readonly trimmed: AuditHead
  readonly newest: AuditHead
}

/** A stretch of time of an audit log. Entries of one time are in the order of their numbers. */
export interface AuditPeriod {
  readonly from: Wall
  /** The last moment that belongs to it. */
  readonly to: Wall
  /** Go on behind this entry, the last of the page before. */
  readonly after?: { readonly at: Wall; readonly number: number }
}

/** How audit logs are read. */
export interface AuditLogs {
  /**
   * Entries of an audit log after number `after`, oldest first, at most `limit`: for whoever follows it. Numbers run
   * without a gap, so a first one beyond `after + 1` says that those between are no longer kept.
   */
  audit(log: TailnetNum, after: number, limit: number): Promise<readonly AuditRow[]>
  /** Entries of an audit log by their time, oldest first, at most `limit`. */
  auditOf(log: TailnetNum, period: AuditPeriod, limit: number): Promise<readonly AuditRow[]>
  auditEnds(log: TailnetNum): Promise<AuditEnds>
}
