/** `hosts`: names for addresses and prefixes. (policy.md §9) */

import { quoteText } from '../hujson/errors.ts'
import type { Host } from '../policy.ts'
import type { Steps } from '../steps.ts'
import type { Part } from './part.ts'
import { PolicyRefusal } from './refusal.ts'
import { readPrefix } from './selectors.ts'

export function* readHosts(section: Part): Steps<ReadonlyMap<string, Host>> {
  const hosts = new Map<string, Host>()
  for (const { name, at, value } of yield* section.entries()) {
    if (section.pace.spent()) yield
    if (name === '*' || !/^[^\s@:/,]+$/.test(name) || readPrefix(name) !== undefined)
      throw new PolicyRefusal(
        `${value.what}: the name of a host must not be an address, and not hold "@", ":", "/", "," or blanks`,
        at,
      )
    const text = value.string().trim()
    const prefix = readPrefix(text)
    if (prefix === undefined)
      throw value.refusal(`${quoteText(text)}: must be an IP address or a prefix, such as "10.0.0.0/8"`)
    hosts.set(name, { name, at, prefix })
  }
  return hosts
}
