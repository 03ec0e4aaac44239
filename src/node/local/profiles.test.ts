import assert from 'node:assert/strict'
import { test } from 'node:test'
import { textOf, utf8 } from '../../base/bytes.ts'
import type { Bytes, Dice } from '../../base/bytes.ts'
import type { Wall } from '../../base/clock.ts'
import { PrivateKey } from '../../base/keys.ts'
import { LockPrivateKey } from '../../base/lock-private-key.ts'
import { prefsJson } from './prefs-json.ts'
import { DEFAULT_PREFS } from './prefs.ts'
import { Profiles } from './profiles.ts'
import { CURRENT_PROFILE, machineKeyIn, PROFILES, stateAfter } from './state.ts'
import type { StateWrites } from './state.ts'

const WALL = 1_790_000_000_000 as Wall
const ALICE = { ID: 1, LoginName: 'alice@example.com', DisplayName: 'Alice' }
const BOB = { ID: 2, LoginName: 'bob@example.com', DisplayName: 'Bob' }
const key = (n: number) => new PrivateKey(new Uint8Array(32).fill(n))

/** Numbers that count, instead of dice. */
function counting(): Dice {
  let next = 0
  return (length) => new Uint8Array(length).fill(++next)
}

/** Profiles over a state that is written as a file would be, and read again. */
class World {
  state: ReadonlyMap<string, Bytes> = new Map()
  dice = counting()
  profiles = new Profiles(this.state, this.dice)

  do(writes: StateWrites): void {
    this.state = stateAfter(this.state, writes)
  }

  restart(): void {
    this.profiles = new Profiles(this.state, this.dice)
  }

  join(n: number, user: typeof ALICE): void {
    this.do(this.profiles.setPrefs({ ...this.profiles.prefs, Hostname: `host${n}`, WantRunning: true }))
    this.do(this.profiles.setKeys(key(n), user, WALL))
    this.do(this.profiles.setNetwork(`n${n}`, user, 'tail.example', 'example.com'))
  }
}

test('nothing is kept before a login, and everything after it', () => {
  const world = new World()
  assert.deepEqual(prefsJson(world.profiles.prefs), prefsJson({ ...DEFAULT_PREFS, LoggedOut: true }))
  world.do(world.profiles.setPrefs({ ...world.profiles.prefs, Hostname: 'x' }))
  assert.equal(world.state.size, 0)
  world.join(7, ALICE)
  assert.deepEqual([...world.state.keys()].sort(), [CURRENT_PROFILE, PROFILES, 'profile-0101'])
  world.restart()
  const { current, prefs, login } = world.profiles
  assert.deepEqual(
    [current.ID, current.Name, current.NodeID, current.Created],
    ['0101', ALICE.LoginName, 'n7', '2026-09-21T14:13:20Z'],
  )
  assert.deepEqual(current.NetworkProfile, { MagicDNSName: 'tail.example', DomainName: 'example.com', DisplayName: '' })
  assert.deepEqual([prefs.Hostname, prefs.WantRunning, prefs.LoggedOut], ['host7', true, false])
  assert.deepEqual(prefs.Config, { UserProfile: ALICE, NodeID: 'n7' })
  assert.equal(login.nodeKey?.revealText(), key(7).revealText())
})

test('the state holds what official daemons hold, and what they wrote is read', () => {
  const world = new World()
  world.join(7, ALICE)
  const lock = new LockPrivateKey(new Uint8Array(64).fill(5))
  world.do(world.profiles.setLockKey(lock))
  const stored = JSON.parse(textOf(world.state.get('profile-0101') as Bytes) ?? '') as { Config: object }
  assert.deepEqual(stored.Config, {
    PrivateNodeKey: key(7).revealText(),
    OldPrivateNodeKey: `privkey:${'0'.repeat(64)}`,
    UserProfile: ALICE,
    NetworkLockKey: lock.revealText(),
    NodeID: 'n7',
  })
  assert.equal(textOf(world.state.get(CURRENT_PROFILE) as Bytes), 'profile-0101')
  world.restart()
  assert.equal(world.profiles.login.lockKey?.revealText(), lock.revealText())
})

test('a new key of the same profile makes the old one the one before; the same again changes nothing', () => {
  const world = new World()
  world.join(7, ALICE)
  world.do(world.profiles.setKeys(key(7), ALICE, WALL))
  assert.deepEqual(Object.keys(world.profiles.login).sort(), ['nodeId', 'nodeKey', 'user'])
  world.do(world.profiles.setKeys(key(8), ALICE, WALL))
  world.restart()
  const { nodeKey, oldNodeKey } = world.profiles.login
  assert.deepEqual([nodeKey?.revealText(), oldNodeKey?.revealText()], [key(8).revealText(), key(7).revealText()])
  assert.equal(world.profiles.current.ID, '0101')
})

