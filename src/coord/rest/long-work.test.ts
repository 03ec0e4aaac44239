/** What happens beside a policy that takes long: others are served, and nothing is saved over what they did meanwhile. */

import assert from 'node:assert/strict'
import { beforeEach, suite, test } from 'node:test'
import { setImmediate as othersTurn } from 'node:timers/promises'
import { testLedger } from '../../../test/support/ledger.ts'
import { RestWorld } from '../../../test/support/rest-world.ts'
import { format, parse } from '../../policy/hujson/index.ts'
import { CURRENT_POLICY, Policies } from '../model/policies.ts'
import { Turns } from './long-work.ts'

const OPEN = '{"grants": [{"src": ["*"], "dst": ["*"], "ip": ["*"]}]}'
const CLOSED = '{"grants": []}'
const RULES = 600
/** Takes a dozen steps. */
const LONG = JSON.stringify({
  grants: Array.from({ length: RULES }, (_, n) => ({ src: ['*'], dst: [`10.0.${n >> 8}.${n & 255}`], ip: ['*'] })),
})

let world: RestWorld
let pauses: number
/** What happens in the first pause of every request. */
let meanwhile: () => Promise<unknown>
beforeEach(async () => {
  world = await RestWorld.make()
  pauses = 0
  meanwhile = async () => undefined
})

function longWorld(policies = new Policies()) {
  return world.restOn(world.ledger, {
    policies,
    async pause() {
      if (++pauses === 1) await meanwhile()
      await othersTurn()
    },
  })
}

const server = { server: true } as const
const text = async (): Promise<string> => (await world.ask('GET', '/tailnet/-/acl', server)).text

suite('a policy that is saved step by step', () => {
  const conditions = [
    { name: 'under the ETag of what was there', headers: async () => ({ 'if-match': await etag() }), wins: false },
    { name: 'unless it was ever changed', headers: async () => ({ 'if-match': 'ts-default' }), wins: false },
    { name: 'over whatever is there', headers: async () => ({}), wins: true },
  ]
  const etag = async (): Promise<string> =>
    (await world.ask('GET', '/tailnet/-/acl', server)).headers.get('etag') as string
  for (const { name, headers, wins } of conditions)
    test(`${name}: another server has saved one meanwhile`, async () => {
      const other = world.restOn(await testLedger(world.clock, world.database))
      meanwhile = () =>
        world.ask('POST', '/tailnet/alpha/acl', { token: world.alpha.tokens.owner, body: CLOSED }, other)
      const asking = { token: world.alpha.tokens.owner, body: LONG, headers: await headers() }
      const saved = await world.ask('POST', '/tailnet/alpha/acl', asking, longWorld())
      assert.equal(saved.status, wins ? 200 : 412)
      assert.equal(await text(), wins ? format(parse(LONG)) : `${CLOSED}\n`)
      const { versions } = await world.get('/sett/tailnet/-/policy/versions')
      assert.equal(versions.length, wins ? 2 : 1)
    })

  test('and is not read once more when it is in force', async () => {
    const failures: unknown[] = []
    const policies = new Policies((what) => failures.push(what))
    const expected = { text: `${OPEN}\n`, domains: ['example.com'], policy: policies.default }
    const record = { version: 1, at: world.clock.wall(), by: '', comment: '', ...expected }
    const state = { num: 1, usersById: new Map(), all: () => [], get: () => record } as never
    await policies.expecting(expected, async () => assert.equal(policies.of(state), expected.policy))
    assert.equal(policies.of(state), expected.policy)
    const others = { num: 1, usersById: new Map(), all: () => [], get: () => ({ ...record, text: CLOSED }) } as never
    assert.deepEqual(policies.of(others).rules, [])
    assert.deepEqual(failures, [])
  })

  test('has places that are those of the text as it is kept', async () => {
    const policies = new Policies()
    const body = `\n\n\n${OPEN}`
    await world.ask('POST', '/tailnet/alpha/acl', { token: world.alpha.tokens.owner, body }, longWorld(policies))
    const state = world.ledger.model.state(world.alpha.num)
    assert.equal(state.get('policy', CURRENT_POLICY)?.text, `${OPEN}\n`)
    assert.deepEqual(policies.of(state).rules[0]?.at, { line: 1, column: 13 })
  })
})

suite('while a long policy is in work', () => {
  test('others are served', async () => {
    const rest = longWorld()
    const order: string[] = []
    const done = async (name: string, asked: Promise<{ readonly status: number }>): Promise<void> => {
      assert.equal((await asked).status, 200)
      order.push(name)
    }
    await Promise.all([
      done('long', world.ask('POST', '/tailnet/-/acl/validate', { ...server, body: LONG }, rest)),
      done('quick', world.ask('GET', '/tailnet/-/devices', server, rest)),
    ])
    assert.deepEqual(order, ['quick', 'long'])
    assert.ok(pauses > 10, `${pauses} pauses`)
  })

  const routes = [
    { method: 'POST', path: '/acl/validate', of: '/tailnet/-' },
    { method: 'POST', path: '/acl/preview?type=user&previewFor=owner', of: '/tailnet/-' },
    { method: 'POST', path: '/acl', of: '/tailnet/-' },
    { method: 'POST', path: '/policy/check', of: '/sett/tailnet/-' },
    { method: 'POST', path: '/policy/diff', of: '/sett/tailnet/-' },
    { method: 'POST', path: '/policy/report', of: '/sett/tailnet/-' },
    { method: 'POST', path: '/policy/explain?src=laptop&dst=printer:22', of: '/sett/tailnet/-' },
  ]
  test('it comes in steps on every route', async () => {
    for (const { method, path, of } of routes) {
      pauses = 0
      const told = await world.ask(method, `${of}${path}`, { ...server, body: LONG }, longWorld())
      assert.deepEqual([path, told.status], [path, 200])
      assert.ok(pauses > 10, `${path}: ${pauses} pauses`)
    }
  })

  test('the same tailnet waits with its next one, and no other does', async () => {
    const turns = new Turns()
    const order: string[] = []
    const ends = new Map<string, () => void>()
    const work = (name: string) => async () => {
      order.push(`${name} begins`)
      await new Promise<void>((resolve) => ends.set(name, resolve))
      if (name === 'a') throw new Error('a failed')
      order.push(`${name} ends`)
    }
    const all = Promise.allSettled([turns.take(1, work('a')), turns.take(1, work('b')), turns.take(2, work('c'))])
    await othersTurn()
    assert.deepEqual(order, ['a begins', 'c begins'])
    ends.get('a')?.()
    await othersTurn()
    ends.get('b')?.()
    ends.get('c')?.()
    assert.deepEqual(
      (await all).map(({ status }) => status),
      ['rejected', 'fulfilled', 'fulfilled'],
    )
    assert.deepEqual(order, ['a begins', 'c begins', 'b begins', 'b ends', 'c ends'])
  })
})
