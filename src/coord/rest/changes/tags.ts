/** Which tags a caller may give to devices and keys. (api-v2.md §2.5, §4.1) */

import { isTag } from '../../../base/dns-name.ts'
import { refuse } from '../answer.ts'
import type { Refusal } from '../answer.ts'
import { roleOf } from '../caller.ts'
import type { Caller } from '../caller.ts'
import { mayUseAnyTag } from '../roles.ts'

/** The tags, sorted and each once; or the refusal, in words that existing clients look for. */
export function permittedTags(caller: Caller, tags: readonly string[]): string[] | Refusal {
  const usable = mayUseAnyTag(roleOf(caller))
  const wrong = tags.filter((tag) => !usable || !isTag(tag))
  if (wrong.length > 0)
    return refuse(400, `requested tags [${wrong.join(' ')}] are invalid or not permitted${usable ? hint(wrong) : ''}`)
  return [...new Set(tags)].sort()
}

/** The tags that are meant, where nothing but the beginning is missing. */
function hint(wrong: readonly string[]): string {
  const meant = wrong.map((text) => `tag:${text}`)
  return meant.every(isTag) ? `: every tag begins with "tag:"; want ${meant.join(' ')}` : ''
}
