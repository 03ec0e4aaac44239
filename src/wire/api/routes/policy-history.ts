/** Routes about the policy that Sett has beyond Tailscale's: checks with places, versions, proposals. */

import * as z from 'zod'
import { PolicyDiff } from '../diff-objects.ts'
import { Explanation } from '../explain-objects.ts'
import { CheckReport, PolicyProposal, PolicyText, PolicyVersion, Proposed } from '../policy-objects.ts'
import { PolicyReport } from '../report-objects.ts'
import { route } from '../route.ts'
import { Line, TailnetRef } from '../words.ts'
import { Comment, MAX_POLICY_BYTES, PolicyBody, readPolicy, writePolicy } from './policy.ts'

const group = 'Policy'
const params = z.object({ tailnet: TailnetRef })
const Version = z.string().regex(/^[1-9]\d{0,8}$/, 'want the number of a version')
const FlowName = z.string().min(1).max(300)
const versionParams = z.object({ tailnet: TailnetRef, version: Version })
const proposalParams = z.object({ tailnet: TailnetRef, proposal: Version })
const accept = z.object({ accept: z.string().optional() })

export const policyHistoryRoutes = {
  checkPolicy: route({
    method: 'POST',
    path: '/sett/tailnet/{tailnet}/policy/check',
    summary: 'Check a policy and run its tests, with places and warnings; without a body, the policy in force.',
    group,
    access: readPolicy,
    params,
    body: PolicyBody,
    takes: 'hujson',
    maxBody: MAX_POLICY_BYTES,
    reply: CheckReport,
  }),
  explainPolicy: route({
    method: 'POST',
    path: '/sett/tailnet/{tailnet}/policy/explain',
    summary: 'Tell why a flow is allowed or refused, by the policy sent or, without a body, by the one in force.',
    group,
    access: readPolicy,
    params,
    query: z.object({
      src: FlowName.meta({ description: 'A device by name, id or address; a login name; a tag; any address' }),
      dst: FlowName.meta({ description: 'The same with a port behind it, as `web:443` or `[2001:db8::1]:443`' }),
      proto: z.string().max(20).optional().meta({ description: 'Protocol by name or number; tcp if not given' }),
    }),
    body: PolicyBody,
    takes: 'hujson',
    maxBody: MAX_POLICY_BYTES,
    reply: Explanation,
  }),
  diffPolicy: route({
    method: 'POST',
    path: '/sett/tailnet/{tailnet}/policy/diff',
    summary: 'Tell what a policy, sent as the body, would change: flows that open and close, logins, who sees whom.',
    group,
    access: readPolicy,
    params,
    body: PolicyBody,
    takes: 'hujson',
    maxBody: MAX_POLICY_BYTES,
    reply: PolicyDiff,
  }),
  reportPolicy: route({
    method: 'POST',
    path: '/sett/tailnet/{tailnet}/policy/report',
    summary:
      'Tell how much a policy, sent as the body, opens and what in it does nothing; without a body, the one in force.',
    group,
    access: readPolicy,
    params,
    body: PolicyBody,
    takes: 'hujson',
    maxBody: MAX_POLICY_BYTES,
    reply: PolicyReport,
  }),
  listPolicyVersions: route({
    method: 'GET',
    path: '/sett/tailnet/{tailnet}/policy/versions',
    summary: 'List the versions of the policy, newest first.',
    group,
    access: readPolicy,
    params,
    reply: z.object({ versions: z.array(PolicyVersion) }),
  }),
  getPolicyVersion: route({
    method: 'GET',
    path: '/sett/tailnet/{tailnet}/policy/versions/{version}',
    summary: 'Show the text of one version.',
    group,
    access: readPolicy,
    params: versionParams,
    headers: accept,
    reply: PolicyText,
    gives: 'hujson',
  }),
  rollbackPolicy: route({
    method: 'POST',
    path: '/sett/tailnet/{tailnet}/policy/versions/{version}/rollback',
    summary: 'Put an earlier version back, as a new one. Its tests have to pass now.',
    group,
    access: writePolicy,
    params: versionParams,
    body: z.object({ comment: Comment }),
    reply: z.union([z.object({ version: PolicyVersion }), Proposed]),
    pending: Proposed,
  }),
  listPolicyProposals: route({
    method: 'GET',
    path: '/sett/tailnet/{tailnet}/policy/proposals',
    summary: 'List the policies that wait, or waited, for another administrator; newest first.',
    group,
    access: readPolicy,
    params,
    reply: z.object({ proposals: z.array(PolicyProposal) }),
  }),
  getPolicyProposal: route({
    method: 'GET',
    path: '/sett/tailnet/{tailnet}/policy/proposals/{proposal}',
    summary: 'Show a proposed policy.',
    group,
    access: readPolicy,
    params: proposalParams,
    reply: z.object({
      proposal: PolicyProposal,
      text: z.string(),
      diff: PolicyDiff.optional().meta({ description: 'What it was found to change when it was proposed' }),
    }),
  }),
  approvePolicyProposal: route({
    method: 'POST',
    path: '/sett/tailnet/{tailnet}/policy/proposals/{proposal}/approve',
    summary:
      'Let somebody else’s proposal come into force. It is checked again, and refused if the policy has changed.',
    group,
    access: writePolicy,
    params: proposalParams,
    reply: z.object({ version: PolicyVersion }),
  }),
  rejectPolicyProposal: route({
    method: 'POST',
    path: '/sett/tailnet/{tailnet}/policy/proposals/{proposal}/reject',
    summary: 'Turn somebody else’s proposal down.',
    group,
    access: writePolicy,
    params: proposalParams,
    body: z.object({ reason: Line(500).default('') }),
    reply: PolicyProposal,
  }),
} as const
