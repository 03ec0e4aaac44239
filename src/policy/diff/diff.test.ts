/** What is said of edits to an office's policy. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { engineOf, nameOf, POLICY } from '../../../test/support/policy-office.ts'
import { checkPolicy } from '../document/index.ts'
import { Engine } from '../engine.ts'
import type { PolicyNode } from '../tailnet.ts'
import { diff, diffInSteps, diffLines } from './index.ts'

const edits = [
  {
    name: 'the same text',
    from: 'group:dev',
    to: 'group:dev',
    lines: ['Nothing changes: who may reach whom, and how, stays as it is.'],
  },
  {
    name: 'another port, beside one that another rule still opens',
    from: '"ip": ["tcp:5432"]},\n    {"src": ["autogroup:member"], "dst": ["office"]',
    to: '"ip": ["tcp:5433"]},\n    {"src": ["autogroup:member"], "dst": ["office"]',
    lines: ['+ ann@example.com to tag:db: tcp:5433'],
  },
  {
    name: 'one more in a group',
    from: '"ann@example.com",\n    ]',
    to: '"ann@example.com", "bob@example.com"]',
    lines: ['+ bob@example.com to tag:db: tcp:5432 icmp', '+ visible bob@example.com and tag:db, tag:router (exit-1)'],
  },
  {
    name: 'a check that is no longer asked for, on own devices',
    from: '"check"',
    to: '"accept"',
    lines: [
      '+ ssh ann@example.com, bob@example.com to ann@example.com, bob@example.com, own devices only: as any account but root, now without a check',
    ],
  },
  {
    name: 'one account more',
    from: '"users": ["autogroup:nonroot"]',
    to: '"users": ["autogroup:nonroot", "root"]',
    lines: [
      '+ ssh ann@example.com, bob@example.com to ann@example.com, bob@example.com, own devices only: as root, after a check',
    ],
  },
  {
    name: 'an exit node that nobody may use any more',
    from: '{"src": ["group:dev"], "dst": ["autogroup:internet"], "ip": ["*"]},',
    to: '',
    lines: [
      '- ann@example.com to 2000::/3 behind exit-1: *',
      '- route 0.0.0.0/0 of exit-1, told to ann@example.com',
      '- visible ann@example.com and tag:router (exit-1)',
    ],
  },
] as const

for (const { name, from, to, lines } of edits)
  test(name, () => {
    assert.ok(POLICY.includes(from))
    const told = diffLines(diff(engineOf(POLICY), engineOf(POLICY.replace(from, to))), nameOf)
    for (const line of lines) assert.ok(told.includes(line), `not said: ${line}\n${told.join('\n')}`)
  })

test('in a large tailnet it comes in steps, and to the same', () => {
  const tags = Array.from({ length: 100 }, (_, n) => `tag:t${n}`)
  const nodes = Array.from({ length: 2000 }, (_, n) => machine(n, tags[n % tags.length] as string))
  const [before, after] = ['*', 'tcp:22'].map((ip) => {
    const grants = tags.map((tag) => ({ src: [tag], dst: [tag], ip: [ip] }))
    const tagOwners = Object.fromEntries(tags.map((tag) => [tag, []]))
    const text = JSON.stringify({ tagOwners, grants })
    return new Engine(checkPolicy(text, { domains: new Set(), logins: new Set() }), nodes)
  }) as [Engine, Engine]
  const steps = diffInSteps(before, after)
  let count = 1
  let step = steps.next()
  for (; step.done !== true; step = steps.next()) count++
  assert.ok(count > 10, `${count} steps`)
  assert.equal(step.value.flows.length, tags.length)
  assert.deepEqual(step.value, diff(before, after))
})

test('of changes that nobody could read the largest are told, and that there are others', () => {
  const count = 300
  const nodes = Array.from({ length: count }, (_, n) => machine(n, `tag:t${n}`))
  const tagOwners = Object.fromEntries(nodes.map(({ tags: [tag] }) => [tag, []]))
  const [before, after] = [
    [],
    nodes.map(({ tags }, n) => ({ src: tags, dst: ['100.64.0.0/24'], ip: [`tcp:${n + 1}`] })),
  ].map(
    (grants) =>
      new Engine(checkPolicy(JSON.stringify({ tagOwners, grants }), { domains: new Set(), logins: new Set() }), nodes),
  ) as [Engine, Engine]
  const { flows, complete } = diff(before, after)
  assert.equal(complete, false)
  assert.ok(flows.length > 10 && flows.length < count, `${flows.length} flows`)
  const parties = flows.flatMap(({ from, to }) => [...from, ...to])
  assert.ok(parties.length <= 20_000)
})

function machine(slot: number, tag: string): PolicyNode {
  const user = { id: 1, login: 'ann@example.com', role: 'member' } as const
  const [ipv4, ipv6] = [
    { family: 4, value: 0x64400000n + BigInt(slot) } as const,
    { family: 6, value: BigInt(slot) } as const,
  ]
  return { slot, id: slot + 1, user, tags: [tag], ipv4, ipv6, routes: [], online: true, attributes: new Map() }
}
