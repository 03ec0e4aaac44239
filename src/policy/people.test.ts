/** People are meant by their login, by the name that policies of Headscale call them (`name@`), and by the groups of their provider. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Approvals } from './approvals.ts'
import { checkPolicy } from './document/index.ts'
import { Engine } from './engine.ts'
import { explain } from './explain/index.ts'
import type { Question } from './explain/index.ts'
import { explanationLines } from './explain/text.ts'
import type { Policy } from './policy.ts'
import type { PolicyNode, PolicyTailnet, PolicyUser } from './tailnet.ts'
import { runTests } from './tests/index.ts'

const ann: PolicyUser = { id: 1, login: 'Ann@example.com', alias: 'ann@', role: 'member' }
const bob: PolicyUser = { id: 2, login: 'bob@example.com', role: 'member' }
const users = [ann, bob]

const nodes: readonly PolicyNode[] = [ann, bob, bob].map((user, slot) => ({
  slot,
  id: slot + 1,
  user,
  tags: slot === 2 ? ['tag:web'] : [],
  ipv4: { family: 4, value: 0x64400001n + BigInt(slot) },
  ipv6: { family: 6, value: 0xfd7a115ca1e000000000000000000001n + BigInt(slot) },
  routes: [],
  online: true,
  attributes: new Map(),
}))

function policyOf(
  sections: object,
  logins: readonly string[] = ['ann@example.com', 'ann@', 'bob@example.com'],
): Policy {
  const text = JSON.stringify({ tagOwners: { 'tag:web': [] }, ...sections })
  return checkPolicy(text, { domains: new Set(), logins: new Set(logins) })
}

const grant = (src: string) => [{ src: [src], dst: ['tag:web'], ip: ['tcp:80'] }]
const ways = [
  { name: 'as a source', sections: { grants: grant('ann@') }, sees: [0] },
  { name: 'in other letters', sections: { grants: grant('ANN@') }, sees: [0] },
  { name: 'by the login still', sections: { grants: grant('ann@example.com') }, sees: [0] },
  { name: 'in a group', sections: { groups: { 'group:a': ['ann@'] }, grants: grant('group:a') }, sees: [0] },
  { name: 'nobody whose login only begins so', sections: { grants: grant('bob@') }, sees: [] },
] as const

for (const { name, sections, sees } of ways)
  test(`name@ ${name}`, () => {
    const web = new Engine(policyOf(sections), nodes).visible(2)
    assert.deepEqual([...web], sees)
  })

test('name@ in a test of a policy', () => {
  const tests = [{ src: 'ann@', accept: ['tag:web:80'], deny: ['tag:web:22'] }]
  assert.deepEqual(runTests(policyOf({ grants: grant('ann@example.com'), tests }), { users, nodes }), [])
  const failed = runTests(policyOf({ grants: grant('bob@example.com'), tests }), { users, nodes })
  assert.deepEqual(
    failed.map(({ errors }) => errors),
    [['address "tag:web:80": want: Accept, got: Drop']],
  )
})

test('name@ of nobody is a warning, and names nobody', () => {
  const policy = policyOf({ grants: grant('gone@') })
  assert.deepEqual(
    policy.warnings.map(({ text }) => text),
    ['"gone@": user not found: "gone@"'],
  )
  assert.deepEqual([...new Engine(policy, nodes).visible(2)], [])
})

const OPS = { ...ann, groups: ['ops@example.com'] }
const synced = grant('group:Ops@example.com')

test('a group of a provider names who is in it, and follows them', () => {
  const policy = policyOf({ grants: synced })
  const engine = new Engine(policy, nodes)
  const sees = () => [...engine.visible(2)]
  assert.deepEqual(sees(), [])
  const [laptop, , web] = nodes as [PolicyNode, PolicyNode, PolicyNode]
  const { edges, rules } = engine.set(0, { ...laptop, user: OPS })
  assert.deepEqual([sees(), [...edges], [...rules]], [[0], [2], [0, 2]])
  // What is tagged is nobody's, whoever brought it.
  engine.set(2, { ...web, user: OPS })
  assert.deepEqual(sees(), [0])
  engine.set(0, laptop)
  assert.deepEqual(sees(), [])
  assert.deepEqual([...new Engine(policy, [{ ...laptop, user: OPS }, ...nodes.slice(1)]).visible(2)], [0])
})

test('a group of a provider owns tags, and is named in tests', () => {
  const policy = policyOf({
    grants: synced,
    tagOwners: { 'tag:web': ['group:ops@example.com'] },
    tests: [{ src: 'group:ops@example.com', accept: ['tag:web:80'], deny: ['tag:web:22'] }],
  })
  const mayTag = (user: PolicyUser) => new Approvals(policy).mayTag({ user, tags: [] }, 'tag:web')
  assert.deepEqual([OPS, ann, bob].map(mayTag), [true, false, false])
  const failures = (tailnet: Partial<PolicyTailnet>) => runTests(policy, { users, nodes, ...tailnet }).length
  const isOps = nodes.map((node) => (node.user === ann ? { ...node, user: OPS } : node))
  assert.equal(failures({ users: [OPS, bob], nodes: isOps }), 0)
  // Known, and nobody in it: somebody stands in.
  assert.equal(failures({ groups: new Set(['ops@example.com']) }), 0)
  assert.equal(failures({}), 1)
})

test('a group of a provider that nobody has heard of is a warning for each', () => {
  const text = JSON.stringify({
    acls: [{ action: 'accept', src: ['group:a@example.com', 'group:B@example.com'], dst: ['*:22'] }],
  })
  const warned = (groups: readonly string[]) =>
    checkPolicy(text, { domains: new Set(), logins: new Set(), groups: new Set(groups) }).warnings.map(
      ({ about }) => about,
    )
  assert.deepEqual(warned([]), ['group:a@example.com', 'group:B@example.com'])
  assert.deepEqual(warned(['b@example.com']), ['group:a@example.com'])
})

test('why somebody is meant says whose word it is', () => {
  const policy = policyOf({ grants: synced })
  const engine = new Engine(policy, [{ ...(nodes[0] as PolicyNode), user: OPS }, ...nodes.slice(1)])
  const question: Question = {
    src: { kind: 'user', login: 'ann@example.com' },
    dst: { kind: 'tag', tag: 'tag:web' },
    port: 80,
  }
  const lines = explanationLines(explain(engine, question), (node) => `node ${node}`).join('\n')
  assert.match(lines, /Ann@example.com is in group:Ops@example.com, as their identity provider says/)
})
