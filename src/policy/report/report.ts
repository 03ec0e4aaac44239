/** What an administrator should know of a policy at work: how much is open, and what in it does nothing. */

import { listed } from '../../base/listed.ts'
import type { Part } from '../access.ts'
import type { Engine } from '../engine.ts'
import type { AccessRule, SshRule } from '../policy.ts'
import { isDangerAll, isEverything } from '../selection.ts'
import { finish, Pace } from '../steps.ts'
import type { Steps } from '../steps.ts'
import { admitsSome } from '../shared-in.ts'
import type { PolicyNode, PolicyTailnet } from '../tailnet.ts'
import { trafficText } from '../traffic-text.ts'
import type { OpenRule, PolicyReport, RuleAt } from './findings.ts'
import { reachOf } from './reach.ts'
import { redundantRules } from './redundant.ts'
import { ownerlessTags, unusedNames } from './unused.ts'

/** @param tailnet the nodes that the engine holds, and all users, those without a node included */
export function report(engine: Engine, tailnet: PolicyTailnet): PolicyReport {
  return finish(reportInSteps(engine, tailnet))
}

/** The same in steps. */
export function* reportInSteps(engine: Engine, tailnet: PolicyTailnet): Steps<PolicyReport> {
  const { policy } = engine
  const reach = yield* reachOf(engine)
  const redundant = yield* redundantRules(policy, engine.beyond)
  yield
  const dead = yield* unreachable(engine)
  const ownerless = yield* ownerlessTags(policy, tailnet)
  return {
    nodes: tailnet.nodes.length,
    users: tailnet.users.length,
    reach,
    openToAll: policy.allowAll ? [ALLOW_ALL] : policy.rules.flatMap(openToAll),
    unreachable: dead,
    redundant: redundant.map(({ rule, by }) => ({ rule: placeOf(rule), by: by.map(placeOf) })),
    unused: unusedNames(policy, tailnet),
    ownerless,
  }
}

function placeOf({ kind, index, at }: AccessRule): RuleAt {
  return { kind, index, at }
}

/** What a policy without rules comes to. (policy.md §2) */
const ALLOW_ALL: OpenRule = {
  rule: { kind: 'default', index: 0, at: { line: 1, column: 1 } },
  outside: false,
  opens: ['* *'],
}

function openToAll(rule: AccessRule): OpenRule[] {
  if (!rule.sources.some(isEverything) || rule.postures.length > 0) return []
  const opens = rule.destinations
    .filter(({ traffic }) => traffic.length > 0)
    .map(({ target, traffic }) => `${target.text} ${trafficText(traffic)}`)
  return [{ rule: placeOf(rule), outside: rule.sources.some(isDangerAll), opens }]
}

/** Rules whose sides are looked at in one step. */
const RULES_PER_STEP = 500

function* unreachable(engine: Engine): Steps<PolicyReport['unreachable']> {
  const { policy, access, ssh, selection } = engine
  const shared = [...selection.all()].filter((node) => access.sharees.of(node).length > 0)
  const pace = new Pace(RULES_PER_STEP)
  const found: { rule: RuleAt; lacks: 'sources' | 'destinations' }[] = []
  const add = (rule: RuleAt, hasSources: boolean, hasDestinations: boolean): void => {
    if (!hasSources || !hasDestinations) found.push({ rule, lacks: hasSources ? 'destinations' : 'sources' })
  }
  const partsOf = new Map<AccessRule, Part[]>()
  for (const part of access.parts) listed(partsOf, part.rule).push(part)
  if (!policy.allowAll)
    for (const rule of policy.rules) {
      if (pace.spent()) yield
      const parts = partsOf.get(rule) ?? []
      // Between the devices of one user there has to be one that sends and another one.
      const isLive = parts.map((part) => ({
        hasSources: hasSources(engine, shared, part),
        hasDestinations: !part.self
          ? !part.reach.nodes.isEmpty
          : [...part.sources.admitted].some((slot) => {
              const node = selection.node(slot)
              return node !== undefined && selection.devicesOfOwner(node).size > 1
            }),
      }))
      const live = isLive.find((part) => part.hasSources && part.hasDestinations)
      if (live === undefined)
        add(
          placeOf(rule),
          isLive.some((part) => part.hasSources),
          false,
        )
    }
  const compiledOf = new Map(ssh.rules.map((compiled) => [compiled.rule, compiled]))
  for (const rule of policy.ssh) {
    if (pace.spent()) yield
    const compiled = compiledOf.get(rule)
    if (compiled === undefined) continue
    const { sources, targets } = compiled
    add(
      sshPlace(rule),
      !sources.admitted.isEmpty,
      targets.some(({ nodes }) => !nodes.isEmpty),
    )
  }
  return found
}

/** Devices of other tailnets are sources of what leads to a node that is shared to them. */
function hasSources({ access }: Engine, shared: readonly PolicyNode[], part: Part): boolean {
  const { self, sources, rule, reach } = part
  if (self) return !sources.admitted.isEmpty
  if (rule.sources.some(isDangerAll) || !sources.touched.isEmpty) return true
  const { sharees } = access
  return shared.some((node) => reach.includes(node.slot) && sharees.of(node).some((one) => admitsSome(part, one)))
}

function sshPlace({ index, at }: SshRule): RuleAt {
  return { kind: 'ssh', index, at }
}
