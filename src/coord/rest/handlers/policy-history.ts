/** Answers the routes about the policy that Sett has beyond Tailscale's. */

import type { policyHistoryRoutes } from '../../../wire/api/routes/policy-history.ts'
import type { PolicyRecord } from '../../model/records.ts'
import { Engine } from '../../../policy/engine.ts'
import { report } from '../../../policy/report/index.ts'
import { TESTS_FAILED } from '../../../policy/tests/index.ts'
import { done, refuse } from '../answer.ts'
import type { At, Handlers } from '../call.ts'
import { readCandidate, runAll, tailnetOf, tryCandidate } from '../candidate.ts'
import { approveProposal, decidable, NO_PROPOSAL, rejectProposal } from '../changes/policy.ts'
import { diffPolicies } from '../differ.ts'
import { explainFlow } from '../explain.ts'
import { submit } from '../submit.ts'
import { writable } from '../views/writable.ts'
import { policyInForce, showPolicy, viewProposal, viewProposed, viewVersion } from '../views/policy.ts'

const NO_VERSION = 'policy version not found'

export const policyHistoryHandlers: Handlers<keyof typeof policyHistoryRoutes> = {
  async checkPolicy({ at, tools }, { body }) {
    const read = await readCandidate(at, tools, body.trim() === '' ? policyInForce(at.tailnet).text : body)
    if (read.kind === 'refused') {
      const place = read.more?.at
      const found = { message: read.message, ...(place === undefined ? {} : { at: place }) }
      return done({ ...found, tests: 0, failures: [], warnings: [] })
    }
    const { policy } = read.reply
    const failures = await runAll(at, tools, policy)
    return done({
      ...(failures.length === 0 ? {} : { message: TESTS_FAILED }),
      tests: policy.tests.length + policy.sshTests.length,
      failures: failures.map(({ user, errors, at }) => ({ user, errors: [...errors], at: { ...at } })),
      warnings: policy.warnings.map(({ about, text, at }) => ({ about, text, at: { ...at } })),
    })
  },

  async explainPolicy({ at, tools }, { query, body }) {
    const read = body.trim() === '' ? undefined : await readCandidate(at, tools, body)
    if (read?.kind === 'refused') return read
    return explainFlow(at, read?.reply.policy ?? at.policies.of(at.tailnet), query)
  },

  async diffPolicy({ at, tools }, { body }) {
    const read = await readCandidate(at, tools, body)
    if (read.kind === 'refused') return read
    return done(diffPolicies(at, at.policies.of(at.tailnet), read.reply.policy))
  },

  async reportPolicy({ at, tools }, { body }) {
    const read = body.trim() === '' ? undefined : await readCandidate(at, tools, body)
    if (read?.kind === 'refused') return read
    const tailnet = tailnetOf(at)
    return done(writable(report(new Engine(read?.reply.policy ?? at.policies.of(at.tailnet), tailnet.nodes), tailnet)))
  },

  listPolicyVersions({ at, tools }) {
    const records = [...at.tailnet.all('policy-version')].sort((a, b) => b.version - a.version)
    return done({ versions: records.map((record) => viewVersion(at.tailnet, record, tools.sha256)) })
  },

  getPolicyVersion({ at, tools }, { params, headers }) {
    const record = versionNamed(at, params.version)
    return record === undefined ? refuse(404, NO_VERSION) : showPolicy(record.text, headers.accept, tools.sha256)
  },

  async rollbackPolicy(call, { params, body }) {
    const { at, tools } = call
    const record = versionNamed(at, params.version)
    if (record === undefined) return refuse(404, NO_VERSION)
    const comment = body.comment ?? `Back to version ${record.version}`
    const submitted = await submit(call, { text: record.reset === true ? '' : record.text, comment })
    if (submitted.kind === 'refused') return submitted
    const { submitted: come } = submitted.reply
    if (come.kind === 'proposed') return viewProposed(come.proposal, tools.sha256)
    return done({ version: viewVersion(at.tailnet, come.record ?? record, tools.sha256) })
  },

  listPolicyProposals({ at, tools }) {
    const records = [...at.tailnet.all('policy-proposal')].sort((a, b) => b.number - a.number)
    return done({ proposals: records.map((record) => viewProposal(record, tools.sha256)) })
  },

  getPolicyProposal({ at, tools }, { params }) {
    const record = at.tailnet.get('policy-proposal', params.proposal)
    if (record === undefined) return refuse(404, NO_PROPOSAL)
    const { text, diff } = record
    return done({ proposal: viewProposal(record, tools.sha256), text, ...(diff === undefined ? {} : { diff }) })
  },

  async approvePolicyProposal({ at, tools, change }, { params }) {
    const proposal = decidable(at, params.proposal)
    if (proposal.kind === 'refused') return proposal
    const tried = await tryCandidate(at, tools, proposal.reply.text)
    if (tried.kind === 'refused') return tried
    const approved = await change((now) => approveProposal(now, params.proposal, tried.reply))
    if (approved.kind === 'refused') return approved
    return done({ version: viewVersion(at.tailnet, approved.reply, tools.sha256) })
  },

  async rejectPolicyProposal({ tools, change }, { params, body }) {
    const rejected = await change((now) => rejectProposal(now, params.proposal, body.reason))
    return rejected.kind === 'refused' ? rejected : done(viewProposal(rejected.reply, tools.sha256))
  },
}

function versionNamed({ tailnet }: At, number: string): PolicyRecord | undefined {
  return tailnet.get('policy-version', number)
}
