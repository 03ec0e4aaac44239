/** What an identity provider says of somebody, and whether that lets them in. */

import { hex, utf8 } from '../../base/bytes.ts'
import type { Sha256 } from '../model/credentials.ts'
import { groupName } from '../model/groups.ts'
import { handleLogin } from '../model/people.ts'
import type { Provider } from '../model/records.ts'

/** Read and verified by whoever speaks with the provider (`IdentityProviders`). */
export interface Claims {
  /** Together with `subject` the identity; nothing else is. */
  readonly issuer: string
  readonly subject: string
  /** A mail address that the provider vouches for. */
  readonly email?: string
  /** What they are called there, where no address is vouched for; such as a GitHub login. */
  readonly handle?: string
  readonly displayName?: string
  readonly pictureUrl?: string
  /** As the provider names them. */
  readonly groups: readonly string[]
}

/** Longest list of groups that is kept of one person. */
const GROUPS_MAX = 1000

/** Under which id the record of an identity stands. */
export function identityId(sha256: Sha256, { issuer, subject }: Pick<Claims, 'issuer' | 'subject'>): string {
  return hex(sha256(utf8(JSON.stringify([issuer, subject]))))
}

/** Does the provider's rule let this stranger join? What is not listed is not let in. */
export function admits({ admits: rule }: Provider, { email, groups }: Claims): boolean {
  if (rule.anyone) return true
  const address = email?.toLowerCase()
  const domain = address?.slice(address.lastIndexOf('@') + 1)
  return (
    (address !== undefined && rule.users.some((user) => user.toLowerCase() === address)) ||
    (domain !== undefined && rule.domains.some((one) => one.toLowerCase() === domain)) ||
    rule.groups.some((group) => groups.includes(group))
  )
}

/** May the provider's word make somebody a user who was only named by an administrator? Their address must be its own. */
export function speaksFor({ admits: rule, settings }: Provider, email: string): boolean {
  const domain = email.slice(email.lastIndexOf('@') + 1).toLowerCase()
  const named = rule.users.some((user) => user.toLowerCase() === email.toLowerCase())
  return (
    named ||
    rule.domains.some((one) => one.toLowerCase() === domain) ||
    (settings.kind === 'oidc' && settings.trustEmail)
  )
}

/** What somebody is called in the tailnet: the address, or the name at their provider. */
export function loginNameOf(provider: Provider, claims: Claims): string {
  if (claims.email !== undefined) return claims.email
  return handleLogin(claims.handle ?? claims.subject, provider.settings.kind === 'github' ? 'github' : provider.id)
}

/**
 * The groups as policies name them, without `group:`. A name that no policy could hold is left out.
 */
export function groupNames(provider: Provider, claims: Claims): string[] {
  const { groupDomain } = provider
  if (groupDomain === undefined) return []
  const names = claims.groups.map((group) => groupName(group, groupDomain)).filter((name) => name !== undefined)
  return [...new Set(names)].sort().slice(0, GROUPS_MAX)
}
