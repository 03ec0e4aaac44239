/** People are meant by their login and by the name that policies of Headscale call them: `name@`. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkPolicy } from './document/index.ts'
import { Engine } from './engine.ts'
import type { Policy } from './policy.ts'
import type { PolicyNode, PolicyUser } from './tailnet.ts'
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
