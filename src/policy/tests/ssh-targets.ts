/** What the `dst` of an SSH test may be at all; anything else is refused before a test runs. (policy.md §8) */

import { parsePrefix } from '../../base/ip.ts'
import type { Policy } from '../policy.ts'

/** The message of the refusal; `undefined` for a destination that a test can be tried with, or fail by. */
export function refuseSshTarget(text: string, { tagOwners }: Pick<Policy, 'tagOwners'>): string | undefined {
  const name = text.trim()
  const disallowed = `SSH tests dst contains disallowed element ${JSON.stringify(name)}`
  if (name === '*' || name === 'autogroup:internet') return disallowed
  if (parsePrefix(name) !== undefined) return disallowed
  if (name.startsWith('tag:') && !tagOwners.has(name))
    return `SSH tests dst contains unknown tag ${JSON.stringify(name)}`
  return undefined
}
