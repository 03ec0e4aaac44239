/** What the server clears away of its own accord: access tokens, and links that are over. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DAY_MS, HOUR_MS, later, MINUTE_MS } from '../base/clock.ts'
import type { Wall } from '../base/clock.ts'
import { START, World } from '../../test/support/world.ts'
import { TESTER } from '../../test/support/ledger.ts'
import { SERVER, UNENDING } from './model/records.ts'
import type { AccessToken, Key, Session, SignIn } from './model/records.ts'

test('access tokens go when they are over, and when their client is gone; others stay', async () => {
  const world = await World.start({})
  const client = (id: string): Key => ({
    id,
    type: 'client',
    hash: '',
    description: '',
    user: 0,
    created: START,
    expires: UNENDING,
    reusable: true,
    ephemeral: false,
    preauthorized: false,
    tags: [],
    scopes: ['all'],
  })
  const token = (of: string, ms: number): AccessToken => ({
    hash: '',
    client: of,
    scopes: [],
    tags: [],
    created: START,
    expires: later(START, ms),
  })
  const { num } = world.tailnet
  const revoke = (now: Wall): Key => ({ ...client('b'), revoked: now })
  const write = (kind: 'key' | 'access-token', id: string, value: Key | AccessToken) =>
    world.coord.ledger.transact(num, TESTER, () => ({
      batch: { writes: [{ kind, id, expect: 'any', value } as never] },
      result: undefined,
    }))
  for (const id of ['a', 'b']) await write('key', id, client(id))
  await write('access-token', 'short', token('a', 30 * MINUTE_MS))
  await write('access-token', 'long', token('a', HOUR_MS))
  await write('access-token', 'revoked', token('b', HOUR_MS))
  await write('access-token', 'orphan', token('nobody', HOUR_MS))
  const left = () => world.state().ids('access-token')
  await world.pass(2 * MINUTE_MS)
  assert.deepEqual(left(), ['short', 'long', 'revoked'])
  await write('key', 'b', revoke(world.wall()))
  await world.pass(2 * MINUTE_MS)
  assert.deepEqual(left(), ['short', 'long'])
  await world.pass(28 * MINUTE_MS)
  assert.deepEqual(left(), ['long'])
  await world.pass(30 * MINUTE_MS)
  assert.deepEqual(left(), [])
  assert.equal(world.state().key('a')?.revoked, undefined, 'clients do not end')
})

test('links that let somebody in once go when they are over, and the log has no line of that', async () => {
  const world = await World.start({})
  const { num } = world.tailnet
  for (const [id, ms] of [
    ['soon', 3 * MINUTE_MS],
    ['later', HOUR_MS],
  ] as const)
    await world.coord.ledger.transact(num, TESTER, (_, now) => {
      const value = { purpose: 'invite', invite: id, by: '', created: now, expires: later(now, ms) } as const
      return { batch: { writes: [{ kind: 'ticket', id, expect: 'absent', value }] }, result: undefined }
    })
  await world.pass(2 * MINUTE_MS)
  assert.deepEqual(world.state().ids('ticket'), ['soon', 'later'])
  const lines = async () => (await world.coord.ledger.logs.auditEnds(num)).newest.number
  const before = await lines()
  await world.pass(3 * MINUTE_MS)
  assert.deepEqual(world.state().ids('ticket'), ['later'])
  assert.equal(await lines(), before)
})

test('sessions that are over and logins that nobody came back from go; others stay', async () => {
  const world = await World.start({})
  const { num } = world.tailnet
  const session = (used: number, ends: number): Session => ({
    tailnet: num,
    user: 1,
    created: START,
    used: later(START, used),
    expires: later(START, ends),
    authenticated: { at: START, method: 'work' },
    from: '192.0.2.7',
    agent: 'Browser',
  })
  const signIn = (ends: number): SignIn => ({
    tailnet: num,
    provider: 'work',
    nonce: '',
    verifier: '',
    browser: '',
    next: '/auth',
    created: START,
    expires: later(START, ends),
  })
  await world.coord.ledger.transact(SERVER, TESTER, () => ({
    batch: {
      writes: [
        { kind: 'session', id: 'used', expect: 'absent', value: session(0, 30 * DAY_MS) },
        { kind: 'session', id: 'idle', expect: 'absent', value: session(3 * MINUTE_MS - 7 * DAY_MS, 30 * DAY_MS) },
        { kind: 'session', id: 'old', expect: 'absent', value: session(0, 3 * MINUTE_MS) },
        { kind: 'sign-in', id: 'begun', expect: 'absent', value: signIn(15 * MINUTE_MS) },
        { kind: 'sign-in', id: 'lost', expect: 'absent', value: signIn(3 * MINUTE_MS) },
      ],
    },
    result: undefined,
  }))
  const { server } = world.coord.ledger.model
  await world.pass(2 * MINUTE_MS)
  assert.deepEqual([server.ids('session').length, server.ids('sign-in').length], [3, 2])
  await world.pass(3 * MINUTE_MS)
  assert.deepEqual([server.ids('session'), server.ids('sign-in')], [['used'], ['begun']])
})
