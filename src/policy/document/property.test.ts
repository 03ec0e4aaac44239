/** Whatever a text says, it is taken or refused with a place inside it; nothing else comes out. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { anyText } from '../../../test/support/any-text.ts'
import { checkPolicy, PolicyRefusal } from './index.ts'

const context = { domains: new Set(['example.com']), logins: new Set<string>() }

/** Has something of every section. */
const POLICY = {
  groups: { 'group:a': ['a@example.com'] },
  tagOwners: { 'tag:a': ['group:a', 'autogroup:admin'], 'tag:b': [] },
  hosts: { srv: '100.64.0.1', net: '10.0.0.0/8' },
  ipsets: { 'ipset:a': ['add 10.0.0.0/8', 'remove 10.0.0.1-10.0.0.9'], 'ipset:b': ['ipset:a'] },
  attrConfig: { 'custom:n': { type: 'number', allowSetByNode: true } },
  postures: { 'posture:a': ["node:os IN ['linux']", 'custom:n >= 5'] },
  defaultSrcPosture: ['posture:a'],
  grants: [
    { src: ['*'], dst: ['tag:a', 'srv'], ip: ['tcp:80', '443'], via: ['tag:b'] },
    { src: ['user:*@example.com'], dst: ['autogroup:self'], app: { 'example.com/cap/x': [{ a: 1 }] } },
  ],
  acls: [{ action: 'accept', src: ['ipset:a'], dst: ['[fd00::]/64:22', 'svc:web:443'], proto: 'tcp' }],
  ssh: [
    {
      action: 'check',
      src: ['autogroup:member'],
      dst: ['tag:a'],
      users: ['root'],
      checkPeriod: '1h',
      acceptEnv: ['X'],
    },
  ],
  nodeAttrs: [{ target: ['*'], attr: ['funnel'], ipPool: ['100.81.0.0/16'] }],
  autoApprovers: { routes: { '10.0.0.0/8': ['tag:a'] }, exitNode: ['tag:a'], services: { 'svc:web': ['tag:a'] } },
  derpMap: { regions: { 900: { regionCode: 'x', nodes: [{ name: 'a', hostName: 'a.example', derpPort: 443 }] } } },
  randomizeClientPort: true,
  OneCGNATRoute: '',
  tests: [{ src: 'a@example.com', accept: ['tag:a:22'], srcPostureAttrs: { 'node:os': 'linux' } }],
  sshTests: [{ src: 'a@example.com', dst: ['tag:a'], accept: ['root'] }],
}

const WORDS = [
  '',
  ...'* accept check tag:a tag:x group:a group:a@example.com ipset:b posture:a srv svc:a autogroup:self autogroup:member autogroup:internet autogroup:danger-all user:*@example.com a@b 10.0.0.0/8 ::1 *:* tag:a:22 [::1]:1-2 udp:80 icmp:* 2h always localpart:*@example.com'.split(
    ' ',
  ),
]
const word = fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...WORDS) }, anyText({ maxLength: 12 }))
const value = fc.oneof(
  { weight: 5, arbitrary: word },
  { weight: 5, arbitrary: fc.array(word, { maxLength: 3 }) },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
  { weight: 1, arbitrary: fc.dictionary(word, fc.array(word), { maxKeys: 2 }) },
)

type Path = readonly string[]

function pathsIn(node: unknown, path: Path = []): Path[] {
  if (typeof node !== 'object' || node === null) return [path]
  return [
    ...(path.length === 0 ? [] : [path]),
    ...Object.entries(node).flatMap(([key, inner]) => pathsIn(inner, [...path, key])),
  ]
}

/** A copy with another value at the path. */
function replaced(node: unknown, [key, ...rest]: Path, by: unknown): unknown {
  if (key === undefined) return by
  const entries = Object.entries(node as object).map(([name, inner]) => [
    name,
    name === key ? replaced(inner, rest, by) : inner,
  ])
  return Array.isArray(node) ? entries.map(([, inner]) => inner as unknown) : Object.fromEntries(entries)
}

test('a policy with any part of it replaced is taken, or refused where something stands', () => {
  const outcomes = { taken: 0, refused: 0 }
  checkPolicy(JSON.stringify(POLICY), context)
  const change = fc.tuple(fc.constantFrom(...pathsIn(POLICY)), value, fc.constantFrom(undefined, 2))
  fc.assert(
    fc.property(change, ([path, by, indent]) => {
      const text = JSON.stringify(replaced(POLICY, path, by), undefined, indent)
      try {
        checkPolicy(text, context)
        outcomes.taken++
      } catch (error) {
        if (!(error instanceof PolicyRefusal)) throw error
        outcomes.refused++
        const { line, column } = error.at ?? { line: 0, column: 0 }
        const bytes = new TextEncoder().encode(text.split('\n')[line - 1])
        assert.ok(column >= 1 && column <= bytes.length, `${error.message}: line ${line}, column ${column}`)
      }
    }),
    { numRuns: 2000 },
  )
  assert.ok(outcomes.taken > 100 && outcomes.refused > 100, JSON.stringify(outcomes))
})
