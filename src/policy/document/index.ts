/** Policy texts, for those who save, validate or show one. */

export { DEFAULT_POLICY, isDefaultPolicy } from './default-policy.ts'
export { checkParsedInSteps, checkPolicy, checkPolicyInSteps, parsePolicyInSteps } from './document.ts'
export type { ParsedPolicy } from './document.ts'
export type { DocumentContext } from './names.ts'
export { PolicyRefusal } from './refusal.ts'
export type { RefusalDetail } from './refusal.ts'
