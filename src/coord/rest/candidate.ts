/**
 * A policy that somebody wants: read, checked and tried on the tailnet as it is. Nothing is stored here; whoever is
 * refused hears the service's words, and where in the text they belong. (policy.md §8, §14, §16)
 */

import { MeshError } from '../../base/errors.ts'
import { checkPolicy, PolicyRefusal } from '../../policy/document/index.ts'
import { format, parse } from '../../policy/hujson/index.ts'
import type { Policy } from '../../policy/policy.ts'
import type { PolicyTailnet } from '../../policy/tailnet.ts'
import { runTestsInSteps, TESTS_FAILED } from '../../policy/tests/index.ts'
import type { TestFailure } from '../../policy/tests/index.ts'
import { domainsOf } from '../model/policies.ts'
import { policyTailnet } from '../model/policy-tailnet.ts'
import { done, refuse } from './answer.ts'
import type { Answer, Refusal } from './answer.ts'
import type { At, Tools } from './call.ts'
import { isOnline } from './call.ts'

export interface Candidate {
  /** Formatted, as it is to be stored. */
  readonly text: string
  readonly policy: Policy
  /** Mail domains with which it was found good. */
  readonly domains: readonly string[]
}

/** The policy, checked but not tried. Places are those of the text as it was sent. */
export async function readCandidate(at: At, tools: Tools, text: string): Promise<Answer<Candidate>> {
  const domains = domainsOf(at.record, at.tailnet)
  const logins = new Set([...at.tailnet.usersByLogin.keys()].map((login) => login.toLowerCase()))
  try {
    const policy = checkPolicy(text, { domains, logins })
    // Each of the two takes a while for a large text.
    await tools.pause()
    return done({ text: format(parse(text)), policy, domains: [...domains] })
  } catch (error) {
    if (error instanceof PolicyRefusal) return refused(error)
    // A text that would be huge once it is laid out.
    if (error instanceof MeshError && error.code === 'input/invalid') return refuse(400, error.message)
    throw error
  }
}

function refused({ status, message, at, data }: PolicyRefusal): Refusal {
  return refuse(status, message, {
    ...(data === undefined ? {} : { data: data.map(({ user, errors }) => ({ user, errors: [...errors] })) }),
    ...(at === undefined ? {} : { at }),
  })
}

/** The policy, checked, with all of its tests passed. */
export async function tryCandidate(at: At, tools: Tools, text: string): Promise<Answer<Candidate>> {
  const candidate = await readCandidate(at, tools, text)
  if (candidate.kind === 'refused') return candidate
  const failures = await runAll(at, tools, candidate.reply.policy)
  return failures.length === 0 ? candidate : testsFailed(failures)
}

/** Runs the tests of a policy on the tailnet, and lets others have their turn in between. */
export async function runAll(at: At, tools: Tools, policy: Policy): Promise<readonly TestFailure[]> {
  const steps = runTestsInSteps(policy, tailnetOf(at))
  let step = steps.next()
  while (step.done !== true) {
    await tools.pause()
    step = steps.next()
  }
  return step.value
}

export function tailnetOf(at: At): PolicyTailnet {
  return policyTailnet(at.tailnet, (node) => isOnline(at, node), at.now)
}

export function testsFailed(failures: readonly TestFailure[]): Refusal {
  return refuse(400, TESTS_FAILED, {
    data: failures.map(({ user, errors, at }) => ({ user, errors: [...errors], at: { ...at } })),
  })
}
