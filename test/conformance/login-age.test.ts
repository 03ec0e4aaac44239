/**
 * A rule asks how lately somebody has logged in (policy.md §12): what it opens closes at that very moment, in the filters
 * of machines that are connected, and a new login opens it again.
 */

import { test } from 'node:test'
import assert from 'node:assert/strict'
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../../src/base/clock.ts'
import { prefix } from '../../src/base/ip.ts'
import { userWrite } from '../../src/coord/model/people.ts'
import type { User } from '../../src/coord/model/records.ts'
import { MemoryStore } from '../../src/coord/store/memory.ts'
import type { FilterRule } from '../../src/policy/filter.ts'
import { ClientFilter } from '../policy/wire-filter.ts'
import { memoryDatabase, TESTER } from '../support/ledger.ts'
import { addProvider, Browser, logsIn } from '../support/people-browser.ts'
import { savePolicy } from '../support/save-policy.ts'
import type { Machine } from '../support/world.ts'
import { World } from '../support/world.ts'
import { apiOf } from '../support/world-api.ts'

function policyOf(fresh: string) {
  return {
    tagOwners: { 'tag:legacy': [], 'tag:ci': [] },
    postures: { 'posture:fresh': [fresh], 'posture:passkey': ["sett:loginMethod == 'passkey'"] },
    grants: [
      {
        src: ['autogroup:member', 'tag:ci'],
        dst: ['tag:legacy'],
        ip: ['tcp:8000-8999'],
        srcPosture: ['posture:fresh'],
      },
      { src: ['autogroup:member'], dst: ['tag:legacy'], ip: ['tcp:22'], srcPosture: ['posture:passkey'] },
    ],
  }
}
const HOUR = policyOf('sett:loginAgeMinutes < 60')
/** The same in less time. */
const POLICY = policyOf('sett:loginAgeMinutes < 5')
const LIMIT_MS = 5 * MINUTE_MS
const UNASKED = { ...POLICY, grants: [{ src: ['*'], dst: ['*'], ip: ['*'] }] }

/** Does a connection to this port pass the machine's filter as its client has it now, from a peer that it has? */
function passes(machine: Machine, from: Machine, port: number): boolean {
  const peer = machine.peers().get(from.node.id)
  const filters = machine.stream.messages.findLast(({ PacketFilters }) => PacketFilters !== undefined)?.PacketFilters
  const rules = Object.values(filters ?? {}).flatMap((list) => list ?? [])
  const [source, target] = [from, machine].map(({ node }) => prefix(`${node.ipv4}/32`))
  if (peer === undefined || source === undefined || target === undefined) return false
  const caps = (peer['CapMap'] ?? {}) as Record<string, unknown>
  const filter = new ClientFilter(rules as unknown as FilterRule[], (_, name) => Object.hasOwn(caps, name))
  return filter.passes([target], { from: source.ip, to: target.ip, protocol: 6, port })
}

class Legacy {
  readonly world: World
  /** Anna's machine, and the one with the old application. */
  readonly laptop: Machine
  readonly legacy: Machine

  private constructor(world: World, laptop: Machine, legacy: Machine) {
    this.world = world
    this.laptop = laptop
    this.legacy = legacy
  }

  static async start(policy: object = POLICY): Promise<Legacy> {
    const world = await World.start()
    await addProvider(world)
    await savePolicy(world, policy)
    const { user } = await logsIn(world, 'anna')
    const laptop = await world.joined('laptop', { user: user.id })
    const legacy = await world.joined('legacy', { tags: ['tag:legacy'] })
    return new Legacy(world, laptop, legacy)
  }

  get loggedIn(): number {
    return this.world.state().usersByLogin.get('anna@example.com')?.authenticated?.at ?? 0
  }

  get isOpen(): boolean {
    return passes(this.legacy, this.laptop, 8080)
  }

  /** Until the login is so old. */
  async untilAge(ms: number): Promise<void> {
    await this.world.pass(this.loggedIn + ms - this.world.wall())
  }
}

async function logsInAgain(at: Legacy): Promise<void> {
  await new Browser(at.world, 'anna').follow('/auth', 'Log in with Work')
  await at.world.pass(300)
}

test('a port opens with a login, closes when it is an hour old, and opens again with a new one', async () => {
  const at = await Legacy.start(HOUR)
  for (let round = 0; round < 2; round++) {
    assert.ok(at.isOpen)
    assert.deepEqual([...at.legacy.peers().keys()], [at.laptop.node.id])
    await at.untilAge(HOUR_MS - SECOND_MS)
    assert.ok(at.isOpen, 'a second before')
    // What is due is told of after a quarter of a second at most.
    await at.untilAge(HOUR_MS + 250)
    assert.ok(!at.isOpen)
    assert.deepEqual([...at.legacy.peers().keys()], [], 'and neither knows of the other any more')
    assert.deepEqual([...at.laptop.peers().keys()], [])
    await at.world.pass(10 * MINUTE_MS)
    assert.ok(!at.isOpen)
    await logsInAgain(at)
  }
})

