/** `srcPosture` of a rule, and the default where a rule has none. (policy.md §12) */

import { quoteText } from '../hujson/errors.ts'
import type { Steps } from '../steps.ts'
import type { Names } from './names.ts'
import type { Part } from './part.ts'
import { PolicyRefusal } from './refusal.ts'

/** An empty list names none, so the default holds for it as well: leaving it out opens nothing. */
export function* ruleOfPostures(
  part: Part | undefined,
  names: Names,
  defaults: readonly string[],
): Steps<readonly string[]> {
  const own = yield* readPostureNames(part, names)
  return own.length > 0 ? own : defaults
}

export function* readPostureNames(part: Part | undefined, { postures }: Names): Steps<readonly string[]> {
  if (part === undefined) return []
  return yield* part.eachWord(({ text, at }) => {
    if (!text.startsWith('posture:'))
      throw new PolicyRefusal(`${part.what}: ${quoteText(text)} must be the name of a posture, "posture:…"`, at)
    if (!postures.has(text)) throw new PolicyRefusal(`${part.what}: posture not found: ${quoteText(text)}`, at)
    return text
  })
}
