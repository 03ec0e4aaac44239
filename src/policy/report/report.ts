/** What an administrator should know of a policy at work: how much is open, and what in it does nothing. */

import { finish } from '../diff/diff.ts'
import type { Engine } from '../engine.ts'
import type { AccessRule, SshRule } from '../policy.ts'
import { isDangerAll, isEverything } from '../selection.ts'
import type { PolicyTailnet } from '../tailnet.ts'
import { trafficText } from '../traffic-text.ts'
import type { OpenRule, PolicyReport, RuleAt } from './findings.ts'
import { reachOf } from './reach.ts'
import { redundantRules } from './redundant.ts'
import { ownerlessTags, unusedNames } from './unused.ts'

/** @param tailnet the nodes that the engine holds, and all users, those without a node included */
export function report(engine: Engine, tailnet: PolicyTailnet): PolicyReport {
  return finish(reportInSteps(engine, tailnet))
}

/** The same in steps of some milliseconds, for a server that has other things to do between them. */
export function* reportInSteps(engine: Engine, tailnet: PolicyTailnet): Generator<undefined, PolicyReport> {
  const { policy } = engine
  const reach = yield* reachOf(engine)
  const redundant = yield* redundantRules(policy)
  return {
    nodes: tailnet.nodes.length,
    users: tailnet.users.length,
    reach,
    openToAll: policy.rules.flatMap(openToAll),
    unreachable: unreachable(engine),
    redundant: redundant.map(({ rule, by }) => ({ rule: placeOf(rule), by: by.map(placeOf) })),
    unused: unusedNames(policy, tailnet),
    ownerless: ownerlessTags(policy, tailnet),
  }
}

function placeOf({ kind, index, at }: AccessRule): RuleAt {
  return { kind, index, at }
}

function openToAll(rule: AccessRule): OpenRule[] {
  if (!rule.sources.some(isEverything) || rule.postures.length > 0) return []
  const opens = rule.destinations
    .filter(({ traffic }) => traffic.length > 0)
    .map(({ target, traffic }) => `${target.text} ${trafficText(traffic)}`)
  return [{ rule: placeOf(rule), outside: rule.sources.some(isDangerAll), opens }]
}

function unreachable({ policy, access, ssh, selection }: Engine): PolicyReport['unreachable'] {
  const found: { rule: RuleAt; lacks: 'sources' | 'destinations' }[] = []
  const add = (rule: RuleAt, hasSources: boolean, hasDestinations: boolean): void => {
    if (!hasSources || !hasDestinations) found.push({ rule, lacks: hasSources ? 'destinations' : 'sources' })
  }
  if (!policy.allowAll)
    for (const rule of policy.rules) {
      const parts = access.parts.filter((part) => part.rule === rule)
      // Between the devices of one user there has to be one that sends and another one.
      const isLive = parts.map(({ self, sources, reach }) => ({
        hasSources: self ? !sources.admitted.isEmpty : rule.sources.some(isDangerAll) || !sources.touched.isEmpty,
        hasDestinations: !self
          ? !reach.nodes.isEmpty
          : [...sources.admitted].some((slot) => {
              const node = selection.node(slot)
              return node !== undefined && selection.devicesOfOwner(node).size > 1
            }),
      }))
      const live = isLive.find((part) => part.hasSources && part.hasDestinations)
      if (live === undefined)
        add(
          placeOf(rule),
          isLive.some(({ hasSources }) => hasSources),
          false,
        )
    }
  for (const rule of policy.ssh) {
    const compiled = ssh.rules.find((one) => one.rule === rule)
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

function sshPlace({ index, at }: SshRule): RuleAt {
  return { kind: 'ssh', index, at }
}
