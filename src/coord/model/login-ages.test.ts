import assert from 'node:assert/strict'
import { test } from 'node:test'
import { later, MINUTE_MS } from '../../base/clock.ts'
import type { Wall } from '../../base/clock.ts'
import { checkPolicy } from '../../policy/document/index.ts'
import type { AttributeValue, Policy } from '../../policy/policy.ts'
import { meetsOne } from '../../policy/postures.ts'
import { LOGIN_AGE, LOGIN_METHOD, loginAge } from './attributes.ts'
import { LoginAges } from './login-ages.ts'

const AT = Date.UTC(2026, 0, 1) as Wall

/** A rule asks for the posture; another posture nobody asks for. */
function policyOf(assertions: readonly string[], unasked: readonly string[] = ["node:os == 'linux'"]): Policy {
  const text = {
    postures: { 'posture:a': assertions, 'posture:b': unasked },
    grants: [{ src: ['*'], dst: ['*'], ip: ['*'], srcPosture: ['posture:a'] }],
  }
  return checkPolicy(JSON.stringify(text), { domains: new Set(), logins: new Set() })
}

/** Minutes after the login at which the posture would be looked at again, within a day. */
function turns(ages: LoginAges): number[] {
  const minutes: number[] = []
  for (let now = AT; ;) {
    const next = ages.next(AT, now)
    if (next === undefined) return minutes
    minutes.push((next - AT) / MINUTE_MS)
    now = next
  }
}

const asked = [
  { of: [`${LOGIN_AGE} < 60`], turns: [60, 61] },
  { of: [`${LOGIN_AGE} <= 60`], turns: [60, 61] },
  { of: [`${LOGIN_AGE} < 0.5`], turns: [1] },
  { of: [`${LOGIN_AGE} >= 5`, `${LOGIN_AGE} < 30`], turns: [5, 6, 30, 31] },
  { of: [`${LOGIN_AGE} == 7`], turns: [7, 8] },
  { of: [`${LOGIN_AGE} > -3`], turns: [] },
  { of: [`${LOGIN_AGE} < 0`], turns: [1] },
  { of: [`${LOGIN_AGE} IS SET`], turns: [] },
  { of: [`${LOGIN_METHOD} == 'passkey'`], turns: [] },
  { of: ["node:os == 'linux'"], turns: [] },
]
test('a device is looked at when a comparison turns, and at no other time', () => {
  for (const { of, turns: want } of asked) assert.deepEqual(turns(LoginAges.of(policyOf(of))), want, of.join())
})

test('what no rule asks for costs nothing', () => {
  const policy = policyOf(["node:os == 'linux'"], [`${LOGIN_AGE} < 60`])
  const ages = LoginAges.of(policy)
  assert.deepEqual([ages.asked, turns(ages)], [false, []])
  const attributes = attributesAt(5)
  ages.coarsen(attributes)
  assert.deepEqual([...attributes.keys()], ['node:os'])
})

test('while one policy takes the place of another, a device is looked at for both', () => {
  const [a, b] = [30, 60].map((minutes) => LoginAges.of(policyOf([`${LOGIN_AGE} < ${minutes}`])))
  assert.ok(a !== undefined && b !== undefined)
  assert.deepEqual(turns(a.and(b)), [30, 31, 60, 61])
  assert.deepEqual(turns(LoginAges.NONE.and(b)), [60, 61])
  assert.deepEqual(turns(b.and(LoginAges.NONE)), [60, 61])
})

function attributesAt(age: number): Map<string, AttributeValue> {
  return new Map<string, AttributeValue>([
    ['node:os', 'linux'],
    [LOGIN_AGE, age],
    [LOGIN_METHOD, 'passkey'],
  ])
}

test('the age that is told means the same to the policy as the true one, and changes only when that does', () => {
  for (const { of } of asked) {
    const policy = policyOf(of)
    const ages = LoginAges.of(policy)
    const told = new Set<AttributeValue | undefined>()
    for (let age = 0; age < 90; age++) {
      const attributes = attributesAt(age)
      ages.coarsen(attributes)
      told.add(attributes.get(LOGIN_AGE))
      const means = (these: Map<string, AttributeValue>) => meetsOne(policy, ['posture:a'], these)
      assert.equal(means(attributes), means(attributesAt(age)), `${of.join()} at ${age}`)
    }
    assert.equal(told.size, turns(ages).length + 1, of.join())
  }
})

test('an age is in whole minutes, and never below none', () => {
  const ages = [-5000, 0, 59_999, 60_000, 3_599_999, 3_600_000].map((ms) => loginAge(AT, later(AT, ms)))
  assert.deepEqual(ages, [0, 0, 0, 1, 59, 60])
})
