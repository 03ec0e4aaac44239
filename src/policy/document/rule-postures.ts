/** `srcPosture` of a rule, and the default where a rule has none. (policy.md §12) */

import { quoteText } from '../hujson/errors.ts'
import type { Names } from './names.ts'
import type { Part } from './part.ts'
import { PolicyRefusal } from './refusal.ts'

/** An empty list names none, so the default holds for it as well: leaving it out opens nothing. */
export function ruleOfPostures(part: Part | undefined, names: Names, defaults: readonly string[]): readonly string[] {
  const own = readPostureNames(part, names)
  return own.length > 0 ? own : defaults
}

export function readPostureNames(part: Part | undefined, { postures }: Names): readonly string[] {
  return (part?.words() ?? []).map(({ text, at }) => {
    if (!text.startsWith('posture:'))
      throw new PolicyRefusal(`${part?.what}: ${quoteText(text)} must be the name of a posture, "posture:…"`, at)
    if (!postures.has(text)) throw new PolicyRefusal(`${part?.what}: posture not found: ${quoteText(text)}`, at)
    return text
  })
}
