/**
 * Does one selector name all that another does, in any tailnet? Told by what is written: a group covers its members, a
 * prefix covers what is inside it. Asked about every two selectors of a policy, so that next to nothing is kept.
 */

import { formatPrefix, maskPrefix, prefixCovers } from '../../base/ip.ts'
import { domainOf } from '../people.ts'
import type { Policy, Selector } from '../policy.ts'
import type { Beyond } from '../tailnet.ts'

/** Whom a list names: by login and by mail domain, in lower case. */
interface People {
  readonly logins: ReadonlySet<string>
  readonly domains: ReadonlySet<string>
}

/** Autogroups of people, and those that come to their devices. */
const PEOPLE: ReadonlySet<string> = new Set([
  'owner',
  'admin',
  'network-admin',
  'it-admin',
  'billing-admin',
  'auditor',
  'self',
])

export class Covers {
  readonly #policy: Policy
  /** In lower case. */
  readonly #outsiders: ReadonlySet<string>
  readonly #ofServices: ReadonlySet<string>
  readonly #names = new Map<Selector, string>()
  readonly #people = new Map<string, People>()
  /** Of lists and groups whose first member is on the list: are all of them? */
  readonly #groups = new Map<string, boolean>()

  /** @param beyond whose logins are of other tailnets, and which tags Services carry: all that counts of a tailnet */
  constructor(policy: Policy, { services = [], sharees = [] }: Beyond = {}) {
    this.#policy = policy
    this.#outsiders = new Set(sharees.map(({ login }) => login.toLowerCase()))
    this.#ofServices = new Set(services.flatMap(({ tags }) => tags))
  }

  source(wider: Selector, narrow: Selector): boolean {
    if (isAutogroup(wider, 'danger-all')) return true
    // `*` is what nodes have and routers carry; other addresses may be written too.
    if (wider.kind === 'any') return !isAddresses(narrow) && !isAutogroup(narrow, 'danger-all')
    // No group, domain or role has people of other tailnets in it.
    if (narrow.kind === 'user' && this.#outsiders.has(narrow.login.toLowerCase()))
      return this.#name(wider) === this.#name(narrow)
    return this.#any(wider, narrow)
  }

  target(wider: Selector, narrow: Selector): boolean {
    // A Service is not tagged as devices are.
    if (isAutogroup(wider, 'tagged') && narrow.kind === 'tag' && this.#ofServices.has(narrow.tag)) return false
    return wider.kind === 'any' || this.#any(wider, narrow)
  }

  #any(wider: Selector, narrow: Selector): boolean {
    if (wider === narrow || this.#name(wider) === this.#name(narrow)) return true
    switch (wider.kind) {
      case 'prefix':
        return narrow.kind === 'prefix' && prefixCovers(wider.prefix, narrow.prefix)
      case 'autogroup':
        return autogroupCovers(wider.autogroup, narrow)
      case 'user':
      case 'domain':
      case 'group':
        return this.#list(wider, narrow)
      default:
        return false
    }
  }

  #list(wider: Selector, narrow: Selector): boolean {
    const people = this.#peopleOf(wider)
    if (narrow.kind !== 'group') return isIn(narrow, people)
    const members = this.#policy.groups.get(narrow.group)?.members ?? []
    const [first] = members
    // Mostly it is told by the first, and then nothing has to be kept.
    if (first === undefined || !isIn(first, people)) return first === undefined
    const key = `${this.#name(wider)} ${this.#name(narrow)}`
    let are = this.#groups.get(key)
    if (are === undefined) this.#groups.set(key, (are = members.every((member) => isIn(member, people))))
    return are
  }

  #peopleOf(list: Selector): People {
    const name = this.#name(list)
    let people = this.#people.get(name)
    if (people === undefined) {
      const members = list.kind === 'group' ? (this.#policy.groups.get(list.group)?.members ?? []) : [list]
      const [logins, domains] = [new Set<string>(), new Set<string>()]
      for (const member of members)
        if (member.kind === 'user') logins.add(member.login.toLowerCase())
        else if (member.kind === 'domain') domains.add(member.domain.toLowerCase())
      this.#people.set(name, (people = { logins, domains }))
    }
    return people
  }

  #name(selector: Selector): string {
    let name = this.#names.get(selector)
    if (name === undefined) this.#names.set(selector, (name = nameOf(selector)))
    return name
  }
}

function isIn(one: Selector, { logins, domains }: People): boolean {
  if (one.kind === 'domain') return domains.has(one.domain.toLowerCase())
  if (one.kind !== 'user') return false
  const login = one.login.toLowerCase()
  return logins.has(login) || (domains.size > 0 && domains.has(domainOf(login)))
}

function autogroupCovers(wider: string, narrow: Selector): boolean {
  if (wider === 'tagged') return narrow.kind === 'tag'
  if (wider === 'admin') return isAutogroup(narrow, 'owner')
  if (wider !== 'member') return false
  if (narrow.kind === 'autogroup') return PEOPLE.has(narrow.autogroup)
  return narrow.kind === 'user' || narrow.kind === 'domain' || narrow.kind === 'group' || narrow.kind === 'synced-group'
}

function isAddresses({ kind }: Selector): boolean {
  return kind === 'prefix' || kind === 'ipset'
}

function isAutogroup(selector: Selector, name: string): boolean {
  return selector.kind === 'autogroup' && selector.autogroup === name
}

function nameOf(selector: Selector): string {
  if (selector.kind === 'prefix') return formatPrefix(maskPrefix(selector.prefix))
  if (selector.kind === 'user') return selector.login.toLowerCase()
  if (selector.kind === 'domain') return `@${selector.domain.toLowerCase()}`
  if (selector.kind === 'autogroup') return `autogroup:${selector.autogroup}`
  return selector.text
}
