/** What changes between two policies, for the API and the command line. */

export { diff } from './diff.ts'
export type {
  AccountChange,
  FlowChange,
  LoginChange,
  PolicyDiff,
  Ports,
  RouteChange,
  Sides,
  SightChange,
  SshAction,
} from './diff.ts'
export type { Between } from './crossings.ts'
export type { Party } from './parties.ts'
export { diffLines } from './text.ts'
