/**
 * SSH checks: somebody who logs in by SSH has to prove first who they are, in a browser. What is kept of one, and how
 * long one that was passed holds. (control.md §10.2)
 *
 * Whether a login needs a check is the policy's matter, and asking for it ssh-checks.ts of the server.
 */

import { HOUR_MS, later, MINUTE_MS } from '../../base/clock.ts'
import type { Wall } from '../../base/clock.ts'
import type { Model } from './model.ts'
import type { Authentication, TailnetNum } from './records.ts'

/** SSH servers wait so long, and no check is good for longer. (control.md §10.2) */
export const SSH_CHECK_MS = 30 * MINUTE_MS
/** The longest `checkPeriod`. (policy.md §7) */
const LONGEST_PERIOD_MS = 168 * HOUR_MS

/** What is asked: one person, from one node of theirs, as one account of another node. */
export interface SshAsk {
  readonly tailnet: TailnetNum
  /** The nodes that the login is from and to. */
  readonly source: number
  readonly target: number
  /** Local account of the target. */
  readonly account: string
  /** Whose the source is. */
  readonly user: number
}

/** In the server's scope, so that poll and browser may be at different servers. Record id: its code. */
export interface SshCheck extends SshAsk {
  readonly created: Wall
  readonly expires: Wall
  readonly outcome?: { readonly kind: 'passed'; readonly authenticated: Authentication } | { readonly kind: 'refused' }
}

/** Does it wait for somebody's decision? */
export function isOpen({ outcome, expires }: SshCheck, now: Wall): boolean {
  return outcome === undefined && expires > now
}

/** Are both about the same login? What was allowed to one account is not allowed to another. */
export function isSameAsk(a: SshAsk, b: SshAsk): boolean {
  return (
    a.tailnet === b.tailnet &&
    a.source === b.source &&
    a.target === b.target &&
    a.account === b.account &&
    a.user === b.user
  )
}

/** When whoever asks this last proved who they are, for this; absent: never, or too long ago for any policy. */
export function lastPassed(model: Model, ask: SshAsk): Wall | undefined {
  let last: Wall | undefined
  for (const check of model.server.all('ssh-check')) {
    const { outcome } = check
    if (outcome?.kind !== 'passed' || !isSameAsk(check, ask)) continue
    if (last === undefined || outcome.authenticated.at > last) last = outcome.authenticated.at
  }
  return last
}

/** Is it of no use to anybody any more? */
export function isForgettable({ outcome, expires }: SshCheck, now: Wall): boolean {
  const until = outcome?.kind === 'passed' ? later(outcome.authenticated.at, LONGEST_PERIOD_MS) : expires
  return Math.max(until, expires) + HOUR_MS < now
}
