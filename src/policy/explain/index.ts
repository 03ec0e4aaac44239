/** Why a flow is allowed or refused, for the API and the command line. */

export { explain, explainInSteps } from './explain.ts'
export type { Surroundings } from './explain.ts'
export type * from './explanation.ts'
export { explanationLines } from './text.ts'
export type { NameOf } from './text.ts'
