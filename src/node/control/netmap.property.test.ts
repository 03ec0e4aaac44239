/** Properties of the network map: changes told are changes made, and what is kept on disk is the map. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { concat, utf8 } from '../../base/bytes.ts'
import type { Wall } from '../../base/clock.ts'
import { encodeMapFrame } from '../../wire/map-frame.ts'
import type { MapNode } from '../../wire/map-node.ts'
import { readMapResponse } from '../../wire/map-response.ts'
import type { MapResponse } from '../../wire/map-response.ts'
import { unzstd, zstd } from '../io/control-zstd.ts'
import { firstMap, peerNode, START_WALL } from '../../../test/support/fake-control.ts'
import { encodeNetmap, MapCache, restoreMap } from './map-cache.ts'
import { NetmapKeeper } from './netmap-keeper.ts'
import { differences, NetworkMap } from './netmap.ts'

const KEY = `nodekey:${'ab'.repeat(32)}` as const
const read = (message: object) => readMapResponse(utf8(JSON.stringify(message)))
const begin = (message: object) => new NetworkMap(read(message) as MapResponse & { Node: MapNode }, START_WALL)

const ids = fc.integer({ min: 2, max: 9 })
const times = fc.integer({ min: -5, max: 5 }).map((days) => new Date(START_WALL + days * 86_400_000).toISOString())
const members = fc.record(
  {
    Online: fc.boolean(),
    LastSeen: times,
    KeyExpiry: times,
    Tags: fc.constantFrom(['tag:a'], ['tag:b']),
    Endpoints: fc.constantFrom([], ['192.0.2.1:1'], ['[2001:db8::1]:2']),
    HomeDERP: fc.constantFrom(1, 2),
    CapMap: fc.constantFrom({}, { x: [1] }),
  },
  { requiredKeys: [] },
)
const peers = fc.uniqueArray(fc.tuple(ids, members), { selector: ([id]) => id, maxLength: 5 })
const nodes = peers.map((list) => list.map(([id, more]) => peerNode(id, more)))
const flags = fc.dictionary(ids.map(String), fc.boolean(), { maxKeys: 3 })
const messages = fc.record(
  {
    Peers: nodes,
    PeersRemoved: fc.array(ids, { maxLength: 3 }),
    PeersChanged: nodes,
    OnlineChange: flags,
    PeerSeenChange: flags,
    PeersChangedPatch: fc.array(
      fc
        .tuple(ids, members)
        .map(([NodeID, { HomeDERP, Tags: _, ...more }]) => ({ NodeID, DERPRegion: HomeDERP, ...more })),
      { maxLength: 3 },
    ),
    PacketFilters: fc.dictionary(fc.constantFrom('a', 'base', '*'), fc.constantFrom(null, [], [{ SrcIPs: ['*'] }])),
    Domain: fc.constantFrom('one.example', 'two.example'),
    UserProfiles: fc.array(
      ids.map((ID) => ({ ID, LoginName: `u${ID}` })),
      { maxLength: 2 },
    ),
  },
  { requiredKeys: [] },
)

test('whoever follows the changes has the map, expiry and a new stream included', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(messages, fc.integer({ min: -3, max: 3 }), fc.boolean()), { maxLength: 8 }),
      (steps) => {
        const keeper = new NetmapKeeper({ unzstd, zstd })
        const followed = new Map<number, MapNode>()
        const follow = (actions: ReturnType<NetmapKeeper['take']>) => {
          for (const action of actions) {
            if (action.kind !== 'netmap-changed') continue
            for (const { id, was, now } of action.changes.peers) {
              // Each says truly what was before.
              assert.deepEqual(followed.get(id), was)
              assert.notDeepEqual(was, now)
              if (now === undefined) followed.delete(id)
              else followed.set(id, now)
            }
          }
        }
        const nothing = new Uint8Array(0)
        // The clocks agree here.
        const first = (more: object) => firstMap(KEY, { ControlTime: null, ...more })
        follow(keeper.take(read(first({})), nothing, START_WALL))
        for (const [message, days, anew] of steps) {
          const wall = (START_WALL + days * 86_400_000) as Wall
          if (anew) keeper.streamEnded()
          follow(keeper.take(read(anew ? first(message) : message), nothing, wall))
          follow(keeper.scan(wall))
          const known = [...followed].sort(([a], [b]) => a - b)
          assert.deepEqual(
            known,
            [...(keeper.map?.peers ?? [])].sort(([a], [b]) => a - b),
          )
          for (const [, peer] of known)
            assert.equal(peer.Expired === true, peer.KeyExpiry !== undefined && peer.KeyExpiry <= wall)
        }
      },
    ),
  )
})

test('a map written as one message, and as the frames of its stream, is the same map', () => {
  fc.assert(
    fc.property(fc.array(messages, { maxLength: 6 }), (list) => {
      const map = begin(firstMap(KEY))
      const frames = [encodeMapFrame([zstd(utf8(JSON.stringify(firstMap(KEY))))])]
      for (const message of list) {
        map.apply(read(message), START_WALL)
        frames.push(encodeMapFrame([zstd(utf8(JSON.stringify(message)))]))
      }
      const nothing = { parts: new Set(), peers: [] }
      const replayed = restoreMap(concat(frames.flat()), KEY, unzstd, START_WALL) as NetworkMap
      assert.deepEqual(differences(map, replayed), nothing)
      const written = restoreMap(
        concat(encodeMapFrame([zstd(encodeNetmap(map))])),
        KEY,
        unzstd,
        START_WALL,
      ) as NetworkMap
      assert.deepEqual(differences(map, written), nothing)
    }),
  )
})

test('a cache that has grown beyond its map is written anew', () => {
  const map = begin(firstMap(KEY))
  const cache = new MapCache()
  cache.begin(new Uint8Array(100))
  const writes = Array.from({ length: 300 }, () => cache.add(new Uint8Array(5000), map, zstd).how)
  assert.deepEqual([...new Set(writes)], ['append', 'replace'])
  assert.equal(writes.filter((how) => how === 'replace').length, 1)
})
