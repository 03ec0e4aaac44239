/**
 * Runs the tests of a policy before it is saved, over the tailnet as it is. Looks all names up, sets the trial up once,
 * and asks it for every test; what a test says is access.ts and ssh.ts, who is meant subjects.ts. (policy.md §8)
 */

import type { Place, Policy } from '../policy.ts'
import { finish, Pace } from '../steps.ts'
import type { Steps } from '../steps.ts'
import type { PolicyTailnet } from '../tailnet.ts'
import { AccessTests, prepare } from './access.ts'
import type { ReadyTest } from './access.ts'
import { prepareSsh, SshTests } from './ssh.ts'
import type { ReadySshTest } from './ssh.ts'
import { Subjects } from './subjects.ts'
import { Trial } from './trial.ts'

export interface TestFailure {
  /** The `src` of the test, as written. */
  readonly user: string
  /** What does not hold, in the order of the test: `address "host:port": want: Accept, got: Drop`. */
  readonly errors: readonly string[]
  /** Where the test stands in the policy. */
  readonly at: Place
}

/** Names that are looked up in one step, and tests that are run in one at most. */
const NAMES_PER_STEP = 500

/** The tests that fail, `tests` before `sshTests`, each in the order written. Empty: the policy may be saved. */
export function runTests(policy: Policy, tailnet: PolicyTailnet): TestFailure[] {
  return finish(runTestsInSteps(policy, tailnet))
}

/** The same in steps. */
export function* runTestsInSteps(policy: Policy, tailnet: PolicyTailnet): Steps<TestFailure[]> {
  if (policy.tests.length + policy.sshTests.length === 0) return []
  const subjects = new Subjects(policy, tailnet)
  const pace = new Pace(NAMES_PER_STEP)
  yield
  const tests: ReadyTest[] = []
  for (const test of policy.tests) tests.push(yield* prepare(test, subjects, pace))
  const sshTests: ReadySshTest[] = []
  for (const test of policy.sshTests) sshTests.push(yield* prepareSsh(test, subjects, pace))
  // Only now is it known who has to be stood in for.
  const trial = new Trial(subjects.policy, subjects.nodes, tailnet)
  const failures: TestFailure[] = []
  const note = ({ src, at }: { readonly src: string; readonly at: Place }, errors: readonly string[]): void => {
    if (errors.length > 0) failures.push({ user: src, errors, at })
  }
  const access = new AccessTests(trial)
  for (const ready of tests) {
    note(ready.test, yield* access.errors(ready))
    if (pace.spent()) yield
  }
  const ssh = new SshTests(trial)
  for (const ready of sshTests) {
    note(ready.test, yield* ssh.errors(ready))
    if (pace.spent()) yield
  }
  return failures
}
