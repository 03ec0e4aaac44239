/**
 * Whether a policy that comes from elsewhere means something here: it is read, and its own tests are run on the people
 * and nodes that came with it. One that fails is not brought over with anything else: it would allow nothing, or more.
 */

import { MeshError } from '../../../base/errors.ts'
import type { Wall } from '../../../base/clock.ts'
import { checkPolicy, PolicyRefusal } from '../../../policy/document/index.ts'
import { finish } from '../../../policy/steps.ts'
import { runTests } from '../../../policy/tests/index.ts'
import type { TailnetState } from '../../model/model.ts'
import { namesIn } from '../../model/policies.ts'
import { policyTailnet } from '../../model/policy-tailnet.ts'

/** @throws MeshError `config/invalid`, with what is wrong and where */
export function checkImportedPolicy(
  text: string,
  state: TailnetState,
  domains: ReadonlySet<string>,
  now: Wall,
): { readonly tests: number; readonly warnings: readonly string[] } {
  const policy = read(text, { domains, logins: namesIn(state) })
  const tailnet = finish(policyTailnet(state, () => true, now))
  const failures = runTests(policy, tailnet)
  if (failures.length > 0)
    throw refuse(
      `its tests fail here: ${failures.map(({ user, errors, at }) => `line ${at.line}, ${user}: ${errors.join('; ')}`).join('. ')}`,
    )
  const warnings = policy.warnings.map(({ text, at }) => `policy, line ${at.line}: ${text}`)
  return { tests: policy.tests.length + policy.sshTests.length, warnings }
}

function read(text: string, context: Parameters<typeof checkPolicy>[1]): ReturnType<typeof checkPolicy> {
  try {
    return checkPolicy(text, context)
  } catch (error) {
    if (!(error instanceof PolicyRefusal)) throw error
    const { at, message } = error
    throw refuse(`${at === undefined ? '' : `line ${at.line}, column ${at.column}: `}${message}`, error)
  }
}

function refuse(why: string, cause?: unknown): MeshError {
  return new MeshError(
    'config/invalid',
    `Cannot bring the policy over: ${why}. Say another text with --policy FILE; an empty file is the default policy`,
    { cause },
  )
}
