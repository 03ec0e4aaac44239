/** How long a browser stays logged in, and what ends that. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { DAY_MS, MINUTE_MS } from '../../base/clock.ts'
import type { Secret } from '../../base/secret.ts'
import { PeopleWorld } from '../../../test/support/people-world.ts'
import type { Sessions } from './sessions.ts'

const FROM = { from: '192.0.2.7', agent: 'Browser' }

async function open(world: PeopleWorld, user = world.owner.id, before?: Secret): Promise<Secret> {
  const authenticated = { at: world.ledger.now(), method: 'work' }
  const browser = { ...FROM, ...(before === undefined ? {} : { before }) }
  return await world.sessions.open({ tailnet: world.tailnet.num, user, authenticated }, browser, world.by)
}
const holds = (sessions: Sessions, cookie: Secret): boolean => sessions.of(cookie) !== undefined

/** A session in use every two days, until `days` after it began. */
async function use(world: PeopleWorld, cookie: Secret, days: number): Promise<void> {
  for (let day = 0; day < days; day += 2) {
    world.clock.advance(Math.min(2, days - day) * DAY_MS)
    const signedIn = world.sessions.of(cookie)
    if (signedIn === undefined) return
    await world.sessions.touch(signedIn, world.by)
  }
}

const rows: readonly {
  readonly name: string
  readonly meanwhile: (world: PeopleWorld, cookie: Secret) => unknown
  readonly holds: boolean
}[] = [
  { name: 'that has just begun', meanwhile: () => undefined, holds: true },
  { name: 'unused for almost a week', meanwhile: ({ clock }) => clock.advance(7 * DAY_MS - 1), holds: true },
  { name: 'unused for a week', meanwhile: ({ clock }) => clock.advance(7 * DAY_MS), holds: false },
  { name: 'in use for 29 days', meanwhile: (world, cookie) => use(world, cookie, 29), holds: true },
  { name: 'in use for 30 days', meanwhile: (world, cookie) => use(world, cookie, 30), holds: false },
  {
    name: 'that was ended',
    meanwhile: async ({ sessions, by }, cookie) => {
      const signedIn = sessions.of(cookie)
      if (signedIn !== undefined) await sessions.end(signedIn, by)
    },
    holds: false,
  },
  {
    name: 'of somebody who ended all of theirs',
    meanwhile: ({ sessions, tailnet, owner, by }) => sessions.endAll(tailnet.num, owner.id, by),
    holds: false,
  },
  {
    name: 'when somebody else ended all of theirs',
    meanwhile: async (world) => world.sessions.endAll(world.tailnet.num, await world.user('ben@example.com'), world.by),
    holds: true,
  },
  {
    name: 'of somebody who is suspended',
    meanwhile: (world) => world.change(world.owner.loginName, { status: 'suspended' }),
    holds: false,
  },
  {
    name: 'of somebody who waits for approval',
    meanwhile: (world) => world.change(world.owner.loginName, { status: 'needs-approval' }),
    holds: false,
  },
  {
    name: 'of somebody who is gone',
    meanwhile: (world) =>
      world.ledger.transact(world.tailnet.num, world.by, () => ({
        batch: { writes: [{ kind: 'user', id: String(world.owner.id), expect: 'any', value: null }] },
        result: undefined,
      })),
    holds: false,
  },
]

test('a session holds while it is used and its user may be here', async () => {
  for (const row of rows) {
    const world = await PeopleWorld.make()
    const cookie = await open(world)
    await row.meanwhile(world, cookie)
    assert.equal(holds(world.sessions, cookie), row.holds, `a session ${row.name}`)
  }
})

test('another server knows a session, and that it has ended', async () => {
  const world = await PeopleWorld.make()
  const other = await world.otherServer()
  /** The other server reads on as changes come. */
  const caughtUp = async (): Promise<void> => {
    while (other.ledger.model.server.seq < world.ledger.model.server.seq) await nextTurn()
  }
  const cookie = await open(world)
  await caughtUp()
  assert.ok(holds(other.sessions, cookie))
  await world.sessions.endAll(world.tailnet.num, world.owner.id, world.by)
  await caughtUp()
  assert.ok(!holds(other.sessions, cookie))
})

test('a cookie is good for nothing but what it was made for', async () => {
  const world = await PeopleWorld.make()
  const cookie = await open(world)
  const [[id] = []] = [...world.ledger.model.server.entries('session')]
  const kept = JSON.stringify([...world.ledger.model.server.entries('session')])
  assert.ok(!kept.includes(cookie.reveal()), 'the store does not hold it')
  assert.ok(!JSON.stringify({ cookie }).includes(cookie.reveal()), 'and it is not printed')
  assert.equal(world.sessions.of(undefined), undefined)
  assert.equal(world.sessions.of(world.browser()), undefined)
  assert.ok(id !== undefined && id !== cookie.reveal())
})

test('who logs in gets a new cookie, and the one that the browser had is worth nothing', async () => {
  const world = await PeopleWorld.make()
  const ben = await world.user('ben@example.com')
  const first = await open(world)
  const second = await open(world, ben, first)
  assert.notEqual(first.reveal(), second.reveal())
  assert.ok(!holds(world.sessions, first))
  assert.equal(world.sessions.of(second)?.user.id, ben)
  // A cookie that somebody put into the browser, hoping that it becomes worth something.
  const planted = world.browser()
  await open(world, ben, planted)
  assert.ok(!holds(world.sessions, planted))
})

test('somebody is logged in in fifty browsers at most: the oldest ends', async () => {
  const world = await PeopleWorld.make()
  const ben = await world.user('ben@example.com')
  const others = await open(world, ben)
  const cookies: Secret[] = []
  for (let i = 0; i < 52; i++) {
    cookies.push(await open(world))
    world.clock.advance(1000)
  }
  assert.deepEqual(
    cookies.map((cookie) => holds(world.sessions, cookie)),
    cookies.map((_, i) => i >= 2),
  )
  assert.ok(holds(world.sessions, others))
})

test('that a session is used is noted every five minutes, and what a browser says of itself is cut', async () => {
  const world = await PeopleWorld.make()
  const authenticated = { at: world.ledger.now(), method: 'work' }
  const who = { tailnet: world.tailnet.num, user: world.owner.id, authenticated }
  const cookie = await world.sessions.open(who, { from: '192.0.2.7', agent: 'x'.repeat(10_000) }, world.by)
  const used = () => world.sessions.of(cookie)?.session.used
  const began = used()
  const touch = async (ms: number) => {
    world.clock.advance(ms)
    const signedIn = world.sessions.of(cookie)
    assert.ok(signedIn !== undefined)
    await world.sessions.touch(signedIn, world.by)
  }
  await touch(4 * MINUTE_MS)
  assert.equal(used(), began)
  await touch(MINUTE_MS)
  assert.equal(used(), world.ledger.now())
  assert.equal(world.sessions.of(cookie)?.session.agent.length, 200)
})
