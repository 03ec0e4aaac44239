import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { Wall } from '../../base/clock.ts'
import { TailnetState } from './model.ts'
import { CURRENT_POLICY, domainsOf, Policies } from './policies.ts'
import type { PolicyRecord, User } from './records.ts'

const record = (text: string, version = 1): PolicyRecord => ({
  version,
  text,
  at: 0 as Wall,
  by: 'server',
  comment: '',
  domains: [],
})

test('a tailnet without a policy lives by the default, and each saved one is read once', () => {
  const policies = new Policies()
  const state = new TailnetState(1)
  assert.equal(policies.of(state), policies.default)
  assert.equal(policies.default.rules.length, 1)
  state.put({ kind: 'policy', id: CURRENT_POLICY, value: record('{"acls": []}') }, 1)
  const saved = policies.of(state)
  assert.deepEqual(saved.rules, [])
  assert.equal(policies.of(state), saved)
})

test('a saved policy that cannot be read allows nothing, and says so once', () => {
  const said: string[] = []
  const policies = new Policies((what) => said.push(what))
  const state = new TailnetState(7)
  state.put({ kind: 'policy', id: CURRENT_POLICY, value: record('{"grunts": []}', 3) }, 1)
  assert.deepEqual([policies.of(state).rules, policies.of(state).allowAll], [[], false])
  assert.deepEqual(said, ['reading version 3 of the policy of tailnet 7, which allows nothing now'])
})

test('the mail domains of a tailnet are its owner’s and its name’s, not those that everybody shares', () => {
  const owned = (loginName: string): TailnetState => {
    const state = new TailnetState(1)
    const owner = { id: 1, loginName, role: 'owner' } as User
    state.put({ kind: 'user', id: '1', value: owner }, 1)
    return state
  }
  assert.deepEqual([...domainsOf(undefined, owned('ann@Example.com'))], ['example.com'])
  for (const shared of ['ann@gmail.com', 'ann@github', 'admin'])
    assert.deepEqual([...domainsOf(undefined, owned(shared))], [])
})
