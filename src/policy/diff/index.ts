/** What changes between two policies, for the API and the command line. */

export { diff, diffInSteps } from './diff.ts'
export type { AccountChange, FlowChange, LoginChange, PolicyDiff, Ports, SightChange, SshAction } from './diff.ts'
export type { Sides } from './sides.ts'
export type { Between } from './crossings.ts'
export type { Party } from './parties.ts'
export type { RouteChange } from './routes.ts'
export { diffLines } from './text.ts'
