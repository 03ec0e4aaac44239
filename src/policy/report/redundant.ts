/**
 * Rules that change nothing, since others allow all that they do. Told by what is written, and so for any tailnet: a
 * group covers its members, a prefix covers what is inside it. What can't be told so is not called redundant.
 */

import { openFrom, without } from '../diff/open.ts'
import type { AccessRule, Policy, Traffic } from '../policy.ts'
import { Pace } from '../steps.ts'
import type { Steps } from '../steps.ts'
import type { Beyond } from '../tailnet.ts'
import { Covers } from './covers.ts'

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
export function* redundantRules(policy: Policy, beyond: Beyond = {}): Steps<Redundant[]> {
  const covers = new Covers(policy, beyond)
  const found: Redundant[] = []
  const rules = policy.allowAll ? [] : policy.rules
  const left = new Set(rules)
  // `via` also chooses routers, so only rules that have the same cover each other.
  const byVia = new Map<string, Set<AccessRule>>()
  for (const rule of rules) {
    const same = byVia.get(viaOf(rule))
    if (same === undefined) byVia.set(viaOf(rule), new Set([rule]))
    else same.add(rule)
  }
  const othersOf = (rule: AccessRule): AccessRule[] =>
    [...(byVia.get(viaOf(rule)) ?? [])].filter((other) => other !== rule && asksNoMore(other, rule))
  const budget = new Budget()
  for (const rule of rules.toReversed()) {
    // Capabilities are more than what is open; a rule without effect is told elsewhere.
    if (rule.app.size > 0 || rule.sources.length === 0 || rule.destinations.length === 0) continue
    if (budget.spent(left.size)) yield
    const by = yield* covering(covers, rule, othersOf(rule), budget)
    if (by === 'given up') break
    if (by === undefined) continue
    left.delete(rule)
    byVia.get(viaOf(rule))?.delete(rule)
    found.push({ rule, by: [...by] })
  }
  // What covered a rule may have gone itself since, and then is covered by what is left.
  const rest = [...left]
  const told: Redundant[] = []
  for (const { rule, by } of found.reverse()) {
    if (budget.spent(left.size)) yield
    const lasting = yield* covering(covers, rule, othersOf(rule), budget)
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

function viaOf({ via }: AccessRule): string {
  return via.toSorted().join()
}

/** Does it ask for no posture that the rule does not ask for? */
function asksNoMore(other: AccessRule, rule: AccessRule): boolean {
  return (
    other.postures.length === 0 ||
    (rule.postures.length > 0 && rule.postures.every((name) => other.postures.includes(name)))
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
