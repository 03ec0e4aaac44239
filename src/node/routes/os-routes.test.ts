/** What the operating system is told to send into the tunnel. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { prefix } from '../../base/ip.ts'
import { allowedPrefix } from './allowed.ts'
import type { AllowedPrefix } from './allowed.ts'
import { osRoutes } from './os-routes.ts'
import type { RouteWishes } from './os-routes.ts'

const BOTH = ['100.64.0.1/32', 'fd7a:115c:a1e0::1/128']
const of = (text: string): AllowedPrefix => allowedPrefix(prefix(text), [])
const WISHES: RouteWishes = {
  peers: ['100.64.0.2/32', 'fd7a:115c:a1e0::2/128', '100.64.0.3/32', 'fd7a:115c:a1e0::3/128'].map(of),
  addresses: BOTH,
  usesExitNode: false,
  allowsLan: false,
  local: [
    { prefix: '192.168.1.5/24', isInternal: false },
    { prefix: '127.0.0.1/8', isInternal: true },
    { prefix: '172.17.0.1/16', isInternal: true },
    { prefix: 'fe80::1/64', isInternal: false },
    { prefix: 'fd00::5/64', isInternal: false },
    { prefix: '100.64.0.1/32', isInternal: false },
  ],
}
const PEERS = ['100.64.0.2/32', '100.64.0.3/32', 'fd7a:115c:a1e0::/48']
const SERVICE = ['100.100.100.100/32', 'fd7a:115c:a1e0::53/128']
const LAN = ['192.168.1.0/24', 'fd00::/64']
const many = Array.from({ length: 10_001 }, (_, i) => of(`100.64.${i >> 8}.${i & 255}/32`))

const ROWS: readonly {
  readonly name: string
  readonly wishes: Partial<RouteWishes>
  readonly tunnel: readonly string[]
  readonly local?: readonly string[]
}[] = [
  { name: 'one IPv6 route for all peers, one IPv4 route for each', wishes: {}, tunnel: [...PEERS, ...SERVICE] },
  {
    name: 'the service address of families that we have',
    wishes: { addresses: BOTH.slice(0, 1), peers: [] },
    tunnel: SERVICE.slice(0, 1),
  },
  { name: 'nothing before there are addresses', wishes: { addresses: [], peers: [] }, tunnel: [] },
  {
    name: 'one IPv4 route for all when control says so',
    wishes: { oneCgnat: true },
    tunnel: ['100.64.0.0/10', 'fd7a:115c:a1e0::/48', ...SERVICE],
  },
  { name: 'and for none when there is none', wishes: { oneCgnat: true, peers: [] }, tunnel: SERVICE },
  { name: 'one for more than ten thousand', wishes: { peers: many }, tunnel: ['100.64.0.0/10', ...SERVICE] },
  {
    name: 'subnets and hosted services as they are',
    wishes: { peers: [of('10.0.0.0/8'), of('2001:db8::7/128')], services: ['100.99.1.1/32'] },
    tunnel: ['10.0.0.0/8', '2001:db8::7/128', '100.99.1.1/32', ...SERVICE],
  },
  {
    name: 'everything behind an exit node, though it be nowhere, and local networks too; what is inside stays',
    wishes: { usesExitNode: true },
    tunnel: [...PEERS, ...SERVICE, '0.0.0.0/0', '::/0', ...LAN],
    local: ['172.17.0.0/16'],
  },
  {
    name: 'not the local networks if they are to stay reachable',
    wishes: { usesExitNode: true, allowsLan: true },
    tunnel: [...PEERS, ...SERVICE, '0.0.0.0/0', '::/0'],
    local: ['172.17.0.0/16', ...LAN],
  },
  {
    name: 'a default route of a peer counts by the choice of the exit node only',
    wishes: { peers: [of('0.0.0.0/0')] },
    tunnel: SERVICE,
  },
  {
    name: 'a local network that is also behind a peer stays local if it is to',
    wishes: { usesExitNode: true, allowsLan: true, peers: [of('192.168.1.0/24')] },
    tunnel: [...SERVICE, '0.0.0.0/0', '::/0'],
    local: ['172.17.0.0/16', ...LAN],
  },
]

test('what the operating system sends into the tunnel', () => {
  for (const { name, wishes, tunnel, local = [] } of ROWS) {
    const got = osRoutes({ ...WISHES, ...wishes })
    assert.deepEqual([...got.tunnel].sort(), [...tunnel].sort(), name)
    assert.deepEqual([...got.local].sort(), [...local].sort(), name)
  }
})

test('ten thousand single routes are few enough to stay single, when nobody says otherwise', () => {
  assert.equal(osRoutes({ ...WISHES, peers: many.slice(1) }).tunnel.length, 10_002)
  assert.equal(osRoutes({ ...WISHES, peers: many, oneCgnat: false }).tunnel.length, 10_003)
})
