/** What an administrator should know of a policy, for the API and the command line. */

export type * from './findings.ts'
export { report, reportInSteps } from './report.ts'
export { reportLines } from './text.ts'
