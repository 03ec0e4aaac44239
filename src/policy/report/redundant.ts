/**
 * Rules that change nothing, since others allow all that they do. Told by what is written, and so for any tailnet: a
 * group covers its members, a prefix covers what is inside it. What can't be told so is not called redundant.
 */

import { formatPrefix, maskPrefix, prefixCovers } from '../../base/ip.ts'
import { openFrom, without } from '../diff/open.ts'
import { domainOf } from '../people.ts'
import type { AccessRule, Policy, Selector, Traffic } from '../policy.ts'
import { Pace } from '../steps.ts'
import type { Steps } from '../steps.ts'

export interface Redundant {
  readonly rule: AccessRule
  /** Those that allow what it allows. */
  readonly by: readonly AccessRule[]
}

/** Looked at: selectors of one rule against those of another. More is not looked for; some seconds' worth. */
const MOST_LOOKS = 20_000_000

/** A few milliseconds' worth. */
const LOOKS_PER_STEP = 20_000

/** Without all of these together the policy allows the same. Of two that are alike the later one is told. */
export function* redundantRules(policy: Policy): Steps<Redundant[]> {
  const covers = new Covers(policy)
  const found: Redundant[] = []
  const left = new Set(policy.allowAll ? [] : policy.rules)
  const budget = new Budget()
  for (const rule of [...left].reverse()) {
    // Capabilities are more than what is open; a rule without effect is told elsewhere.
    if (rule.app.size > 0 || rule.sources.length === 0 || rule.destinations.length === 0) continue
    if (budget.spent(left.size)) yield
    const others = [...left].filter((other) => other !== rule && mayCover(other, rule))
    const by = yield* covering(covers, rule, others, budget)
    if (by === 'given up') break
    if (by === undefined) continue
    left.delete(rule)
    found.push({ rule, by: [...by] })
  }
  // What covered a rule may have gone itself since, and then is covered by what is left.
  const rest = [...left]
  const told: Redundant[] = []
  for (const { rule, by } of found.reverse()) {
    if (budget.spent(left.size)) yield
    const others = rest.filter((other) => mayCover(other, rule))
    const lasting = yield* covering(covers, rule, others, budget)
    told.push({
      rule,
      by: lasting === undefined || lasting === 'given up' ? by : rest.filter((other) => lasting.has(other)),
    })
  }
  return told
}

/** What has been looked at, over all rules. */
class Budget {
  readonly #pace = new Pace(LOOKS_PER_STEP)
  #left = MOST_LOOKS

  get isOver(): boolean {
    return this.#left < 0
  }

  /** True: it is time for others. */
  spent(looks: number): boolean {
    this.#left -= looks
    return this.#pace.spent(looks)
  }
}

/** Does it ask for nothing that the rule does not ask for? `via` also chooses routers, and so has to be the same. */
function mayCover(other: AccessRule, rule: AccessRule): boolean {
  return (
    other.via.toSorted().join() === rule.via.toSorted().join() &&
    (other.postures.length === 0 ||
      (rule.postures.length > 0 && rule.postures.every((name) => other.postures.includes(name))))
  )
}

/** The others that together allow it; `undefined`: they don't. */
function* covering(
  covers: Covers,
  rule: AccessRule,
  others: readonly AccessRule[],
  budget: Budget,
): Steps<Set<AccessRule> | undefined | 'given up'> {
  const used = new Set<AccessRule>()
  for (const source of rule.sources) {
    const admitting: AccessRule[] = []
    for (const other of others) {
      if (budget.spent(other.sources.length)) yield
      if (budget.isOver) return 'given up'
      if (other.sources.some((wider) => covers.source(wider, source))) admitting.push(other)
    }
    if (admitting.length === 0) return undefined
    for (const { target, traffic } of rule.destinations) {
      const open: Traffic[] = []
      for (const other of admitting) {
        if (budget.spent(other.destinations.length)) yield
        if (budget.isOver) return 'given up'
        for (const wider of other.destinations)
          if (wider.traffic.length > 0 && covers.target(wider.target, target)) {
            open.push(...wider.traffic)
            used.add(other)
          }
      }
      // Even what opens nothing lets the two see each other.
      if (open.length === 0 || without(openFrom(traffic), openFrom(open)).size > 0) return undefined
    }
  }
  return used
}

