/** `groups`: lists of people. (policy.md §9) */

import { quoteText } from '../hujson/errors.ts'
import type { Group } from '../policy.ts'
import type { Steps } from '../steps.ts'
import type { Names } from './names.ts'
import type { Part } from './part.ts'
import { PolicyRefusal } from './refusal.ts'
import { isLogin } from './selectors.ts'

export function* readGroups(section: Part, names: Names): Steps<ReadonlyMap<string, Group>> {
  const groups = new Map<string, Group>()
  let nested: PolicyRefusal | undefined
  for (const { name, at, value } of yield* section.entries()) {
    if (section.pace.spent()) yield
    const refuse = (fact: string, where = at): PolicyRefusal => new PolicyRefusal(`${value.what}: ${fact}`, where)
    if (!/^group:[^\s@]+$/.test(name)) throw refuse('a group must be named "group:" and a name without blanks and "@"')
    const members: Group['members'][number][] = []
    for (const { text, at: where } of value.isNull ? [] : yield* value.words()) {
      if (section.pace.spent()) yield
      // Of several groups in groups, the service names the last.
      if (text.startsWith('group:')) nested = refuse(`${quoteText(text)}: group members cannot be recursive`, where)
      else if (!isLogin(text))
        throw refuse(`${quoteText(text)}: group members must be users, such as "name@example.com"`, where)
      else {
        names.expectUser(text, name, where)
        members.push({ kind: 'user', login: text, text, at: where })
      }
    }
    groups.set(name, { name, at, members })
  }
  if (nested !== undefined) throw nested
  return groups
}