test('an earlier new login keeps it open: the time counts from the last one', async () => {
  const at = await Legacy.start()
  await at.untilAge(4 * MINUTE_MS)
  await logsInAgain(at)
  await at.world.pass(4 * MINUTE_MS)
  assert.ok(at.isOpen)
  await at.untilAge(LIMIT_MS + 250)
  assert.ok(!at.isOpen)
})

test('a device that somebody joins by their own login has access from then on', async () => {
  const at = await Legacy.start()
  await at.untilAge(10 * MINUTE_MS)
  assert.ok(!at.isOpen)
  const phone = at.world.machine('phone')
  const link = new URL((await phone.register()).json['AuthURL'] as string).pathname
  const waiting = await phone.register({ Followup: `http://sett.example:8080${link}` })
  const browser = new Browser(at.world, 'anna')
  const ask = await browser.follow(link, 'Log in with Work')
  assert.equal(ask.title, 'Connect this device?')
  await browser.press(link, 'Connect')
  await at.world.settle()
  assert.equal(waiting.status, 200, waiting.body)
  phone.stream = await phone.map()
  await at.world.pass(300)
  assert.ok(passes(at.legacy, phone, 8080))
  assert.ok(at.isOpen, 'and so have their other devices: it is the person who has logged in')
})

test('by what somebody has logged in is asked too', async () => {
  const at = await Legacy.start()
  assert.ok(!passes(at.legacy, at.laptop, 22))
  await at.world.coord.ledger.transact(at.world.tailnet.num, TESTER, (model, now) => {
    const state = model.state(at.world.tailnet.num)
    const anna = state.usersByLogin.get('anna@example.com') as User
    const after: User = { ...anna, authenticated: { at: now, method: 'passkey' } }
    return { batch: { writes: [userWrite(state, after)] }, result: undefined }
  })
  await at.world.pass(300)
  assert.ok(passes(at.legacy, at.laptop, 22))
  await logsInAgain(at)
  assert.ok(!passes(at.legacy, at.laptop, 22))
})

test('a tagged device is nobody who could log in', async () => {
  const at = await Legacy.start()
  await at.world.change(at.laptop.node.id, () => ({ tags: ['tag:ci'] }))
  await at.world.pass(300)
  assert.ok(!at.isOpen)
})

test('a policy that is saved later closes what is too old at once, and the next one opens it', async () => {
  const at = await Legacy.start(UNASKED)
  await at.untilAge(10 * MINUTE_MS)
  assert.ok(at.isOpen)
  await savePolicy(at.world, POLICY)
  assert.ok(!at.isOpen)
  await savePolicy(at.world, policyOf('sett:loginAgeMinutes <= 20'))
  assert.ok(at.isOpen)
  await at.untilAge(21 * MINUTE_MS - SECOND_MS)
  assert.ok(at.isOpen)
  await at.untilAge(21 * MINUTE_MS + 250)
  assert.ok(!at.isOpen)
})

test('devices show how old the login is, and by what', async () => {
  const at = await Legacy.start()
  const show = async (machine: Machine) =>
    (await apiOf(at.world)('GET', `/device/${machine.node.stableId}/attributes`)).attributes
  await at.untilAge(59.5 * MINUTE_MS)
  const shown = await show(at.laptop)
  assert.deepEqual([shown['sett:loginAgeMinutes'], shown['sett:loginMethod'], shown['node:os']], [59, 'work', 'linux'])
  assert.ok(!('sett:loginAgeMinutes' in (await show(at.legacy))), 'a tagged one has no user')
})

test('where no rule asks, a login and its growing old tell nobody anything', async () => {
  const at = await Legacy.start(UNASKED)
  await at.world.pass(1000)
  for (const machine of [at.laptop, at.legacy]) machine.news()
  await logsInAgain(at)
  await at.world.pass(10 * MINUTE_MS)
  for (const machine of [at.laptop, at.legacy]) assert.deepEqual(machine.news(), [])
})

test('every server closes what has grown too old, and opens what a login at another one opens', async () => {
  const database = memoryDatabase()
  const one = await World.start({ store: new MemoryStore(database), server: 'one' })
  const two = await World.start({ store: new MemoryStore(database), server: 'two' })
  const both = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 1000) for (const world of [one, two]) await world.pass(Math.min(1000, left))
  }
  await addProvider(one)
  await savePolicy(one, POLICY)
  const { user } = await logsIn(one, 'anna')
  const laptop = await one.joined('laptop', { user: user.id })
  await both(1000)
  const legacy = await two.joined('legacy', { tags: ['tag:legacy'] })
  await both(2000)
  assert.ok(passes(legacy, laptop, 8080))
  await both(LIMIT_MS)
  assert.ok(!passes(legacy, laptop, 8080))
  await new Browser(one, 'anna').follow('/auth', 'Log in with Work')
  await both(2000)
  assert.ok(passes(legacy, laptop, 8080))
})
