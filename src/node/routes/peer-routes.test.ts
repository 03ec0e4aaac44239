/** Who has an address: rules of the map as a table, and the flat table against a plain search. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { wordsOf } from '../../base/address-table.ts'
import { parseIp, prefixContains } from '../../base/ip.ts'
import type { DiscoKey } from '../../base/keys.ts'
import { counts, isUsable, prefixesOf } from './allowed.ts'
import type { RouteChoice, RoutedPeer } from './allowed.ts'
import { maySend, peerOf, RouteKeeper } from './peer-routes.ts'
import type { PeerRoutes } from './peer-routes.ts'

type Words = readonly [version: number, a: number, b: number, c: number, d: number]

function words(text: string): Words {
  const ip = parseIp(text)
  assert.ok(ip !== undefined)
  return ip.family === 4 ? [4, Number(ip.value) | 0, 0, 0, 0] : [6, ...wordsOf(ip.value)]
}
const ask = (routes: PeerRoutes, text: string): number => peerOf(routes, ...words(text))

const peer = (id: number, allowed: readonly string[], more: Partial<RoutedPeer> = {}): RoutedPeer => ({
  ID: id,
  Addresses: allowed.slice(0, 1),
  AllowedIPs: allowed,
  HomeDERP: 1,
  ...more,
})

/** Numbers are those of the caller: here the ID less 9000. */
function routesOf(peers: readonly RoutedPeer[], choice: RouteChoice, oneByOne = false): PeerRoutes {
  const keeper = new RouteKeeper()
  keeper.choose(choice)
  for (const each of peers) {
    keeper.put(each.ID - 9000, each)
    if (oneByOne) keeper.routes()
  }
  return keeper.routes()
}

const A = peer(9001, ['100.64.0.1/32', 'fd7a:115c:a1e0::1/128', '10.0.0.0/8', '0.0.0.0/0', '::/0'])
const B = peer(9002, ['100.64.0.2/32', '10.1.0.0/16', '10.1.2.3/32', '0.0.0.0/0', '::/0', 'fd00:1::/64'])
const C = peer(9003, ['100.64.0.3/32', '10.1.0.0/16', '100.64.0.2/32', '100.64.9.9/32'])
const all: RouteChoice = { acceptsSubnets: true, exitNode: 9001 }
const subnets: RouteChoice = { acceptsSubnets: true }
const own: RouteChoice = { acceptsSubnets: false }

const ROWS: readonly {
  readonly name: string
  readonly peers: readonly RoutedPeer[]
  readonly choice: RouteChoice
  readonly want: Readonly<Record<string, number>>
}[] = [
  {
    name: 'a node’s own addresses always count, subnets and exits when they are chosen',
    peers: [A, B, C],
    choice: own,
    want: { '100.64.0.1': 1, 'fd7a:115c:a1e0::1': 1, '100.64.0.2': 2, '10.1.2.3': 0, '10.9.9.9': 0, '8.8.8.8': 0 },
  },
  {
    name: 'of overlapping subnets the longest prefix wins, of equal ones the lowest node ID',
    peers: [C, B, A],
    choice: subnets,
    want: { '10.9.9.9': 1, '10.1.0.1': 2, '10.1.2.3': 2, '100.64.0.2': 2, '100.64.9.9': 3, 'fd00:1::7': 2, '::1': 0 },
  },
  {
    name: 'everything else goes to the chosen exit node only',
    peers: [A, B, C],
    choice: all,
    want: { '8.8.8.8': 1, '2001:db8::1': 1, '10.1.0.1': 2, '100.64.0.3': 3, '255.255.255.255': 1 },
  },
  {
    name: 'an exit node may be chosen without its subnets',
    peers: [A, B],
    choice: { acceptsSubnets: false, exitNode: 9002 },
    want: { '10.1.2.3': 2, '10.9.9.9': 2, '8.8.8.8': 2, '100.64.0.1': 1 },
  },
  {
    name: 'an exit node that is not in the map is nobody',
    peers: [A, B],
    choice: { acceptsSubnets: false, exitNode: 1 },
    want: { '8.8.8.8': 0, '100.64.0.1': 1 },
  },
  {
    name: 'nothing goes to a peer whose key has expired; its subnet goes to the next',
    peers: [A, { ...B, Expired: true }, C],
    choice: subnets,
    want: { '100.64.0.2': 3, '10.1.0.1': 3, '10.1.2.3': 3 },
  },
  {
    name: 'nothing goes to a peer that cannot be found',
    peers: [
      { ...A, HomeDERP: 0 },
      { ...B, HomeDERP: 0, DiscoKey: `discokey:${'1'.repeat(64)}` as DiscoKey },
      { ...C, HomeDERP: 0, IsWireGuardOnly: true },
    ],
    choice: subnets,
    want: { '100.64.0.1': 0, '10.9.9.9': 0, '10.1.0.1': 2, '100.64.0.3': 3 },
  },
  {
    name: 'an address of a peer’s own counts wherever it lies, and host bits do not',
    peers: [peer(9004, ['192.168.7.7/32', '10.5.6.7/16', 'nonsense', ''])],
    choice: subnets,
    want: { '192.168.7.7': 4, '192.168.7.8': 0, '10.5.0.1': 4, '10.6.0.1': 0 },
  },
]

test('who has an address', () => {
  for (const { name, peers, choice, want } of ROWS) {
    const routes = routesOf(peers, choice)
    const got = Object.fromEntries(Object.keys(want).map((text) => [text, ask(routes, text)]))
    assert.deepEqual(got, want, name)
  }
})

