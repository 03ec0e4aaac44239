/** Tests of a policy, for those who save, validate or explain one. */

export { describeTests, failureBody, TESTS_FAILED } from './report.ts'
export { runTests, runTestsInSteps } from './run.ts'
export type { TestFailure } from './run.ts'
export { refuseSshTarget } from './ssh-targets.ts'
