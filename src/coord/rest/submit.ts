/** What saving a policy comes to, from its text to the version or the proposal: for every route that saves one. */

import { DEFAULT_POLICY } from '../../policy/document/index.ts'
import { done, refuse } from './answer.ts'
import type { Answer } from './answer.ts'
import type { Call } from './call.ts'
import { expectedOf, tryCandidate } from './candidate.ts'
import { matches, STALE, submitPolicy } from './changes/policy.ts'
import type { Submitted, Wanted } from './changes/policy.ts'
import { settingsOf } from './changes/settings.ts'
import { diffPolicies, keptDiff } from './differ.ts'
import { policyInForce } from './views/policy.ts'

export interface Request {
  /** Of nothing but blanks: back to the default policy. */
  readonly text: string
  readonly comment: string
  /** As the header says it. */
  readonly ifMatch?: string | undefined
}

/** Nothing is stored unless all of it is good. */
export async function submit(
  { at, tools, change }: Call,
  { text: sent, comment, ifMatch }: Request,
): Promise<Answer<{ readonly text: string; readonly submitted: Submitted }>> {
  const { sha256 } = tools
  if (!matches(at.tailnet, ifMatch, sha256)) return refuse(412, STALE)
  const isReset = sent.trim() === ''
  const base = policyInForce(at.tailnet).version
  const before = at.policies.of(at.tailnet)
  const tried = await tryCandidate(at, tools, isReset ? DEFAULT_POLICY : sent)
  if (tried.kind === 'refused') return tried
  const { text, domains, policy } = tried.reply
  const { policyApprovalOn } = settingsOf(at.record)
  const wanted: Wanted = {
    text,
    domains,
    comment,
    ...(isReset ? { reset: true } : {}),
    ...(policyApprovalOn ? { change: { base, diff: keptDiff(await diffPolicies(at, tools, before, policy)) } } : {}),
  }
  // Others may have saved one since the first look, so that the precondition is looked at again with the commit.
  const commit = () => change((now) => submitPolicy(now, wanted, ifMatch, sha256))
  const submitted =
    isReset || policyApprovalOn
      ? await commit()
      : await at.policies.expecting(await expectedOf(at, tools, tried.reply), commit)
  return submitted.kind === 'refused' ? submitted : done({ text, submitted: submitted.reply })
}
