/** The checked policy of each tailnet: read from its record once, and again after the record has changed. */

import { checkPolicy, DEFAULT_POLICY } from '../../policy/document/index.ts'
import type { Policy } from '../../policy/policy.ts'
import { groupsIn } from './groups.ts'
import type { TailnetState } from './model.ts'
import { ownerIn } from './owner.ts'
import type { PolicyRecord, Tailnet } from './records.ts'

/** A policy that is being saved, read already. */
export interface Expected extends Pick<PolicyRecord, 'text' | 'domains'> {
  readonly policy: Policy
}

/** Under this id `policy` has the record that is in force. */
export const CURRENT_POLICY = 'current'

/** Providers whose mail domain says nothing about who belongs together, and what is no mail domain. */
const SHARED_DOMAINS: ReadonlySet<string> = new Set(
  'gmail.com googlemail.com outlook.com hotmail.com live.com icloud.com me.com yahoo.com proton.me protonmail.com gmx.de gmx.net web.de github passkey'.split(
    ' ',
  ),
)

export class Policies {
  readonly #checked = new WeakMap<PolicyRecord, Policy>()
  readonly #expected = new Set<Expected>()
  readonly #failed: (what: string, error: unknown) => void
  #fallback: Policy | undefined

  /** @param failed told of a policy that was saved and can't be read: by another version of this program, say */
  constructor(failed: (what: string, error: unknown) => void = () => undefined) {
    this.#failed = failed
  }

  /** The policy that is in force. */
  of(state: TailnetState): Policy {
    const record = state.get('policy', CURRENT_POLICY)
    if (record === undefined) return this.default
    let policy = this.#checked.get(record)
    if (policy === undefined) {
      policy = this.#read(state, record)
      this.#checked.set(record, policy)
    }
    return policy
  }

  /** Until the work is over, a record with this text needs no reading: whoever sees it first would be kept waiting. */
  async expecting<T>(expected: Expected, work: () => Promise<T>): Promise<T> {
    this.#expected.add(expected)
    try {
      return await work()
    } finally {
      this.#expected.delete(expected)
    }
  }

  /** Whatever can't be understood allows nothing, and keeps nobody from saving another. */
  #read(state: TailnetState, { text, version, domains }: PolicyRecord): Policy {
    for (const expected of this.#expected)
      if (expected.text === text && expected.domains.join() === domains.join()) return expected.policy
    try {
      return checkPolicy(text, { domains: new Set(domains), logins: namesIn(state), groups: groupsIn(state) })
    } catch (error) {
      this.#failed(`reading version ${version} of the policy of tailnet ${state.num}, which allows nothing now`, error)
      return checkPolicy('{"grants": []}', { domains: new Set(), logins: new Set() })
    }
  }

  get default(): Policy {
    return (this.#fallback ??= checkPolicy(DEFAULT_POLICY, { domains: new Set(), logins: new Set() }))
  }
}

/** What policies may call the people of a tailnet, in lower case. */
export function namesIn(state: TailnetState): ReadonlySet<string> {
  const names = new Set<string>()
  for (const { loginName, alias } of state.usersById.values()) {
    names.add(loginName.toLowerCase())
    if (alias !== undefined) names.add(alias.toLowerCase())
  }
  return names
}

/** Has the tailnet a policy of its own? */
export function hasOwnPolicy(state: TailnetState): boolean {
  return state.get('policy', CURRENT_POLICY) !== undefined
}

/** The mail domains that belong to a tailnet: its owner's, and its name where that is one. */
export function domainsOf(record: Tailnet | undefined, state: TailnetState): ReadonlySet<string> {
  const domains = new Set<string>()
  for (const name of [record?.name, ownerIn(state)?.loginName]) {
    const domain = name?.slice(name.lastIndexOf('@') + 1).toLowerCase()
    if (domain !== undefined && domain.includes('.') && !SHARED_DOMAINS.has(domain)) domains.add(domain)
  }
  return domains
}
