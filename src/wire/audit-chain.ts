/**
 * How entries of an audit log hang together: each one's hash covers the one before it, so that none can be changed,
 * taken out or put in between without every later hash being another.
 *
 *   hash(0) = SHA-256("sett audit log\n" LOG)                                         LOG: number of the tailnet
 *   hash(N) = SHA-256(hash(N - 1) "N\nAT\nGROUP\nENTRY")                              hash(N - 1): its 32 bytes
 *
 * Numbers are decimal, AT is in milliseconds since 1970, ENTRY is the JSON text exactly as it is kept and exported.
 * What is not covered: a log that is cut off at its newest end is a shorter good log. Keep its head elsewhere.
 */

import { concat, fromHex, hex, utf8 } from '../base/bytes.ts'
import type { Bytes } from '../base/bytes.ts'

type Sha256 = (...parts: Bytes[]) => Uint8Array

/** One entry of a log as it is kept. */
export interface AuditLink {
  /** From 1, without a gap. */
  readonly number: number
  /** Milliseconds since 1970. */
  readonly at: number
  /** The same for entries of one transaction. */
  readonly group: string
  /** JSON. */
  readonly entry: string
}

/** Where a log begins, or where the rest of it begins whose older entries are no longer kept. */
export interface AuditHead {
  /** Number of the newest entry up to here; 0: there is none. */
  readonly number: number
  /** Its hash, 64 hex digits. */
  readonly hash: string
}

/** Are they one place of one log? Hashes of a log are no secret from whoever reads it. */
export function sameAuditHead(a: AuditHead, b: AuditHead): boolean {
  return a.number === b.number && a.hash === b.hash
}

/** The head of a log in which nothing was ever written. */
export function emptyAuditHead(sha256: Sha256, log: number): AuditHead {
  return { number: 0, hash: hex(sha256(utf8(`sett audit log\n${log}`))) }
}

/** The hash of a link after the one with the hash `before`, as 64 hex digits. */
export function auditHash(sha256: Sha256, before: string, { number, at, group, entry }: AuditLink): string {
  const start = fromHex(before)
  if (start?.length !== 32) throw new RangeError('the hash of an audit entry is not 64 hex digits')
  return hex(sha256(concat([start, utf8(`${number}\n${at}\n${group}\n${entry}`)])))
}
