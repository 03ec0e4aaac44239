import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { Wall } from '../../base/clock.ts'
import { DAY_MS, later } from '../../base/clock.ts'
import { machineKeyOf, nodeKeyOf } from '../../base/keys.ts'
import { TailnetState } from '../model/model.ts'
import { DEFAULT_SETTINGS } from '../model/records.ts'
import type { Node, Tailnet } from '../model/records.ts'
import { TailnetMap } from './tailnet-map.ts'
import type { Effect } from '../model/following.ts'

const NOW = Date.UTC(2026, 10, 24) as Wall
const tailnet: Tailnet = {
  num: 1,
  stableId: 'T1CNTRL',
  name: 'home',
  domain: 'home.sett.internal',
  created: NOW,
  settings: DEFAULT_SETTINGS,
}

function nodeOf(id: number, keyExpiry?: Wall, keyExpiryDisabled = false): Node {
  return {
    id,
    stableId: `n${id}CNTRL`,
    machineKey: machineKeyOf(new Uint8Array(32).fill(id)),
    nodeKey: nodeKeyOf(new Uint8Array(32).fill(id)),
    user: 1,
    tags: [],
    name: `host-${id}`,
    named: false,
    ipv4: `100.64.0.${id}`,
    ipv6: `fd7a:115c:a1e0::${id}`,
    created: NOW,
    loggedIn: NOW,
    ...(keyExpiry === undefined ? {} : { keyExpiry }),
    keyExpiryDisabled,
    authorized: true,
    ephemeral: false,
    cap: 142,
    hostinfo: {},
    endpoints: [],
    homeDerp: 0,
    approvedRoutes: [],
  }
}

/** A map whose nodes come, change and go; `undefined` as second member: gone. */
function mapAfter(steps: readonly (readonly [id: number, node: Node | undefined])[]): TailnetMap {
  const map = new TailnetMap(new TailnetState(1), tailnet, () => new Uint8Array(1))
  const known = new Map<number, Node>()
  for (const [id, after] of steps) {
    const before = known.get(id)
    map.apply({ tailnet: 1, kind: 'node', id: String(id), before, after }, NOW, [])
    // Asked in between, as the server does, so that what it remembers is put to the test.
    map.nextExpiry(NOW)
    if (after === undefined) known.delete(id)
    else known.set(id, after)
  }
  return map
}

const [soon, sooner, tomorrow] = [later(NOW, 5000), later(NOW, 1000), later(NOW, DAY_MS + 1)]
const expiries = [
  { name: 'nobody', steps: [], want: undefined },
  { name: 'a key that never runs out', steps: [[1, nodeOf(1)]], want: undefined },
  { name: 'a key whose end does not count', steps: [[1, nodeOf(1, soon, true)]], want: undefined },
  { name: 'one key', steps: [[1, nodeOf(1, soon)]], want: soon },
  { name: 'further away than a day', steps: [[1, nodeOf(1, tomorrow)]], want: undefined },
  {
    name: 'the earliest of two',
    steps: [
      [1, nodeOf(1, soon)],
      [2, nodeOf(2, sooner)],
    ],
    want: sooner,
  },
  {
    name: 'the earliest is prolonged',
    steps: [
      [1, nodeOf(1, sooner)],
      [2, nodeOf(2, soon)],
      [1, nodeOf(1, tomorrow)],
    ],
    want: soon,
  },
  {
    name: 'another becomes the earliest',
    steps: [
      [1, nodeOf(1, soon)],
      [2, nodeOf(2, tomorrow)],
      [2, nodeOf(2, sooner)],
    ],
    want: sooner,
  },
  {
    name: 'the earliest no longer counts',
    steps: [
      [1, nodeOf(1, sooner)],
      [2, nodeOf(2, soon)],
      [1, nodeOf(1, sooner, true)],
    ],
    want: soon,
  },
  {
    name: 'the earliest goes',
    steps: [
      [1, nodeOf(1, sooner)],
      [2, nodeOf(2, soon)],
      [1, undefined],
    ],
    want: soon,
  },
  {
    name: 'one of two that end together goes',
    steps: [
      [1, nodeOf(1, soon)],
      [2, nodeOf(2, soon)],
      [1, undefined],
    ],
    want: soon,
  },
] as const
for (const { name, steps, want } of expiries)
  test(`the next key to run out: ${name}`, () => assert.equal(mapAfter(steps).nextExpiry(NOW), want))

test('a key that has run out is told of once', () => {
  const map = mapAfter([
    [1, nodeOf(1, sooner)],
    [2, nodeOf(2, soon)],
  ])
  const effects: Effect[] = []
  map.expire(sooner, effects)
  assert.deepEqual(
    effects.map((effect) => effect.kind),
    ['peer', 'view'],
  )
  assert.equal(map.nextExpiry(sooner), soon)
  map.expire(sooner, effects)
  assert.equal(effects.length, 2)
})

test('a change of a router has its routes asked for once, and a standby takes over what it gives up', () => {
  let asked = 0
  const router = (id: number, approved: readonly string[]): Node => ({
    ...nodeOf(id),
    hostinfo: { RoutableIPs: ['10.0.0.0/8', '0.0.0.0/0'] },
    get approvedRoutes() {
      asked++
      return approved
    },
  })
  const both = ['10.0.0.0/8', '0.0.0.0/0']
  const [first, standby] = [router(1, both), router(2, both)]
  const map = mapAfter([
    [1, first],
    [2, standby],
  ])
  const routes = () => [1, 2].map((id) => map.entries.get(id)?.routes.join())
  assert.deepEqual(routes(), ['0.0.0.0/0,10.0.0.0/8', '0.0.0.0/0'])
  asked = 0
  map.apply({ tailnet: 1, kind: 'node', id: '1', before: first, after: router(1, ['0.0.0.0/0']) }, NOW, [])
  assert.equal(asked, 1)
  assert.deepEqual(routes(), ['0.0.0.0/0', '0.0.0.0/0,10.0.0.0/8'])
})

test('a profile is forgotten with its last node, by whatever way that goes', () => {
  const of = (id: number, user: number, tags: readonly string[] = []): Node => ({ ...nodeOf(id), user, tags })
  const [one, two, other] = [of(1, 7), of(2, 7), of(3, 8)]
  const map = mapAfter([
    [1, one],
    [2, two],
    [3, other],
  ])
  const forgotten = (before: Node, after: Node | undefined): number[] => {
    const effects: Effect[] = []
    map.apply({ tailnet: 1, kind: 'node', id: String(before.id), before, after }, NOW, effects)
    return effects.flatMap((effect) => (effect.kind === 'forgotten' ? [effect.profile] : []))
  }
  assert.deepEqual(forgotten(one, undefined), [])
  assert.deepEqual(forgotten(two, { ...two, name: 'renamed' }), [])
  assert.deepEqual(forgotten({ ...two, name: 'renamed' }, undefined), [7])
  assert.deepEqual(forgotten(other, of(3, 9)), [8])
  assert.deepEqual(forgotten(of(3, 9), of(3, 9, ['tag:ci'])), [9])
})
