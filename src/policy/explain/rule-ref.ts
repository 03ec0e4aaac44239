/** Where a rule stands. */

import type { AccessRule } from '../policy.ts'
import type { RuleRef } from './explanation.ts'

/** `isDefault`: it is what a policy without rules comes to. (policy.md §2) */
export function ruleRef({ kind, index, at }: AccessRule, isDefault = false): RuleRef {
  return { kind: isDefault ? 'default' : kind, index, at }
}
