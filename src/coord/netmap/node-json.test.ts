import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { Wall } from '../../base/clock.ts'
import { discoKeyOf, machineKeyOf, nodeKeyOf } from '../../base/keys.ts'
import { DEFAULT_SETTINGS } from '../model/records.ts'
import type { Node, Tailnet } from '../model/records.ts'
import { mapTime, peerJson, sameShownHostinfo } from './node-json.ts'

const NOW = (Date.UTC(2026, 10, 24, 6, 0, 0) + 678) as Wall
const tailnet: Tailnet = {
  num: 1,
  stableId: 'T1CNTRL',
  name: 'home',
  domain: 'home.sett.internal',
  created: NOW,
  settings: DEFAULT_SETTINGS,
}
const node: Node = {
  id: 7,
  stableId: 'n7CNTRL',
  machineKey: machineKeyOf(new Uint8Array(32)),
  nodeKey: nodeKeyOf(new Uint8Array(32)),
  discoKey: discoKeyOf(new Uint8Array(32)),
  user: 1,
  tags: [],
  name: 'laptop',
  named: false,
  ipv4: '100.64.0.7',
  ipv6: 'fd7a:115c:a1e0::7',
  created: NOW,
  loggedIn: NOW,
  keyExpiry: NOW,
  keyExpiryDisabled: false,
  authorized: true,
  ephemeral: false,
  cap: 142,
  hostinfo: { OS: 'linux' },
  endpoints: [],
  homeDerp: 0,
  approvedRoutes: [],
}
const PROXY = { Proto: 'peerapi-dns-proxy', Port: 1 }
const PEERAPI = { Proto: 'peerapi4', Port: 5000 }

const shown = (more: Partial<Node>) =>
  JSON.parse(
    peerJson(
      tailnet,
      { node: { ...node, ...more }, presence: undefined, routes: [], hidesIPv4: false, sharedNames: [] },
      NOW,
    ),
  ) as Record<string, unknown>

const services = [
  { name: 'none', has: undefined, want: undefined },
  { name: 'only the one that clients take for given', has: [PROXY], want: undefined },
  { name: 'that one beside others', has: [PEERAPI, PROXY], want: [PEERAPI] },
  { name: 'others', has: [PEERAPI], want: [PEERAPI] },
]
for (const { name, has, want } of services)
  test(`services that peers are shown: ${name}`, () => {
    const hostinfo = { OS: 'linux', ...(has === undefined ? {} : { Services: has }) }
    const host = shown({ hostinfo })['Hostinfo'] as Record<string, unknown>
    assert.deepEqual(host['Services'], want)
    assert.equal(host['OS'], 'linux')
  })

test('a service that peers are not shown is no change for them', () => {
  const plain = { ...node, hostinfo: { OS: 'linux' } }
  assert.equal(sameShownHostinfo(plain, { ...node, hostinfo: { OS: 'linux', Services: [PROXY] } }), true)
  assert.equal(sameShownHostinfo(plain, { ...node, hostinfo: { OS: 'linux', Services: [PEERAPI] } }), false)
})

test('times in maps are whole seconds, and nothing ends later than it does', () => {
  assert.equal(mapTime(NOW), '2026-11-24T06:00:00Z')
  const { KeyExpiry, Created } = shown({})
  assert.deepEqual([KeyExpiry, Created], ['2026-11-24T06:00:00Z', '2026-11-24T06:00:00Z'])
})
