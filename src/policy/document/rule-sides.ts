/** The two sides that grants and ACLs have in common: who may reach, and what. (policy.md §3.2, §3.3, §14) */

import { quoteText } from '../hujson/errors.ts'
import type { Place, Selector } from '../policy.ts'
import type { Names } from './names.ts'
import type { Written } from './part.ts'
import { PolicyRefusal } from './refusal.ts'
import { isFault, isLegal, readSelector } from './selectors.ts'

export function readSource(written: Written, names: Names): Selector {
  const { text, at } = written
  const read = readSelector(written, names)
  if (isFault(read)) throw new PolicyRefusal(read.kind === 'domain' ? read.fault : `src=${read.fault}`, at)
  if (!isLegal(read, 'src')) throw notOnSide(text, 'src', at)
  return read
}

/** `text` is without ports. */
export function readTarget(written: Written, names: Names): Selector {
  const { text, at } = written
  const read = readSelector(written, names)
  if (isFault(read))
    throw new PolicyRefusal(read.kind === 'domain' ? read.fault : `dst=${quoteText(text)}: ${read.fault}`, at)
  if (read.kind === 'autogroup' && read.autogroup === 'danger-all')
    throw new PolicyRefusal('cannot use autogroup:danger-all as a dst', at)
  if (!isLegal(read, 'dst')) throw notOnSide(text, 'dst', at)
  if (read.kind === 'prefix' && read.prefix.bits === 0)
    throw new PolicyRefusal(`dst ${quoteText(text)}: to allow all IP addresses, use "*" or "autogroup:internet"`, at)
  return read
}

export function notOnSide(text: string, side: 'src' | 'dst', at: Place): PolicyRefusal {
  return new PolicyRefusal(`${quoteText(text)} not valid on the ${side} side of a rule`, at)
}

/** `autogroup:self` stands for devices of the same person, so its sources have to be people. */
export function checkSelf(
  sources: readonly Selector[],
  destinations: readonly Selector[],
  alsoAllowed?: Selector['kind'],
): void {
  const self = destinations.find((target) => target.kind === 'autogroup' && target.autogroup === 'self')
  if (self !== undefined && sources.some((source) => source.kind !== alsoAllowed && !arePeople(source)))
    throw new PolicyRefusal('autogroup:self can only be used with users, groups, or supported autogroups', self.at)
}

function arePeople(source: Selector): boolean {
  switch (source.kind) {
    case 'user':
    case 'domain':
    case 'group':
    case 'synced-group':
      return true
    case 'autogroup':
      return source.autogroup !== 'tagged' && source.autogroup !== 'shared' && source.autogroup !== 'danger-all'
    default:
      return false
  }
}
