/**
 * Saving policies: a new version in force, or, where a second administrator has to agree, a proposal first.
 *
 * What comes here has been checked and tried already. Every version is kept under its number, and `current` is the one
 * in force; a reset leaves none, so that the tailnet has never changed its policy as far as `ts-default` goes.
 */

import type { PolicyDiff } from '../../../wire/api/diff-objects.ts'
import type { Plan } from '../../model/ledger.ts'
import type { TailnetState } from '../../model/model.ts'
import { CURRENT_POLICY, hasOwnPolicy } from '../../model/policies.ts'
import type { PolicyProposalRecord, PolicyRecord, Write } from '../../model/records.ts'
import type { Sha256 } from '../../model/credentials.ts'
import { commit, done, refuse, settle } from '../answer.ts'
import type { Answer } from '../answer.ts'
import type { At } from '../call.ts'
import { userIdOf } from '../caller.ts'
import type { Caller } from '../caller.ts'
import type { Candidate } from '../candidate.ts'
import { etagOf, policyInForce } from '../views/policy.ts'
import { settingsOf } from './settings.ts'

export interface Wanted extends Pick<Candidate, 'text' | 'domains'> {
  readonly comment: string
  /** Back to the default policy. */
  readonly reset?: true
  /** What it would change, and of which version; for where a second administrator looks at it. */
  readonly change?: { readonly base: number; readonly diff: PolicyDiff }
}

export type Submitted =
  | { readonly kind: 'in-force'; /** Absent: nothing had to be changed. */ readonly record: PolicyRecord | undefined }
  | { readonly kind: 'proposed'; readonly proposal: PolicyProposalRecord }

/** @param ifMatch As the header says it. */
export function submitPolicy(
  at: At,
  wanted: Wanted,
  ifMatch: string | undefined,
  sha256: Sha256,
): Plan<Answer<Submitted>> {
  const { tailnet } = at
  if (!matches(tailnet, ifMatch, sha256)) return settle(refuse(412, STALE))
  const current = tailnet.get('policy', CURRENT_POLICY)
  const unchanged = wanted.reset === true ? current === undefined : current?.text === wanted.text
  if (unchanged) return settle(done({ kind: 'in-force', record: undefined }))
  if (settingsOf(at.record).policyApprovalOn) return propose(at, wanted)
  const record = versionOf(at, wanted, { by: nameOf(at.caller) })
  return commit({ writes: inForce(tailnet, record) }, done({ kind: 'in-force', record }))
}

/** The service's words. */
export const STALE = 'precondition failed, invalid old hash'

/** Is what the client wants to replace still what is there? Tags come with quotes and without. (api-v2.md §5) */
export function matches(tailnet: TailnetState, ifMatch: string | undefined, sha256: Sha256): boolean {
  const asked = ifMatch?.trim() ?? ''
  if (asked === '' || asked === '*') return true
  const wanted = asked.split(',').map((tag) => tag.trim().replace(/^(?:W\/)?"(.*)"$/, '$1'))
  if (wanted.includes('ts-default') && !hasOwnPolicy(tailnet)) return true
  const etag = etagOf(policyInForce(tailnet).text, sha256)
  return wanted.some((tag) => `"${tag.toLowerCase()}"` === etag)
}

/** Who it is, for people who read the history. */
function nameOf(caller: Caller): string {
  return caller.kind === 'server' ? 'server' : (caller.user?.loginName ?? caller.id)
}

function versionOf(at: At, wanted: Wanted, who: Pick<PolicyRecord, 'by' | 'approvedBy'>): PolicyRecord {
  const { text, domains, comment, reset } = wanted
  return {
    version: nextNumber(at.tailnet, 'policy-version'),
    text,
    at: at.now,
    ...who,
    comment,
    domains,
    ...(reset === undefined ? {} : { reset }),
  }
}

/** Versions and proposals are never deleted, so their numbers run without a gap. */
function nextNumber(tailnet: TailnetState, kind: 'policy-version' | 'policy-proposal'): number {
  return tailnet.count(kind) + 1
}

