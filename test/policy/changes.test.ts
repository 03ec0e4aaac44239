/**
 * A policy that follows its tailnet: after any changes it says what it would say if it had been compiled anew, and
 * every change names those, and only those, for whom something is otherwise.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { SourceNames } from '../../src/policy/capability-sources.ts'
import { Engine } from '../../src/policy/engine.ts'
import type { EngineOptions } from '../../src/policy/engine.ts'
import type { Policy, Selector } from '../../src/policy/policy.ts'
import type { PolicyTailnet } from '../../src/policy/tailnet.ts'
import { policies } from './generate-policy.ts'
import { changes, Story, tailnets } from './generate.ts'
import type { Change } from './generate.ts'
import { runs } from './runs.ts'
import { say } from './say.ts'

const SLOTS = 7
const all = Array.from({ length: SLOTS + 1 }, (_, slot) => slot)

/** All that one node is told, and who it sees. */
interface View {
  readonly rules: string
  /** The same where no order counts: that of the filter's rules. */
  readonly meaning: string
  readonly sees: readonly number[]
  readonly capabilities: string
  readonly names: string
}

function viewOf(engine: Engine, slot: number): View {
  const [filter, ssh] = [engine.filter(slot), engine.sshRules(slot)]
  return {
    rules: JSON.stringify([filter, ssh]),
    meaning: JSON.stringify([filter.map((rule) => JSON.stringify(rule)).sort(), ssh]),
    sees: [...engine.visible(slot)],
    capabilities: JSON.stringify([...engine.capabilities(slot, false)]),
    names: engine.sourceNames(slot).join(),
  }
}

interface Step {
  readonly change: Change
  readonly was: readonly View[]
  readonly is: readonly View[]
  /** The slots that were set, with whom each named. */
  readonly edges: ReadonlyMap<number, readonly number[]>
  readonly rules: ReadonlySet<number>
  readonly now: PolicyTailnet
}

/** Carries the changes out, one after the other. */
function* follow(
  policy: Policy,
  tailnet: PolicyTailnet,
  list: readonly Change[],
  options: EngineOptions,
): Generator<Step> {
  const engine = new Engine(policy, tailnet.nodes, { ...tailnet, ...options })
  const story = new Story(tailnet)
  let was = all.map((slot) => viewOf(engine, slot))
  for (const change of list) {
    const rules = new Set<number>()
    const edges = new Map<number, readonly number[]>()
    for (const slot of story.apply(change)) {
      const touched = engine.set(slot, story.nodes.get(slot))
      for (const other of touched.rules) rules.add(other)
      edges.set(slot, [...touched.edges])
    }
    const is = all.map((slot) => viewOf(engine, slot))
    yield { change, was, is, rules, edges, now: story.tailnet }
    was = is
  }
}

/** Whether rules are written in the shorter form, and whether filters admit nodes by names. */
const options = fc
  .record({ compact: fc.boolean(), names: fc.boolean() })
  .map(({ compact, names }): EngineOptions => ({ compact, names: names ? new SourceNames() : undefined }))
const stories = [policies(4), tailnets(5), changes(SLOTS, 8), options] as const
const sees = (views: readonly View[], a: number, b: number): boolean => (views[a] as View).sees.includes(b)

test('what has followed changes says the same as what is compiled anew', () => {
  fc.assert(
    fc.property(...stories, (policy, tailnet, list, form) => {
      for (const { change, is, now } of follow(policy, tailnet, list, form)) {
        const fresh = new Engine(policy, now.nodes, { ...now, ...form })
        for (const slot of all) {
          const want = viewOf(fresh, slot)
          if (JSON.stringify(is[slot]) !== JSON.stringify(want))
            assert.fail(say(policy, now, { change, slot, got: is[slot], want }))
        }
      }
    }),
    runs(80),
  )
})

test('a change names every node whose rules are otherwise, and every pair that sees each other anew or no more', () => {
  fc.assert(
    fc.property(...stories, (policy, tailnet, list, form) => {
      for (const step of follow(policy, tailnet, list, form)) {
        const { was, is, rules, edges } = step
        const facts = { change: step.change, rules: [...rules], edges: [...edges], was, is }
        for (const a of all) {
          const isSet = edges.has(a)
          if (was[a]?.meaning !== is[a]?.meaning && !rules.has(a)) assert.fail(say(policy, step.now, { a }, facts))
          const isSame = was[a]?.capabilities === is[a]?.capabilities && was[a]?.names === is[a]?.names
          if (!isSet && !isSame) assert.fail(say(policy, step.now, { a }, facts))
          for (const b of all) {
            const turned = sees(was, a, b) !== sees(is, a, b)
            const named = (edges.get(a)?.includes(b) ?? false) || (edges.get(b)?.includes(a) ?? false)
            // Where several were set, one may have taken back what another did.
            if (edges.size > 1 ? turned && !named : turned !== named)
              assert.fail(say(policy, step.now, { a, b }, facts))
          }
        }
      }
    }),
    runs(80),
  )
})

/** Could a list say the same with a node or a subnet and without it, since the same is written in two ways? */
function maySayTwice(sources: readonly Selector[], postures: readonly string[]): boolean {
  const isRange = ({ kind }: Selector): boolean => kind === 'prefix' || kind === 'ipset'
  const isEvery = ({ text }: Selector): boolean => text === '*' || text === 'autogroup:danger-all'
  return (
    (sources.length > 1 && sources.some(isRange)) ||
    (postures.length > 0 && sources.some((s) => isRange(s) || isEvery(s)))
  )
}

const exact = policies(6).map((policy) => ({
  ...policy,
  rules: policy.rules.filter(
    ({ sources, destinations, postures }) =>
      !maySayTwice(sources, postures) &&
      !maySayTwice(
        destinations.map(({ target }) => target),
        [],
      ),
  ),
}))

test('a change names nobody else', () => {
  let named = 0
  fc.assert(
    fc.property(exact, tailnets(5), changes(SLOTS, 8), options, (policy, tailnet, list, form) => {
      const personal = policy.ssh.some(({ users }) => users.some(({ kind }) => kind === 'localpart'))
      for (const { change, was, is, rules, edges, now } of follow(policy, tailnet, list, form))
        for (const other of rules) {
          // Where rules are for each person, the devices of both people hear of one that goes from hand to hand.
          const byPerson = personal || (form.compact === true && policy.ssh.length > 0)
          const changesHands = byPerson && ['owner', 'put', 'retag'].includes(change.kind)
          if (edges.has(other) || changesHands) continue
          named++
          if (was[other]?.rules === is[other]?.rules)
            assert.fail(say(policy, now, { change, other, rules: [...rules], is: is[other] }))
        }
    }),
    runs(80),
  )
  assert.ok(named > 0, 'nobody was named at all')
})