test('several logins: one in use, switching, naming, deleting', () => {
  const world = new World()
  world.join(7, ALICE)
  world.do(world.profiles.begin())
  world.restart()
  assert.equal(world.profiles.current.ID, '', 'a new profile is in use')
  world.join(9, BOB)
  assert.deepEqual(
    world.profiles.all.map(({ Name }) => Name),
    [ALICE.LoginName, BOB.LoginName],
  )
  world.do(world.profiles.setPrefs({ ...world.profiles.prefs, ProfileName: 'work' }))
  assert.equal(world.profiles.current.Name, 'work')
  assert.deepEqual(world.profiles.otherNames, [ALICE.LoginName])
  world.do(world.profiles.use('0101'))
  world.restart()
  assert.deepEqual([world.profiles.current.Name, world.profiles.prefs.Hostname], [ALICE.LoginName, 'host7'])
  assert.equal(world.profiles.use('nope').size, 0)
  world.do(world.profiles.remove(world.profiles.all.find(({ Name }) => Name === 'work')?.ID ?? ''))
  assert.equal(world.profiles.current.Name, ALICE.LoginName, 'the one in use stays')
  world.do(world.profiles.loggedOut())
  world.restart()
  assert.deepEqual(
    [world.profiles.all.length, world.profiles.current.ID, world.profiles.login.nodeKey],
    [0, '', undefined],
  )
  assert.ok(
    [...world.state.keys()].every((name) => !name.startsWith('profile-')),
    'no key is left behind',
  )
})

test('the same node logged in anew leaves one profile', () => {
  const world = new World()
  world.join(7, ALICE)
  world.do(world.profiles.begin())
  world.do(world.profiles.setKeys(key(8), ALICE, WALL))
  assert.equal(world.profiles.all.length, 2)
  world.do(world.profiles.setNetwork('n7', ALICE, 'tail.example', 'example.com'))
  world.restart()
  assert.equal(world.profiles.all.length, 1)
  assert.equal(world.profiles.login.nodeKey?.revealText(), key(8).revealText())
  assert.equal(
    world.profiles.setNetwork('n7', ALICE, 'tail.example', 'example.com').size,
    0,
    'no news, nothing to keep',
  )
})

test('a login that was forgotten keeps its preferences', () => {
  const world = new World()
  world.join(7, ALICE)
  world.do(world.profiles.forgetKeys())
  world.restart()
  const { login, prefs } = world.profiles
  assert.deepEqual(
    [login.nodeKey, login.oldNodeKey, prefs.Hostname, prefs.LoggedOut],
    [undefined, undefined, 'host7', true],
  )
})

test('a logout ends a login that has only begun, and leaves alone what nobody has begun', () => {
  const begun = { WantRunning: true, LoggedOut: false, ControlURL: 'http://server' }
  const seen = ({ profiles: { prefs, current } }: World) => [
    prefs.WantRunning,
    prefs.LoggedOut,
    prefs.ControlURL,
    prefs.Hostname,
    current.ID,
  ]
  const world = new World()
  world.do(world.profiles.setPrefs({ ...world.profiles.prefs, Hostname: 'web' }))
  assert.equal(world.profiles.loggedOut().size, 0)
  assert.deepEqual(seen(world), [false, true, '', 'web', ''])
  world.do(world.profiles.setPrefs({ ...world.profiles.prefs, ...begun }))
  world.do(world.profiles.loggedOut())
  assert.deepEqual(seen(world), [false, true, '', '', ''], 'a new machine again')
  world.join(7, ALICE)
  world.do(world.profiles.forgetKeys())
  world.do(world.profiles.setPrefs({ ...world.profiles.prefs, ...begun }))
  world.do(world.profiles.loggedOut())
  world.restart()
  assert.deepEqual(seen(world), [false, true, 'http://server', 'host7', '0101'], 'a known profile stays')
})

test('a damaged state makes no new node, and its error shows no key', () => {
  const world = new World()
  world.join(7, ALICE)
  const broken: readonly (readonly [string, string])[] = [
    [PROFILES, '{"0101":7}'],
    ['profile-0101', '{"Config":{"PrivateNodeKey":"privkey:0123"}}'],
    ['profile-0101', '{"Config":'],
    ['profile-0101', '{"Config":{"NetworkLockKey":"nlpriv:12"}}'],
  ]
  for (const [name, text] of broken)
    assert.throws(
      () => new Profiles(stateAfter(world.state, new Map([[name, utf8(text)]])), world.dice),
      (error: Error) => /damaged/.test(error.message) && !error.message.includes('priv'),
      text,
    )
  const torn = new Map([...world.state].filter(([name]) => name !== 'profile-0101'))
  assert.equal(new Profiles(torn, world.dice).all.length, 0, 'a profile without preferences was never whole')
})

test('the machine key is made once', () => {
  const { key: first, writes } = machineKeyIn(new Map(), counting())
  const state = stateAfter(new Map(), writes)
  const again = machineKeyIn(state, counting())
  assert.deepEqual([again.key.revealText(), again.writes.size], [first.revealText(), 0])
  assert.match(textOf(state.get('_machinekey') as Bytes) ?? '', /^privkey:[0-9a-f]{64}$/)
  assert.throws(
    () => machineKeyIn(new Map([['_machinekey', utf8('privkey:12')]]), counting()),
    /machine key is damaged/,
  )
})