function inForce(tailnet: TailnetState, record: PolicyRecord): Write[] {
  return [
    {
      kind: 'policy',
      id: CURRENT_POLICY,
      expect: tailnet.version('policy', CURRENT_POLICY),
      value: record.reset === true ? null : record,
    },
    { kind: 'policy-version', id: String(record.version), expect: 'absent', value: record },
  ]
}

/** Whoever proposes anew takes the proposal back that waits already; the same one again changes nothing. */
function propose(at: At, wanted: Wanted): Plan<Answer<Submitted>> {
  const { tailnet, caller, now } = at
  const by = nameOf(caller)
  const base = policyInForce(tailnet).version
  const writes: Write[] = []
  for (const before of tailnet.all('policy-proposal')) {
    if (before.outcome !== undefined || before.by !== by) continue
    if (before.text === wanted.text && before.base === base && before.reset === wanted.reset)
      return settle(done({ kind: 'proposed', proposal: before }))
    const outcome = { kind: 'superseded', at: now, by, reason: '' } as const
    writes.push(proposalWrite(tailnet, { ...before, outcome }))
  }
  const { text, comment, reset, change } = wanted
  if (change?.base !== base) return settle(refuse(409, 'Somebody else has changed the policy meanwhile: try again'))
  const proposal: PolicyProposalRecord = {
    number: nextNumber(tailnet, 'policy-proposal'),
    text,
    at: now,
    by,
    user: userIdOf(caller),
    comment,
    ...(reset === undefined ? {} : { reset }),
    base,
    diff: change.diff,
  }
  return commit({ writes: [...writes, proposalWrite(tailnet, proposal)] }, done({ kind: 'proposed', proposal }))
}

function proposalWrite(tailnet: TailnetState, proposal: PolicyProposalRecord): Write {
  const id = String(proposal.number)
  return { kind: 'policy-proposal', id, expect: tailnet.version('policy-proposal', id), value: proposal }
}

export const NO_PROPOSAL = 'policy proposal not found'

/** @param checked The proposal's text, found good just now. */
export function approveProposal(at: At, id: string, checked: Candidate): Plan<Answer<PolicyRecord>> {
  const { tailnet, now } = at
  const proposal = decidable(at, id)
  if (proposal.kind === 'refused') return settle(proposal)
  const { by, comment, reset, base, text } = proposal.reply
  const current = policyInForce(tailnet).version
  if (current !== base)
    return settle(
      refuse(409, `The policy has changed since this was proposed (version ${base}, now ${current}): propose it again`),
    )
  const approvedBy = nameOf(at.caller)
  const wanted = { text, domains: checked.domains, comment, ...(reset === undefined ? {} : { reset }) }
  const record = versionOf(at, wanted, { by, approvedBy })
  const outcome = { kind: 'approved', at: now, by: approvedBy, reason: '', version: record.version } as const
  const writes = [...inForce(tailnet, record), proposalWrite(tailnet, { ...proposal.reply, outcome })]
  return commit({ writes }, done(record))
}

export function rejectProposal(at: At, id: string, reason: string): Plan<Answer<PolicyProposalRecord>> {
  const proposal = decidable(at, id)
  if (proposal.kind === 'refused') return settle(proposal)
  const outcome = { kind: 'rejected', at: at.now, by: nameOf(at.caller), reason } as const
  const decided = { ...proposal.reply, outcome }
  return commit({ writes: [proposalWrite(at.tailnet, decided)] }, done(decided))
}

/** A proposal that waits, if the caller may decide on it: a person other than its author, or the server's own administrator. */
export function decidable(at: At, id: string): Answer<PolicyProposalRecord> {
  const { tailnet, caller } = at
  const proposal = tailnet.get('policy-proposal', id)
  if (proposal === undefined) return refuse(404, NO_PROPOSAL)
  if (proposal.outcome !== undefined) return refuse(409, `This proposal is ${proposal.outcome.kind} already`)
  const user = userIdOf(caller)
  if (nameOf(caller) === proposal.by || (user !== 0 && user === proposal.user))
    return refuse(403, 'A policy is approved or rejected by another administrator than the one who proposed it')
  if (user === 0 && caller.kind !== 'server')
    return refuse(403, 'A policy is approved or rejected by a person: this token belongs to nobody')
  return done(proposal)
}
