/** What explanations, differences and reports say of Services and of nodes that are shared, by hand from policy.md. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { diff, diffLines } from '../../src/policy/diff/index.ts'
import { explain, explanationLines } from '../../src/policy/explain/index.ts'
import { report } from '../../src/policy/report/index.ts'
import { addressOf, any, BEYOND, engineOf, NODES } from './beyond-mesh.ts'

const WORDS: readonly [cite: string, policy: object, from: string, to: string, port: number, says: string][] = [
  ['§15.10', any('*', 'svc:web'), 'bob', 'svc:web', 443, '  to svc:web, which #3 hosts'],
  ['§15.10', any('*', '*'), 'svc:web', 'bob', 22, '  svc:web opens no connections.'],
  ['§15.10', any('*', '*'), 'bob', 'svc:idle', 443, '  No device is approved as a host of svc:idle.'],
  [
    '§15.10',
    any('*', '*'),
    'web',
    'svc:web',
    443,
    '  The sender hosts svc:web: what it sends there does not cross the tailnet.',
  ],
  ['§15.10', any('*', 'svc:web'), 'bob', 'svc:web', 22, '  svc:web takes tcp:80,443 only.'],
  [
    '§15.10',
    any('ann@example.com', 'svc:web'),
    'bob',
    'svc:web',
    80,
    '    - add "bob@example.com" to src of grants[0]',
  ],
  ['§15.11', any('*', '*'), 'gina', 'db', 22, '  #5 is not shared to Gina@Other.com.'],
  ['§15.11', any('*', '*'), 'gina', '10.33.1.1', 22, '  Nothing that is shared to Gina@Other.com leads there'],
  ['§15.11', any('*', '*'), 'web', 'gina', 22, '  What is shared to Gina@Other.com does not reach their devices.'],
  ['§15.11', any('autogroup:shared', '*'), 'gina', '9.9.9.9', 443, '  through exit node #7'],
  ['§15.11', any('autogroup:shared', '*'), 'gina', 'web', 22, 'it is shared to Gina@Other.com'],
  ['§15.11', any('*', 'tag:db'), 'hal', 'exit', 22, '    - add a grant {"src": ["hal@other.com"], "dst": ["tag:exit"]'],
]
test('explanations say why, in words', () => {
  for (const [cite, policy, from, to, port, says] of WORDS) {
    const subject = (name: string) => ({ kind: 'address' as const, ip: addressOf(name) })
    const explanation = explain(engineOf(policy), { src: subject(from), dst: subject(to), port })
    const lines = explanationLines(explanation, (id) => `#${id}`)
    assert.ok(
      lines.some((line) => line.includes(says)),
      `${cite}: ${says}\n${lines.join('\n')}`,
    )
  }
})

test('differences tell Services and sharees apart from devices and people', () => {
  const lines = (before: object, after: object): string[] =>
    diffLines(diff(engineOf(before), engineOf(after)), (id) => `#${id}`)
  assert.deepEqual(lines(any('bob@example.com', 'tag:web'), any('bob@example.com', 'svc:web')), [
    '- bob@example.com to tag:web: *',
    '+ bob@example.com to svc:web at #3, svc:web at #4: tcp:80,443 icmp',
  ])
  assert.deepEqual(lines({ grants: [] }, any('autogroup:shared', 'tag:web')), [
    '+ Gina@Other.com to tag:web (#3): *',
    '+ visible tag:web (#3) and Gina@Other.com',
  ])
})

test('reports count Services as destinations and sharees as sources', () => {
  const lacking = (policy: object): unknown[] => {
    const engine = engineOf(policy)
    return report(engine, { users: [], nodes: NODES, ...BEYOND }).unreachable.map(({ lacks }) => lacks)
  }
  assert.deepEqual(lacking(any('bob@example.com', 'svc:web')), [])
  assert.deepEqual(lacking(any('bob@example.com', 'svc:idle')), ['destinations'])
  assert.deepEqual(lacking(any('autogroup:shared', 'tag:web')), [])
  assert.deepEqual(lacking(any('autogroup:shared', 'tag:db')), ['sources'])
  const rules = { grants: ['*', 'gina@other.com'].map((src) => ({ src: [src], dst: ['tag:web'], ip: ['*'] })) }
  const redundant = (policy: object): number => report(engineOf(policy), { users: [], nodes: NODES }).redundant.length
  assert.equal(redundant(rules), 1)
  // Members are no sharees, and what is tagged is no Service.
  assert.equal(
    redundant({ grants: rules.grants.with(0, { src: ['autogroup:member'], dst: ['tag:web'], ip: ['*'] }) }),
    0,
  )
  const tagged = ['autogroup:tagged', 'tag:front'].map((dst) => ({ src: ['*'], dst: [dst], ip: ['*'] }))
  assert.equal(redundant({ grants: tagged }), 0)
})