test('a peer may send only from what is routed to it', () => {
  const routes = routesOf([A, B, C], subnets)
  const may = (number: number, text: string): boolean => maySend(routes, number, ...words(text))
  assert.deepEqual(
    [may(1, '100.64.0.1'), may(2, '100.64.0.1'), may(1, '10.9.9.9'), may(1, '10.1.0.1'), may(2, '10.1.0.1')],
    [true, false, true, false, true],
  )
  assert.equal(may(0, '8.8.8.8'), false, 'nobody may send from where nobody is')
})

test('the table stays the same object until something changes that matters to it', () => {
  const keeper = new RouteKeeper()
  keeper.choose(subnets)
  keeper.put(1, A)
  keeper.put(2, B)
  const before = keeper.routes()
  keeper.put(1, { ...A, HomeDERP: 7 })
  keeper.choose({ ...subnets })
  keeper.remove(77)
  assert.equal(keeper.routes(), before)
  const changes: readonly (() => void)[] = [
    () => keeper.put(1, { ...A, Expired: true }),
    () => keeper.put(1, { ...A, AllowedIPs: A.AllowedIPs.slice(1) }),
    () => keeper.remove(2),
    () => keeper.choose(own),
    () => keeper.put(3, C),
  ]
  let last = before
  for (const change of changes) {
    change()
    const next = keeper.routes()
    assert.notEqual(next, last)
    last = next
  }
  assert.deepEqual(structuredClone(last), last)
})

test('peers that come one by one are found like peers that come together', () => {
  const many = Array.from({ length: 700 }, (_, i) => {
    const [low, high] = [i & 255, i >> 8]
    return peer(9001 + i, [`100.70.${high}.${low}/32`, `fd7a:115c:a1e0::7:${(i + 1).toString(16)}/128`])
  })
  const keeper = new RouteKeeper()
  const tables = new Set<PeerRoutes>()
  for (const [i, each] of many.entries()) {
    keeper.put(i + 1, each)
    tables.add(keeper.routes())
  }
  assert.equal(tables.size, many.length, 'none was changed after it was given out')
  const [together, last] = [routesOf(many, own), keeper.routes()]
  for (const each of many) {
    for (const text of each.AllowedIPs) {
      const address = text.split('/')[0] as string
      assert.deepEqual([ask(last, address), ask(together, address)], [each.ID - 9000, each.ID - 9000])
    }
  }
  assert.deepEqual([ask(last, '100.70.99.1'), ask(last, 'fd7a:115c:a1e0::7:0')], [0, 0])
})

test('what is installed is what the table knows', () => {
  const keeper = new RouteKeeper()
  keeper.choose({ acceptsSubnets: false, exitNode: 9002 })
  keeper.put(1, A)
  keeper.put(2, B)
  keeper.put(3, { ...C, Expired: true })
  const texts = ['100.64.0.1/32', 'fd7a:115c:a1e0::1/128', '100.64.0.2/32', '0.0.0.0/0', '::/0']
  assert.deepEqual(
    keeper.installed().map(({ text }) => text),
    texts,
  )
  assert.deepEqual(
    keeper.ranges().map(({ number, kind }) => `${number} ${kind}`),
    ['2 exit', '2 exit'],
  )
})

test('the table says what a plain search says', () => {
  const addresses = ['100.64.0.1', '100.64.0.2', '100.64.0.3', '10.0.0.1', '10.128.0.1', '10.255.255.255', '0.0.0.0']
  addresses.push('255.255.255.255', '128.0.0.0', '127.255.255.255', '::', '::1', 'fd00::1', 'fd00:0:0:1::', 'fe80::1')
  addresses.push('ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '8000::', '7fff:ffff::')
  const prefixes = addresses.flatMap((text) => {
    const lengths = text.includes(':') ? [0, 1, 8, 64, 65, 127, 128] : [0, 1, 8, 9, 31, 32]
    return lengths.map((length) => `${text}/${length}`)
  })
  const anyPeer = fc.record({
    AllowedIPs: fc.uniqueArray(fc.constantFrom(...prefixes), { maxLength: 6 }),
    HomeDERP: fc.constantFrom(0, 1, 1, 1),
    Expired: fc.constantFrom(true, false, false, false),
  })
  const choices = fc.record({ acceptsSubnets: fc.boolean(), exitNode: fc.integer({ min: 9000, max: 9008 }) })
  fc.assert(
    fc.property(fc.array(anyPeer, { maxLength: 8 }), choices, (some, choice) => {
      // Handed in by falling IDs, so that order of arrival and order of IDs differ.
      const peers = some.map((each, i) => peer(9008 - i, each.AllowedIPs, each))
      for (const routes of [routesOf(peers, choice), routesOf(peers, choice, true)])
        for (const text of addresses) assert.equal(ask(routes, text), plainly(peers, choice, text), text)
    }),
    { numRuns: 300 },
  )
})

function plainly(peers: readonly RoutedPeer[], choice: RouteChoice, text: string): number {
  const ip = parseIp(text)
  assert.ok(ip !== undefined)
  let best = { bits: -1, id: 9000 }
  for (const each of peers) {
    if (!isUsable(each)) continue
    for (const { prefix: range, kind } of prefixesOf(each)) {
      if (!counts(kind, each.ID, choice) || !prefixContains(range, ip)) continue
      const wins = range.bits > best.bits || (range.bits === best.bits && each.ID < best.id)
      if (wins) best = { bits: range.bits, id: each.ID }
    }
  }
  return best.id - 9000
}
