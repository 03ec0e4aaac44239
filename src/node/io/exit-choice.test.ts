import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Dice } from '../../base/bytes.ts'
import type { MapNode } from '../../wire/map-node.ts'
import type { NetworkMap } from '../control/netmap.ts'
import { DEFAULT_PREFS } from '../local/prefs.ts'
import { exitNodeIn, suggestion, suggestionJson, whyNoExit, withExitNodeNamed } from './exit-choice.ts'

const ALL = ['0.0.0.0/0', '::/0']
const RELAYS = { home: 1, latencies: new Map([[1, 5]]) }
const dice: Dice = (length) => new Uint8Array(length)

function peer(id: number, more: Partial<MapNode> = {}): MapNode {
  const Addresses = [`100.64.0.${id}/32`]
  const recommended = { CapMap: new Map([['suggest-exit-node', []]]), AllowedIPs: [...Addresses, ...ALL] }
  return {
    ...({ ID: id, StableID: `n${id}`, Name: `p${id}.t.example.`, HomeDERP: 1, Online: true } as MapNode),
    Addresses,
    ...recommended,
    ...more,
  }
}

function mapOf(...peers: readonly MapNode[]): NetworkMap {
  const self = { StableID: 'nSelf', Name: 'me.t.example.' } as MapNode
  return { fields: { self }, peers: new Map(peers.map((each) => [each.ID, each])) } as unknown as NetworkMap
}

test('only a peer that is recommended, leads everywhere and is online is suggested', () => {
  const unfit = [peer(2, { Online: false }), peer(3, { CapMap: new Map() }), peer(4, { AllowedIPs: ['0.0.0.0/0'] })]
  const none = mapOf(...unfit)
  assert.deepEqual(suggestionJson(none, suggestion(none, RELAYS, '', dice)), { ID: '', Name: '' })
  const Location = { Country: 'Austria', Priority: 3 }
  const map = mapOf(...unfit, peer(5, { Hostinfo: { Location } }))
  assert.deepEqual(suggestionJson(map, suggestion(map, RELAYS, '', dice)), { ID: 'n5', Name: 'p5', Location })
})

test('preferences: the best one by its ID and none while there is none, one by its address once it is there', () => {
  const auto = { ...DEFAULT_PREFS, AutoExitNode: 'any' }
  const of = (prefs: typeof auto, map: NetworkMap | undefined) => {
    const { ExitNodeID, ExitNodeIP } = withExitNodeNamed(prefs, map, RELAYS, dice)
    return [ExitNodeID, ExitNodeIP]
  }
  assert.deepEqual(of(auto, undefined), ['', ''])
  assert.deepEqual(of(auto, mapOf(peer(5))), ['n5', ''])
  assert.deepEqual(of({ ...auto, ExitNodeID: 'n5' }, mapOf(peer(5, { Online: false }))), ['', ''])
  assert.deepEqual(of({ ...auto, ExitNodeID: 'n6' }, mapOf(peer(5), peer(6))), ['n6', ''])
  const byAddress = { ...DEFAULT_PREFS, ExitNodeIP: '100.64.0.6' }
  assert.deepEqual(of(byAddress, mapOf(peer(5))), ['', '100.64.0.6'])
  assert.deepEqual(of(byAddress, mapOf(peer(5), peer(6))), ['n6', ''])
  assert.equal(exitNodeIn(mapOf(peer(5), peer(6)), byAddress), 6)
  assert.equal(exitNodeIn(mapOf(peer(5)), { ...DEFAULT_PREFS, ExitNodeID: 'n5' }), 5)
  assert.equal(exitNodeIn(mapOf(peer(5)), DEFAULT_PREFS), undefined)
})

test('why the chosen exit node takes nothing', () => {
  const five = { ...DEFAULT_PREFS, ExitNodeID: 'n5' }
  const rows: readonly (readonly [prefs: typeof five, map: NetworkMap | undefined, want: RegExp | undefined])[] = [
    [DEFAULT_PREFS, mapOf(), undefined],
    [five, undefined, undefined],
    [five, mapOf(peer(5)), undefined],
    [five, mapOf(peer(5, { AllowedIPs: ['100.64.0.5/32'] })), /^p5 is not offered, or not approved/],
    [five, mapOf(peer(5, { Expired: true })), /^The key of the exit node p5 has expired/],
    [five, mapOf(peer(6)), /^The exit node n5 is not in the network/],
    [{ ...DEFAULT_PREFS, ExitNodeIP: '100.64.0.7' }, mapOf(peer(6)), /^The exit node 100\.64\.0\.7 is not/],
    [{ ...DEFAULT_PREFS, AutoExitNode: 'any' }, mapOf(peer(6)), /^No exit node is recommended/],
    [{ ...five, AutoExitNode: 'any' }, mapOf(peer(5)), undefined],
  ]
  for (const [prefs, map, want] of rows) {
    const why = whyNoExit(map, prefs)
    if (want === undefined) assert.equal(why, undefined)
    else assert.match(why ?? '', want)
  }
})
