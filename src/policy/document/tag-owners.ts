/** `tagOwners`: which tags there are, and who may give them to a device. (policy.md §9) */

import { quoteText } from '../hujson/errors.ts'
import type { Selector, TagOwners } from '../policy.ts'
import type { Steps } from '../steps.ts'
import type { Names } from './names.ts'
import type { Part, Written } from './part.ts'
import { PolicyRefusal } from './refusal.ts'
import { isFault, isLegal, readSelector } from './selectors.ts'

export function* readTagOwners(section: Part, names: Names): Steps<ReadonlyMap<string, TagOwners>> {
  const tags = new Map<string, TagOwners>()
  for (const { name: tag, at, value } of yield* section.entries()) {
    if (section.pace.spent()) yield
    const fault = tagFault(tag)
    if (fault !== undefined) throw new PolicyRefusal(`${value.what}: ${fault}`, at)
    const readOwner = (written: Written): Selector => {
      const read = readSelector(written, names)
      if (isFault(read))
        throw new PolicyRefusal(read.kind === 'domain' ? read.fault : `${value.what}: ${read.fault}`, written.at)
      if (isLegal(read, 'owner')) return read
      const fact = `${quoteText(written.text)}: tag owners must be users, groups, tags or autogroups of people`
      throw new PolicyRefusal(`${value.what}: ${fact}`, written.at)
    }
    const owners = value.isNull ? [] : yield* value.eachWord(readOwner)
    if (owners.length === 0) owners.push({ kind: 'autogroup', autogroup: 'admin', text: 'autogroup:admin', at })
    tags.set(tag, { tag, at, owners })
  }
  return tags
}

/** What is wrong with the name of a tag. */
function tagFault(tag: string): string | undefined {
  if (!tag.startsWith('tag:')) return "tags must start with 'tag:'"
  const name = tag.slice('tag:'.length)
  if (name === '') return 'tag names must not be empty'
  if (!/^[a-zA-Z]/.test(name)) return "tag names must start with a letter, after 'tag:'"
  return /^[a-zA-Z0-9-]+$/.test(name) ? undefined : 'tag names can only contain numbers, letters, or dashes'
}
