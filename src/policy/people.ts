/** Which people a selector names: users, groups, roles, mail domains, groups of identity providers. (policy.md §3, §9) */

import type { Autogroup, Policy, Selector } from './policy.ts'
import type { PolicyUser } from './tailnet.ts'

/** The logins, mail domains and synced groups, in lower case, that a selector comes to. */
export interface Named {
  readonly logins: ReadonlySet<string>
  readonly domains: ReadonlySet<string>
  /** `NAME@DOMAIN`. */
  readonly synced: ReadonlySet<string>
}

const NONE: ReadonlySet<string> = new Set()
const NOBODY: Named = { logins: NONE, domains: NONE, synced: NONE }

export class People {
  readonly #policy: Policy
  /** Each group is read once. */
  readonly #groups = new Map<string, Named>()

  constructor(policy: Policy) {
    this.#policy = policy
  }

  named(selector: Selector): Named {
    switch (selector.kind) {
      case 'user':
        return { ...NOBODY, logins: new Set([selector.login.toLowerCase()]) }
      case 'domain':
        return { ...NOBODY, domains: new Set([selector.domain.toLowerCase()]) }
      case 'group':
        return this.#group(selector.group)
      case 'synced-group':
        return { ...NOBODY, synced: new Set([syncedName(selector.group)]) }
      default:
        return NOBODY
    }
  }

  /** Does the person belong to those whom the selector names, or whose role it is? */
  includes(selector: Selector, user: PolicyUser): boolean {
    if (selector.kind === 'any') return true
    if (selector.kind === 'autogroup') return hasRole(selector.autogroup, user)
    if (selector.kind === 'synced-group') return user.groups?.includes(syncedName(selector.group)) === true
    const { logins, domains } = this.named(selector)
    return namesOf(user).some((name) => logins.has(name)) || domains.has(domainOf(user.login.toLowerCase()))
  }

  #group(name: string): Named {
    let named = this.#groups.get(name)
    if (named === undefined) {
      const [logins, domains] = [new Set<string>(), new Set<string>()]
      for (const member of this.#policy.groups.get(name)?.members ?? []) {
        if (member.kind === 'user') logins.add(member.login.toLowerCase())
        if (member.kind === 'domain') domains.add(member.domain.toLowerCase())
      }
      this.#groups.set(name, (named = { ...NOBODY, logins, domains }))
    }
    return named
  }
}

/** What policies may call somebody, in lower case. */
export function namesOf({ login, alias }: PolicyUser): string[] {
  return alias === undefined ? [login.toLowerCase()] : [login.toLowerCase(), alias.toLowerCase()]
}

/** A group of an identity provider as its members have it: `group:Dev@example.com` is `dev@example.com`. */
export function syncedName(group: string): string {
  return group.slice('group:'.length).toLowerCase()
}

export function domainOf(login: string): string {
  return login.slice(login.lastIndexOf('@') + 1)
}

export function hasRole(autogroup: Autogroup, user: PolicyUser): boolean {
  switch (autogroup) {
    case 'member':
      return true
    case 'admin':
      return user.role === 'admin' || user.role === 'owner'
    default:
      return user.role === autogroup
  }
}
