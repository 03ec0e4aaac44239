/** Answers the routes about the policy that Sett has beyond Tailscale's. */

import type { policyHistoryRoutes } from '../../../wire/api/routes/policy-history.ts'
import type { PolicyProposalRecord, PolicyRecord } from '../../model/records.ts'
import { reportInSteps } from '../../../policy/report/index.ts'
import { mapped, Pace } from '../../../policy/steps.ts'
import { TESTS_FAILED } from '../../../policy/tests/index.ts'
import { done, refuse } from '../answer.ts'
import type { At, Handlers } from '../call.ts'
import { engineOf, expectedOf, readCandidate, runAll, tailnetOf, tryCandidate } from '../candidate.ts'
import { approveProposal, decidable, NO_PROPOSAL, rejectProposal } from '../changes/policy.ts'
import { diffPolicies } from '../differ.ts'
import { explainFlow } from '../explain.ts'
import { inTurn, takeSteps } from '../long-work.ts'
import { notesOn } from '../notes.ts'
import { submit } from '../submit.ts'
import { writable } from '../views/writable.ts'
import { policyInForce, showPolicy, viewProposal, viewProposed, viewVersion } from '../views/policy.ts'

const NO_VERSION = 'policy version not found'
/** Texts that are hashed in one step, of a megabyte at most. */
const TEXTS_PER_STEP = 4

export const policyHistoryHandlers: Handlers<keyof typeof policyHistoryRoutes> = {
  checkPolicy: inTurn(async ({ at, tools }, { body }) => {
    const read = await readCandidate(at, tools, body.trim() === '' ? policyInForce(at.tailnet).text : body)
    if (read.kind === 'refused') {
      const place = read.more?.at
      const found = { message: read.message, ...(place === undefined ? {} : { at: place }) }
      return done({ ...found, tests: 0, failures: [], warnings: [] })
    }
    const { policy } = read.reply
    const isOurs = (region: number) => at.live.regionName(region) !== undefined
    const failures = await runAll(at, tools, policy)
    return done({
      ...(failures.length === 0 ? {} : { message: TESTS_FAILED }),
      tests: policy.tests.length + policy.sshTests.length,
      failures: failures.map(({ user, errors, at }) => ({ user, errors: [...errors], at: { ...at } })),
      warnings: [...policy.warnings, ...notesOn(policy, isOurs)].map(({ about, text, at }) => ({
        about,
        text,
        at: { ...at },
      })),
    })
  }),

  explainPolicy: inTurn(async ({ at, tools }, { query, body }) => {
    const read = body.trim() === '' ? undefined : await readCandidate(at, tools, body)
    if (read?.kind === 'refused') return read
    return explainFlow(at, tools, read?.reply.policy ?? at.policies.of(at.tailnet), query)
  }),

  diffPolicy: inTurn(async ({ at, tools }, { body }) => {
    const read = await readCandidate(at, tools, body)
    if (read.kind === 'refused') return read
    return done(await diffPolicies(at, tools, at.policies.of(at.tailnet), read.reply.policy))
  }),

  reportPolicy: inTurn(async ({ at, tools }, { body }) => {
    const read = body.trim() === '' ? undefined : await readCandidate(at, tools, body)
    if (read?.kind === 'refused') return read
    const tailnet = await tailnetOf(at, tools)
    const engine = await engineOf(tools, read?.reply.policy ?? at.policies.of(at.tailnet), tailnet)
    return done(writable(await takeSteps(tools, reportInSteps(engine, tailnet))))
  }),

  async listPolicyVersions({ at, tools }) {
    const records = [...at.tailnet.all('policy-version')].sort((a, b) => b.version - a.version)
    const view = (record: PolicyRecord) => viewVersion(at.tailnet, record, tools.sha256)
    return done({ versions: await takeSteps(tools, mapped(records, new Pace(TEXTS_PER_STEP), view)) })
  },

  getPolicyVersion({ at, tools }, { params, headers }) {
    const record = versionNamed(at, params.version)
    return record === undefined ? refuse(404, NO_VERSION) : showPolicy(record.text, headers.accept, tools)
  },

  rollbackPolicy: inTurn(async (call, { params, body }) => {
    const { at, tools } = call
    const record = versionNamed(at, params.version)
    if (record === undefined) return refuse(404, NO_VERSION)
    const comment = body.comment ?? `Back to version ${record.version}`
    const submitted = await submit(call, { text: record.reset === true ? '' : record.text, comment })
    if (submitted.kind === 'refused') return submitted
    const { submitted: come } = submitted.reply
    if (come.kind === 'proposed') return viewProposed(at.tailnet, come.proposal, tools.sha256)
    return done({ version: viewVersion(at.tailnet, come.record ?? record, tools.sha256) })
  }),

  async listPolicyProposals({ at, tools }) {
    const records = [...at.tailnet.all('policy-proposal')].sort((a, b) => b.number - a.number)
    const view = (record: PolicyProposalRecord) => viewProposal(at.tailnet, record, tools.sha256)
    return done({ proposals: await takeSteps(tools, mapped(records, new Pace(TEXTS_PER_STEP), view)) })
  },

  getPolicyProposal({ at, tools }, { params }) {
    const record = at.tailnet.get('policy-proposal', params.proposal)
    if (record === undefined) return refuse(404, NO_PROPOSAL)
    const { text, diff } = record
    return done({
      proposal: viewProposal(at.tailnet, record, tools.sha256),
      text,
      ...(diff === undefined ? {} : { diff }),
    })
  },

  approvePolicyProposal: inTurn(async ({ at, tools, change }, { params }) => {
    const proposal = decidable(at, params.proposal)
    if (proposal.kind === 'refused') return proposal
    const tried = await tryCandidate(at, tools, proposal.reply.text)
    if (tried.kind === 'refused') return tried
    const expected = await expectedOf(at, tools, { ...tried.reply, text: proposal.reply.text })
    const approved = await at.policies.expecting(expected, () =>
      change((now) => approveProposal(now, params.proposal, tried.reply)),
    )
    if (approved.kind === 'refused') return approved
    return done({ version: viewVersion(at.tailnet, approved.reply, tools.sha256) })
  }),

  async rejectPolicyProposal({ at, tools, change }, { params, body }) {
    const rejected = await change((now) => rejectProposal(now, params.proposal, body.reason))
    return rejected.kind === 'refused' ? rejected : done(viewProposal(at.tailnet, rejected.reply, tools.sha256))
  },
}

function versionNamed({ tailnet }: At, number: string): PolicyRecord | undefined {
  return tailnet.get('policy-version', number)
}
