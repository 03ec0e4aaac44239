/** Policies as the API shows them: the text with its ETag, or as plain JSON. (api-v2.md §5) */

import { base64, utf8 } from '../../../base/bytes.ts'
import { formatTime } from '../../../base/clock.ts'
import type { PolicyProposal, PolicyText, PolicyVersion, Preview, Proposed } from '../../../wire/api/policy-objects.ts'
import { HUJSON } from '../../../wire/api/route.ts'
import { DEFAULT_POLICY } from '../../../policy/document/index.ts'
import { minimizeInSteps, parseInSteps } from '../../../policy/hujson/index.ts'
import type { Previewed } from '../../../policy/preview.ts'
import type { Policy } from '../../../policy/policy.ts'
import type { Sha256 } from '../../model/credentials.ts'
import { CURRENT_POLICY } from '../../model/policies.ts'
import type { TailnetState } from '../../model/model.ts'
import type { PolicyProposalRecord, PolicyRecord } from '../../model/records.ts'
import { done } from '../answer.ts'
import type { Done } from '../answer.ts'
import type { Tools } from '../call.ts'
import { takeSteps } from '../long-work.ts'

/** The text that is in force, and the version it is: 0 for the default policy. */
export function policyInForce(state: TailnetState): { readonly text: string; readonly version: number } {
  const record = state.get('policy', CURRENT_POLICY)
  return record === undefined ? { text: DEFAULT_POLICY, version: 0 } : { text: record.text, version: record.version }
}

/** Whoever has the text has its ETag: clients hash their formatted files to see whether anything is to be done. */
export function etagOf(text: string, sha256: Sha256): string {
  return `"${sha256(utf8(text)).toHex()}"`
}

/** The text as it is, unless plain JSON is what the client asked for. */
export async function showPolicy(text: string, accept: string | undefined, tools: Tools): Promise<Done<PolicyText>> {
  const etag = etagOf(text, tools.sha256)
  const body = wantsJson(accept)
    ? { type: 'application/json', text: await plainJson(text, tools) }
    : { type: HUJSON, text }
  return done({ text, etag }, { etag, body })
}

/** As `details=1` has it: the text in base64, and what is worth knowing about it. */
export function showDetails(text: string, { warnings }: Policy, sha256: Sha256): Done<PolicyText> {
  const etag = etagOf(text, sha256)
  const details = {
    acl: base64(utf8(text)),
    warnings: warnings.length === 0 ? null : warnings.map((warning) => warning.text),
    errors: null,
  }
  return done({ text, etag }, { etag, body: { type: 'application/json', text: JSON.stringify(details) } })
}

function wantsJson(accept = ''): boolean {
  return /\bapplication\/json\b/i.test(accept) && !accept.toLowerCase().includes(HUJSON)
}

async function plainJson(text: string, tools: Tools): Promise<string> {
  return await takeSteps(tools, minimizeInSteps(await takeSteps(tools, parseInSteps(text))))
}

export function viewPreview(
  policy: Policy,
  { type, previewFor }: Pick<Preview, 'type' | 'previewFor'>,
  found: readonly Previewed[],
): Preview {
  const asked = new Set(found.flatMap(({ rule }) => rule.postures))
  const postures = [...asked].map((name) => [
    name,
    (policy.postures.get(name)?.assertions ?? []).map(({ text }) => text),
  ])
  return {
    matches: found.map(({ rule: { sources, at, via, postures }, ports }) => ({
      users: sources.map(({ text }) => text),
      ports: [...ports],
      lineNumber: at.line,
      ...(via.length === 0 ? {} : { via: [...via] }),
      ...(postures.length === 0 ? {} : { postures: [...postures] }),
    })),
    type,
    previewFor,
    ...(asked.size === 0 ? {} : { postures: Object.fromEntries(postures) }),
  }
}

export function viewVersion(state: TailnetState, record: PolicyRecord, sha256: Sha256): PolicyVersion {
  const { version, text, at, by, approvedBy, comment, reset } = record
  return {
    version,
    created: formatTime(at),
    by,
    ...(approvedBy === undefined ? {} : { approvedBy }),
    comment,
    etag: etagOf(text, sha256),
    size: utf8(text).length,
    isReset: reset === true,
    isCurrent: version === inForceNumber(state),
  }
}

/** The version whose text is in force. After a reset there is no record of it, and the reset is the newest version. */
function inForceNumber(state: TailnetState): number {
  return state.get('policy', CURRENT_POLICY)?.version ?? state.count('policy-version')
}

export function viewProposal(tailnet: TailnetState, record: PolicyProposalRecord, sha256: Sha256): PolicyProposal {
  const { number, text, at, by, comment, base, reset, outcome } = record
  return {
    id: String(number),
    created: formatTime(at),
    by,
    comment,
    base,
    etag: etagOf(text, sha256),
    size: utf8(text).length,
    isReset: reset === true,
    state: outcome?.kind ?? 'waiting',
    ...(outcome === undefined && base !== policyInForce(tailnet).version ? { isStale: true } : {}),
    ...(outcome === undefined ? {} : { decidedBy: outcome.by, decided: formatTime(outcome.at) }),
    ...(outcome === undefined || outcome.reason === '' ? {} : { reason: outcome.reason }),
    ...(outcome?.version === undefined ? {} : { version: outcome.version }),
  }
}

/** What waits for another administrator is told with its own status: clients that want 200 then show the message. */
export function viewProposed(tailnet: TailnetState, record: PolicyProposalRecord, sha256: Sha256): Done<Proposed> {
  const proposal = viewProposal(tailnet, record, sha256)
  const message = `The policy waits for another administrator to approve it, as proposal ${proposal.id}`
  const reply = { message, proposal }
  return done(reply, { status: 202, body: { type: 'application/json', text: JSON.stringify(reply) } })
}
