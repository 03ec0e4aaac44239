/** What recordings of map streams do not show (control.md §5.5, §5.6, §16.2 items 8, 10, 11). */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '../../base/bytes.ts'
import type { MapNode } from '../../wire/map-node.ts'
import { readMapResponse } from '../../wire/map-response.ts'
import type { MapResponse } from '../../wire/map-response.ts'
import { firstMap, peerNode, START_WALL } from '../../../test/support/fake-control.ts'
import { NetworkMap } from './netmap.ts'

const read = (message: object) => readMapResponse(utf8(JSON.stringify(message)))
const begin = (more: object) =>
  new NetworkMap(read(firstMap(`nodekey:${'ab'.repeat(32)}`, more)) as MapResponse & { Node: MapNode }, START_WALL)
const discoKey = (n: number) => `discokey:${n.toString(16).padStart(64, '0')}`
const day = (n: number) => `2026-05-0${n}T00:00:00Z`

test('a disco key from before the peer went away is not taken back, nor what comes with it', () => {
  const rows = [
    {
      name: 'older than what is known',
      patch: { DiscoKey: discoKey(9), Online: false, LastSeen: day(2) },
      taken: false,
    },
    {
      name: 'as old as what is known',
      patch: { DiscoKey: discoKey(9), Online: false, LastSeen: day(3) },
      taken: false,
    },
    { name: 'newer', patch: { DiscoKey: discoKey(9), Online: false, LastSeen: day(4) }, taken: true },
    { name: 'of a peer that is there', patch: { DiscoKey: discoKey(9), Online: true, LastSeen: day(2) }, taken: true },
    { name: 'without a time', patch: { DiscoKey: discoKey(9), Online: false }, taken: true },
    { name: 'without a key', patch: { Online: false, LastSeen: day(2) }, taken: true },
  ]
  for (const { name, patch, taken } of rows) {
    const map = begin({ Peers: [peerNode(2, { LastSeen: day(3) })] })
    const { peers } = map.apply(read({ PeersChangedPatch: [{ NodeID: 2, ...patch }] }), START_WALL)
    assert.equal(peers.length, taken ? 1 : 0, name)
  }
})

test('no filter that was ever sent, and one that is empty, are told apart; nothing is let in by either', () => {
  assert.equal(begin({ PacketFilters: null }).fields.filter, undefined)
  assert.deepEqual(begin({ PacketFilters: null, PacketFilter: [] }).fields.filter, [])
  assert.deepEqual(begin({ PacketFilters: { '*': null } }).fields.filter, [])
})

test('what is said again is no change', () => {
  const map = begin({})
  const { parts, peers } = map.apply(read(firstMap(map.fields.self.Key)), START_WALL)
  assert.deepEqual([[...parts], peers], [[], []])
})

test('a peer that has not changed stays the object that it was', () => {
  const map = begin({})
  const before = map.peers.get(2)
  map.apply(read({ PeersChanged: [peerNode(2), peerNode(3, { Tags: ['tag:x'] })] }), START_WALL)
  assert.equal(map.peers.get(2), before)
})
