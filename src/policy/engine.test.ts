/** An engine that is built in steps: the same engine, and no step with more than a few nodes or rules. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkPolicy } from './document/index.ts'
import { Engine } from './engine.ts'
import type { PolicyNode } from './tailnet.ts'

const TEAMS = 300
const policy = checkPolicy(
  JSON.stringify({
    groups: Object.fromEntries(teams((team) => [`group:g${team}`, [`p${team}@example.com`]])),
    tagOwners: Object.fromEntries(teams((team) => [`tag:t${team}`, []])),
    grants: teams((team) => ({ src: [`group:g${team}`], dst: [`tag:t${team}`, 'autogroup:self'], ip: ['tcp:22'] })),
  }),
  { domains: new Set(['example.com']), logins: new Set() },
)

/** A server and two devices of one person for each team. */
const nodes: readonly PolicyNode[] = Array.from({ length: 3 * TEAMS }, (_, slot) => {
  const team = slot % TEAMS
  return {
    slot,
    id: slot + 1,
    user: { id: team + 1, login: `p${team}@example.com`, role: 'member' },
    tags: slot < TEAMS ? [`tag:t${team}`] : [],
    ipv4: { family: 4, value: 0x64400001n + BigInt(slot) },
    ipv6: { family: 6, value: 0xfd7a115ca1e000000000000000000001n + BigInt(slot) },
    routes: [],
    online: true,
    attributes: new Map(),
  }
})

function teams<T>(make: (team: number) => T): T[] {
  return Array.from({ length: TEAMS }, (_, team) => make(team))
}

test('an engine that was built in steps says what one says that was built at once', () => {
  const steps = Engine.building(policy, nodes, { compact: true })
  let step = steps.next()
  while (step.done !== true) step = steps.next()
  const atOnce = new Engine(policy, nodes, { compact: true })
  for (const { slot } of nodes) {
    const [own, team] = [slot < TEAMS ? [] : [((slot - TEAMS + TEAMS) % (2 * TEAMS)) + TEAMS], slot % TEAMS]
    const sees = slot < TEAMS ? [team + TEAMS, team + 2 * TEAMS] : [team, ...own]
    assert.deepEqual([...step.value.visible(slot)], sees)
    assert.deepEqual([...atOnce.visible(slot)], sees)
    assert.deepEqual(step.value.filter(slot), atOnce.filter(slot))
  }
})

test('each step takes some nodes, and not many', () => {
  let taken = 0
  function* counted(): Generator<PolicyNode> {
    for (const node of nodes) {
      taken++
      yield node
    }
  }
  const each: number[] = []
  const steps = Engine.building(policy, counted())
  for (let before = 0; steps.next().done !== true; before = taken) each.push(taken - before)
  assert.equal(taken, nodes.length)
  assert.ok(Math.max(...each) <= 300, `steps of ${each.join()} nodes`)
})

test('what changes while an engine is built is set on it afterwards', () => {
  const steps = Engine.building(policy, nodes)
  steps.next()
  const [first] = nodes as [PolicyNode]
  const after = { ...first, tags: ['tag:t1'] }
  let step = steps.next()
  while (step.done !== true) step = steps.next()
  assert.ok(step.value.connects(0, TEAMS))
  step.value.set(0, after)
  const fresh = new Engine(policy, [after, ...nodes.slice(1)])
  for (const { slot } of nodes) assert.deepEqual(step.value.filter(slot), fresh.filter(slot))
  assert.ok(step.value.connects(0, TEAMS + 1) && !step.value.connects(0, TEAMS))
})
