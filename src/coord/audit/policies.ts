/** Describes changes of a tailnet's policy: what came into force, and what was proposed to. */

import type { AuditTarget } from '../model/audit.ts'
import type { PolicyProposalRecord } from '../model/records.ts'
import { became } from './describer.ts'
import type { Context, RecordChange, Said } from './describer.ts'
import { ownTarget } from './tailnets.ts'

/** The empty text is the default policy. */
export function describePolicy({ before, after }: RecordChange<'policy'>, context: Context): readonly Said[] {
  const comment = after?.comment ?? ''
  const said = became(ownTarget(context), 'ACL', before?.text ?? '', after?.text ?? '')
  return comment === '' ? said : said.map((one) => ({ ...one, details: comment }))
}

const DECIDED = { approved: 'APPROVE', rejected: 'REVOKE', superseded: 'CANCEL' } as const

export function describeProposal(
  { before, after }: RecordChange<'policy-proposal'>,
  context: Context,
): readonly Said[] {
  if (after === undefined) return []
  const target: AuditTarget = { ...ownTarget(context), property: 'ACL_PROPOSAL' }
  if (before === undefined) return [{ target, action: 'CREATE', new: { ...view(after), text: after.text } }]
  const { outcome } = after
  if (outcome === undefined || before.outcome !== undefined) return []
  const reason = outcome.reason === '' ? {} : { details: outcome.reason }
  return [{ target, action: DECIDED[outcome.kind], new: view(after), ...reason }]
}

function view({ number, by, comment, base, outcome }: PolicyProposalRecord) {
  return { number, by, comment, base, ...(outcome?.version === undefined ? {} : { version: outcome.version }) }
}
