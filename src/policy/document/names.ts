/**
 * What a policy's selectors may refer to: the names that its own sections declare, and the people and mail domains of the
 * tailnet. Notes what is worth a warning, once each.
 */

import { quoteText } from '../hujson/errors.ts'
import { syncedName } from '../people.ts'
import type { Host, Place, PolicyWarning } from '../policy.ts'
import { PolicyRefusal } from './refusal.ts'

/** What the check needs to know of the tailnet. */
export interface DocumentContext {
  /** Mail domains that belong to the tailnet, as they are to be written. */
  readonly domains: ReadonlySet<string>
  /** Everybody's login, in lower case. */
  readonly logins: ReadonlySet<string>
  /** Groups that identity providers keep: `NAME@DOMAIN`, in lower case. */
  readonly groups?: ReadonlySet<string>
}

export interface Declared {
  readonly groups: ReadonlySet<string>
  readonly tags: ReadonlySet<string>
  readonly ipsets: ReadonlySet<string>
  readonly postures: ReadonlySet<string>
  readonly hosts: ReadonlyMap<string, Host>
}

export class Names {
  readonly groups: ReadonlySet<string>
  readonly tags: ReadonlySet<string>
  readonly ipsets: ReadonlySet<string>
  readonly postures: ReadonlySet<string>
  readonly hosts: ReadonlyMap<string, Host>
  readonly warnings: PolicyWarning[] = []
  readonly #context: DocumentContext
  readonly #warned = new Set<string>()
  #memberSpelling: string | undefined

  constructor(declared: Declared, context: DocumentContext) {
    this.groups = declared.groups
    this.tags = declared.tags
    this.ipsets = declared.ipsets
    this.postures = declared.postures
    this.hosts = declared.hosts
    this.#context = context
  }

  /** What keeps a domain out of `user:*@…` and `localpart:*@…`; letter case counts, as it does for the service. */
  domainFault(domain: string): string | undefined {
    if (this.#context.domains.has(domain)) return undefined
    return `${domain} is not associated with this Tailnet and cannot be used in user:*@<domain> expressions`
  }

  /** Somebody who isn't there may join later: a warning, not a mistake. (policy.md §9) */
  expectUser(login: string, about: string, at: Place): void {
    if (!this.#context.logins.has(login.toLowerCase()))
      this.warn(about, `${quoteText(about)}: user not found: ${quoteText(login)}`, at)
  }

  /** A group of an identity provider that nobody has heard of has no members. (policy.md §3) */
  expectSynced(group: string, at: Place): void {
    if (this.#context.groups?.has(syncedName(group)) === true) return
    this.warn(group, 'group is not syncing from SCIM and will be ignored by rules in the policy file', at)
  }

  warn(about: string, text: string, at: Place): void {
    const key = `${about} ${text}`
    if (this.#warned.has(key)) return
    this.#warned.add(key)
    this.warnings.push({ about, text, at })
  }

  /** `autogroup:members` is the same as `autogroup:member`; a policy keeps to one of them. (policy.md §3.3) */
  spellMember(spelling: string, at: Place): void {
    this.#memberSpelling ??= spelling
    if (this.#memberSpelling !== spelling)
      throw new PolicyRefusal(
        `"autogroup:member" and "autogroup:members" can not both be used: give one of the two`,
        at,
      )
  }
}
