/**
 * A policy that somebody wants: read, checked and tried on the tailnet as it is. Nothing is stored here; whoever is
 * refused hears the service's words, and where in the text they belong. (policy.md §8, §14, §16)
 */

import { utf8 } from '../../base/bytes.ts'
import { MeshError } from '../../base/errors.ts'
import {
  checkParsedInSteps,
  checkPolicyInSteps,
  parsePolicyInSteps,
  PolicyRefusal,
} from '../../policy/document/index.ts'
import type { DocumentContext } from '../../policy/document/index.ts'
import { formatInSteps } from '../../policy/hujson/index.ts'
import type { HuValue } from '../../policy/hujson/index.ts'
import { Engine } from '../../policy/engine.ts'
import type { Policy } from '../../policy/policy.ts'
import type { PolicyTailnet } from '../../policy/tailnet.ts'
import { runTestsInSteps, TESTS_FAILED } from '../../policy/tests/index.ts'
import type { TestFailure } from '../../policy/tests/index.ts'
import { MAX_POLICY_BYTES } from '../../wire/api/routes/policy.ts'
import { groupsIn } from '../model/groups.ts'
import { domainsOf, namesIn } from '../model/policies.ts'
import type { Expected } from '../model/policies.ts'
import { policyTailnet } from '../model/policy-tailnet.ts'
import { done, refuse } from './answer.ts'
import type { Answer, Refusal } from './answer.ts'
import type { At, Tools } from './call.ts'
import { isOnline } from './call.ts'
import { takeSteps } from './long-work.ts'

export interface Candidate {
  /** Formatted, as it is to be stored. */
  readonly text: string
  readonly policy: Policy
  /** Mail domains with which it was found good. */
  readonly domains: readonly string[]
}

/** The policy, checked but not tried. Places are those of the text as it was sent. */
export function readCandidate(at: At, tools: Tools, text: string): Promise<Answer<Candidate>> {
  return reading(async () => {
    const known = knownOf(at)
    const parsed = await takeSteps(tools, parsePolicyInSteps(text))
    const policy = await takeSteps(tools, checkParsedInSteps(parsed, known))
    const formatted = await takeSteps(tools, formatInSteps(parsed.tree))
    const size = utf8(formatted).length
    // What is served may always be sent back: the limit of requests is that of texts as they are kept.
    return size > MAX_POLICY_BYTES
      ? refuse(413, tooLarge(size))
      : done({ text: formatted, policy, domains: [...known.domains] })
  })
}

/** Tests that are sent by themselves, as a list. Their places are those of the list. */
export function readTests(at: At, tools: Tools, list: string): Promise<Answer<Policy['tests']>> {
  return reading(async () => {
    const { text, tree } = await takeSteps(tools, parsePolicyInSteps(list))
    const { tests } = await takeSteps(tools, checkParsedInSteps({ text, tree: asTests(tree) }, knownOf(at)))
    return done(tests)
  })
}

/** A policy of nothing but these tests; the list keeps its place. */
function asTests(list: HuValue): HuValue {
  const bare = { before: '', after: '', start: list.start, end: list.end }
  const name: HuValue = { ...bare, node: { kind: 'literal', text: '"tests"' } }
  return { ...bare, node: { kind: 'object', members: [{ name, value: list }], trailingComma: false, closing: '' } }
}

async function reading<T>(read: () => Promise<Answer<T>>): Promise<Answer<T>> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof PolicyRefusal) return refused(error)
    // A text that would be huge once it is laid out.
    if (error instanceof MeshError && error.code === 'input/invalid') return refuse(400, error.message)
    throw error
  }
}

function tooLarge(size: number): string {
  return (
    `The policy is ${size} bytes once it is laid out, as it is kept and served; ${MAX_POLICY_BYTES} (1 MiB) are the most: ` +
    'put people into groups and addresses into hosts or ipsets, or take rules and comments out'
  )
}

function knownOf({ record, tailnet }: At): Required<DocumentContext> {
  return { domains: domainsOf(record, tailnet), logins: namesIn(tailnet), groups: groupsIn(tailnet) }
}

/** The policy as it is once it is saved: its places are those of the formatted text. */
export async function expectedOf(at: At, tools: Tools, { text, domains }: Candidate): Promise<Expected> {
  const { logins, groups } = knownOf(at)
  return {
    text,
    domains,
    policy: await takeSteps(tools, checkPolicyInSteps(text, { domains: new Set(domains), logins, groups })),
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

/** Runs the tests of a policy on the tailnet. */
export async function runAll(at: At, tools: Tools, policy: Policy): Promise<readonly TestFailure[]> {
  if (policy.tests.length + policy.sshTests.length === 0) return []
  return await takeSteps(tools, runTestsInSteps(policy, await tailnetOf(at, tools)))
}

export function tailnetOf(at: At, tools: Tools): Promise<PolicyTailnet> {
  return takeSteps(
    tools,
    policyTailnet(at.tailnet, (node) => isOnline(at, node), at.now),
  )
}

/** A policy at work on the tailnet, or on what it was a moment ago. */
export function engineOf(tools: Tools, policy: Policy, { nodes }: PolicyTailnet): Promise<Engine> {
  return takeSteps(tools, Engine.building(policy, nodes))
}

export function testsFailed(failures: readonly TestFailure[]): Refusal {
  return refuse(400, TESTS_FAILED, {
    data: failures.map(({ user, errors, at }) => ({ user, errors: [...errors], at: { ...at } })),
  })
}
