/** Answers the routes about the policy that Tailscale's API has as well. (api-v2.md §5) */

import { parseIp } from '../../../base/ip.ts'
import { parseInSteps, quoteText } from '../../../policy/hujson/index.ts'
import { previewAddress, previewUser } from '../../../policy/preview.ts'
import type { Verdict } from '../../../wire/api/policy-objects.ts'
import type { policyRoutes } from '../../../wire/api/routes/policy.ts'
import { done, refuse } from '../answer.ts'
import type { Answer, Refusal } from '../answer.ts'
import { NO_USER } from '../authorise.ts'
import type { Call, Handlers } from '../call.ts'
import { engineOf, readCandidate, readTests, runAll, tailnetOf, testsFailed, tryCandidate } from '../candidate.ts'
import { inTurn, takeSteps } from '../long-work.ts'
import { submit } from '../submit.ts'
import { policyInForce, showDetails, showPolicy, viewPreview, viewProposed } from '../views/policy.ts'

export const policyHandlers: Handlers<keyof typeof policyRoutes> = {
  getPolicy({ at, tools }, { query, headers }) {
    const { text } = policyInForce(at.tailnet)
    if (query.details === '1' || query.details === 'true')
      return showDetails(text, at.policies.of(at.tailnet), tools.sha256)
    return showPolicy(text, headers.accept, tools)
  },

  setPolicy: inTurn(async (call, { query, headers, body }) => {
    const { tools } = call
    const comment = query.comment ?? ''
    const done = await submit(call, { text: body, comment, ifMatch: headers['if-match'] })
    if (done.kind === 'refused') return done
    const { text, submitted } = done.reply
    if (submitted.kind === 'proposed') return viewProposed(call.at.tailnet, submitted.proposal, tools.sha256)
    return showPolicy(text, headers.accept, tools)
  }),

  previewPolicy: inTurn(async ({ at, tools }, { query, body }) => {
    const { type, previewFor } = query
    const read = await readCandidate(at, tools, body)
    if (read.kind === 'refused') return read
    const { policy } = read.reply
    const tailnet = await tailnetOf(at, tools)
    if (type === 'user') {
      const found = previewUser(await engineOf(tools, policy, tailnet), tailnet, previewFor.trim())
      return found === undefined ? noUser(previewFor) : done(viewPreview(policy, query, found))
    }
    const asked = /^\[?([\da-fA-F.:]+?)\]?:(\d{1,5})$/.exec(previewFor)
    const ip = parseIp(asked?.[1] ?? '')
    const port = Number(asked?.[2])
    if (ip === undefined || port > 65535)
      return refuse(400, 'previewFor: want an address and a port, such as 100.64.0.1:22')
    return done(viewPreview(policy, query, previewAddress(await engineOf(tools, policy, tailnet), ip, port)))
  }),

  validatePolicy: inTurn(async (call, { body }) => {
    const tested = (await isArray(call, body)) ? await validateTests(call, body) : await validateText(call, body)
    if (tested.kind === 'done') return tested
    const { message, more } = tested
    return done({ message, ...more })
  }),
}

/** Only people are previewed: what rules are for a tag or a group, the policy itself says. */
function noUser(name: string): Refusal {
  return /^(?:tag|group|autogroup|user|svc|ipset):/.test(name.trim())
    ? refuse(400, `previewFor: want the login name of a user, not ${quoteText(name)}`)
    : refuse(404, `${NO_USER}: ${quoteText(name)}`)
}

/** Does the text begin as a list does? What is no HuJSON counts as a policy, whose mistake is then told. */
async function isArray({ tools }: Call, text: string): Promise<boolean> {
  try {
    return (await takeSteps(tools, parseInSteps(text))).node.kind === 'array'
  } catch {
    return false
  }
}

async function validateText({ at, tools }: Call, text: string): Promise<Answer<Verdict>> {
  const tried = await tryCandidate(at, tools, text)
  if (tried.kind === 'refused') return tried
  // Names that nobody has yet are no reason to stop: clients take any message for a failure.
  const ignored = tried.reply.policy.warnings.filter(({ about }) => /^group:.*@/.test(about))
  if (ignored.length === 0) return done({})
  const data = ignored.map(({ about, text }) => ({ user: about, warnings: [text] }))
  return done({ message: 'warning(s) found', data })
}

/** Runs a list of tests on the policy in force. Some clients take any body of the answer for a failure. */
async function validateTests({ at, tools }: Call, list: string): Promise<Answer<undefined>> {
  const read = await readTests(at, tools, list)
  if (read.kind === 'refused') return read
  const tests = read.reply
  const failures = await runAll(at, tools, { ...at.policies.of(at.tailnet), tests, sshTests: [] })
  return failures.length === 0 ? done(undefined) : testsFailed(failures)
}
