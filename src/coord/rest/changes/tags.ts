/** Which tags a caller may give to devices and keys. (api-v2.md §2.5, §4.1; policy.md §9) */

import { isTag } from '../../../base/dns-name.ts'
import { Approvals } from '../../../policy/approvals.ts'
import { hasOwnPolicy } from '../../model/policies.ts'
import { policyUser } from '../../model/policy-tailnet.ts'
import { refuse } from '../answer.ts'
import type { Refusal } from '../answer.ts'
import type { At } from '../call.ts'
import { roleOf } from '../caller.ts'
import type { Client } from '../caller.ts'
import { mayUseAnyTag } from '../roles.ts'

/** The tags, sorted and each once; or the refusal, in words that existing clients look for. */
export function permittedTags(at: At, tags: readonly string[]): string[] | Refusal {
  const isPermitted = permission(at)
  const wrong = tags.filter((tag) => !isTag(tag) || !isPermitted(tag))
  if (wrong.length > 0)
    return refuse(400, `requested tags [${wrong.join(' ')}] are invalid or not permitted${hint(wrong, isPermitted)}`)
  return [...new Set(tags)].sort()
}

/** A tag has to be declared, but for tailnets that have never written a policy: there tags are the administrators'. */
function permission({ tailnet, policies, caller }: At): (tag: string) => boolean {
  if (caller.kind === 'client') return permissionOf(caller, tailnet, policies)
  const role = roleOf(caller)
  if (!hasOwnPolicy(tailnet)) return () => mayUseAnyTag(role)
  const approvals = new Approvals(policies.of(tailnet))
  const user = caller.kind === 'token' ? caller.user : undefined
  const applicant = user === undefined ? { id: 0, login: '', role } : policyUser(user.id, user)
  return (tag) => approvals.mayTag({ user: applicant, tags: [] }, tag)
}

/** A client may use its own tags, and those that these own. (api-v2.md §2.4, §4.4) */
function permissionOf({ tags }: Client, tailnet: At['tailnet'], policies: At['policies']): (tag: string) => boolean {
  const own = new Set(tags)
  if (!hasOwnPolicy(tailnet)) return (tag) => own.has(tag)
  const policy = policies.of(tailnet)
  const approvals = new Approvals(policy)
  return (tag) => policy.tagOwners.has(tag) && (own.has(tag) || approvals.mayTag({ tags }, tag))
}

/** The tags that are meant, where nothing but the beginning is missing. */
function hint(wrong: readonly string[], isPermitted: (tag: string) => boolean): string {
  const meant = wrong.map((text) => `tag:${text}`)
  return meant.every((tag) => isTag(tag) && isPermitted(tag))
    ? `: every tag begins with "tag:"; want ${meant.join(' ')}`
    : ''
}