/** Does one selector name all that another does? Each pair is looked at once. */
class Covers {
  readonly #policy: Policy
  readonly #known = new Map<string, Map<string, boolean>>()
  readonly #names = new Map<Selector, string>()

  constructor(policy: Policy) {
    this.#policy = policy
  }

  source(wider: Selector, narrow: Selector): boolean {
    if (isAutogroup(wider, 'danger-all')) return true
    // `*` is what nodes have and routers carry; other addresses may be written too.
    if (wider.kind === 'any') return !isAddresses(narrow) && !isAutogroup(narrow, 'danger-all')
    return this.#any(wider, narrow)
  }

  target(wider: Selector, narrow: Selector): boolean {
    return wider.kind === 'any' || this.#any(wider, narrow)
  }

  #any(wider: Selector, narrow: Selector): boolean {
    const [a, b] = [this.#name(wider), this.#name(narrow)]
    let known = this.#known.get(a)
    if (known === undefined) this.#known.set(a, (known = new Map()))
    let is = known.get(b)
    if (is === undefined) known.set(b, (is = covers(this.#policy, wider, narrow)))
    return is
  }

  #name(selector: Selector): string {
    let name = this.#names.get(selector)
    if (name === undefined) this.#names.set(selector, (name = nameOf(selector)))
    return name
  }
}

function isAddresses({ kind }: Selector): boolean {
  return kind === 'prefix' || kind === 'ipset'
}

function isAutogroup(selector: Selector, name: string): boolean {
  return selector.kind === 'autogroup' && selector.autogroup === name
}

function covers(policy: Policy, wider: Selector, narrow: Selector): boolean {
  if (isSame(wider, narrow)) return true
  if (wider.kind === 'prefix' && narrow.kind === 'prefix') return prefixCovers(wider.prefix, narrow.prefix)
  if (isAutogroup(wider, 'tagged')) return narrow.kind === 'tag'
  if (isAutogroup(wider, 'member'))
    return (
      ['user', 'domain', 'group'].includes(narrow.kind) || (narrow.kind === 'autogroup' && PEOPLE.has(narrow.autogroup))
    )
  if (isAutogroup(wider, 'admin')) return isAutogroup(narrow, 'owner')
  return arePeopleIn(policy, wider, narrow)
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

function arePeopleIn(policy: Policy, wider: Selector, narrow: Selector): boolean {
  if (narrow.kind === 'group') {
    const members = policy.groups.get(narrow.group)?.members ?? []
    return isListOfPeople(wider) && members.every((member) => arePeopleIn(policy, wider, member))
  }
  if (wider.kind === 'group')
    return policy.groups.get(wider.group)?.members.some((member) => arePeopleIn(policy, member, narrow)) ?? false
  if (wider.kind === 'domain')
    return narrow.kind === 'user' && domainOf(narrow.login.toLowerCase()) === wider.domain.toLowerCase()
  return isSame(wider, narrow)
}

function isListOfPeople({ kind }: Selector): boolean {
  return kind === 'group' || kind === 'domain' || kind === 'user'
}

function isSame(a: Selector, b: Selector): boolean {
  return nameOf(a) === nameOf(b)
}

function nameOf(selector: Selector): string {
  if (selector.kind === 'prefix') return formatPrefix(maskPrefix(selector.prefix))
  if (selector.kind === 'user') return selector.login.toLowerCase()
  if (selector.kind === 'domain') return `@${selector.domain.toLowerCase()}`
  if (selector.kind === 'autogroup') return `autogroup:${selector.autogroup}`
  return selector.text
}
