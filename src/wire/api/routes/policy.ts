/** Routes about the policy that Tailscale's API has as well. (api-v2.md §5) */

import * as z from 'zod'
import { PolicyText, Preview, Proposed, Verdict } from '../policy-objects.ts'
import { route } from '../route.ts'
import { Line, TailnetRef } from '../words.ts'

const group = 'Policy'
const params = z.object({ tailnet: TailnetRef })
export const readPolicy = { kind: 'scope', any: ['policy_file'], act: 'read' } as const
export const writePolicy = { kind: 'scope', any: ['policy_file'], act: 'write' } as const

/** Some ten thousand rules. While it is read a text takes up to a few hundred times its size in memory. */
export const MAX_POLICY_BYTES = 1 << 20

/** HuJSON or JSON, whatever the content type says. */
export const PolicyBody = z
  .string()
  .meta({ description: 'The policy: JSON, with comments and trailing commas if you like' })

export const Comment = Line(500).optional().meta({ description: 'Why; kept with the version' })

export const policyRoutes = {
  getPolicy: route({
    method: 'GET',
    path: '/tailnet/{tailnet}/acl',
    summary: 'Show the policy: its text with comments, or plain JSON if `Accept` asks for that.',
    group,
    access: readPolicy,
    params,
    query: z.object({
      details: z
        .string()
        .optional()
        .meta({ description: '`1` or `true`: JSON with the text as base64 in `acl`, `warnings` and `errors`' }),
    }),
    headers: z.object({ accept: z.string().optional() }),
    reply: PolicyText,
    gives: 'hujson',
  }),
  setPolicy: route({
    method: 'POST',
    path: '/tailnet/{tailnet}/acl',
    summary: 'Replace the policy, once its own tests pass. An empty body puts the default policy back.',
    group,
    access: writePolicy,
    params,
    query: z.object({ comment: Comment }),
    headers: z.object({
      accept: z.string().optional(),
      'if-match': z
        .string()
        .optional()
        .meta({ description: 'ETag of the policy to replace; `ts-default`: only if it was never changed' }),
    }),
    body: PolicyBody,
    takes: 'hujson',
    maxBody: MAX_POLICY_BYTES,
    reply: z.union([PolicyText, Proposed]),
    gives: 'hujson',
    pending: Proposed,
  }),
  previewPolicy: route({
    method: 'POST',
    path: '/tailnet/{tailnet}/acl/preview',
    summary: 'Show which rules of a policy, sent as the body, count for a user or for an address and port.',
    group,
    access: readPolicy,
    params,
    query: z.object({
      type: z.enum(['user', 'ipport']),
      previewFor: z.string().min(1).max(300).meta({ description: 'Login name, or address:port' }),
    }),
    body: PolicyBody,
    takes: 'hujson',
    maxBody: MAX_POLICY_BYTES,
    reply: Preview,
  }),
  validatePolicy: route({
    method: 'POST',
    path: '/tailnet/{tailnet}/acl/validate',
    summary: 'Check a policy and run its tests without saving it; or run a list of tests on the policy in force.',
    group,
    access: readPolicy,
    params,
    body: PolicyBody,
    takes: 'hujson',
    maxBody: MAX_POLICY_BYTES,
    reply: Verdict.optional(),
  }),
} as const
