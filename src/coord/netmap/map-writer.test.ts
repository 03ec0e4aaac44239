import { test } from 'node:test'
import assert from 'node:assert/strict'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { BitSet } from '../../base/bit-set.ts'
import type { Wall } from '../../base/clock.ts'
import { discoKeyOf, machineKeyOf, nodeKeyOf } from '../../base/keys.ts'
import { DEFAULT_DNS, dnsOf } from '../model/dns.ts'
import { nothingTold } from '../model/following.ts'
import type { Effect, Pending, Told } from '../model/following.ts'
import { TailnetState } from '../model/model.ts'
import { DEFAULT_SETTINGS } from '../model/records.ts'
import type { Node, Tailnet } from '../model/records.ts'
import { MapWriter } from './map-writer.ts'
import { ownProfileOf } from './node-json.ts'
import { everybody } from './reach.ts'
import { ENDPOINTS, FULL, TailnetMap } from './tailnet-map.ts'

const NOW = Date.UTC(2026, 10, 24) as Wall
const tailnet: Tailnet = {
  num: 1,
  stableId: 'T1CNTRL',
  name: 'home',
  domain: 'home.sett.internal',
  created: NOW,
  settings: DEFAULT_SETTINGS,
}
const compress = (text: string) => new Uint8Array(zstdCompressSync(text))
const raw = (n: number) => {
  const bytes = new Uint8Array(32)
  new DataView(bytes.buffer).setUint32(0, n)
  return bytes
}

function nodeOf(id: number, more: Partial<Node> = {}): Node {
  return {
    id,
    stableId: `n${id}CNTRL`,
    machineKey: machineKeyOf(raw(id)),
    nodeKey: nodeKeyOf(raw(id)),
    discoKey: discoKeyOf(raw(id)),
    user: 1,
    tags: [],
    name: `host-${id}`,
    named: false,
    ipv4: `100.64.${id >> 8}.${id & 255}`,
    ipv6: `fd7a:115c:a1e0::${id.toString(16)}`,
    created: NOW,
    loggedIn: NOW,
    keyExpiryDisabled: true,
    authorized: true,
    ephemeral: false,
    cap: 142,
    hostinfo: { OS: 'linux' },
    endpoints: [],
    homeDerp: 900,
    approvedRoutes: [],
    ...more,
  }
}

function mapOf(count: number): TailnetMap {
  const state = new TailnetState(1)
  for (let id = 1; id <= count; id++) state.put({ kind: 'node', id: String(id), value: nodeOf(id) }, id)
  return new TailnetMap(state, tailnet, compress)
}

const parse = (message: Uint8Array) => {
  const length = new DataView(message.buffer, message.byteOffset).getUint32(0, true)
  assert.equal(length, message.length - 4)
  return JSON.parse(zstdDecompressSync(message.subarray(4)).toString()) as Record<string, { ID: number }[]>
}
const told = nothingTold
const pendingOf = (peers: readonly [number, number][] = [], more: Partial<Pending> = {}): Pending => ({
  self: false,
  view: false,
  rules: false,
  dns: false,
  tailnet: false,
  peers: new Map(peers),
  edges: new Set(),
  gone: new Set(),
  profiles: new Set(),
  ...more,
})

test('a first map holds everybody but the viewer, in order, whatever the page it falls into', () => {
  const map = mapOf(200)
  const writer = new MapWriter({ derpMap: { Regions: {} }, compress })
  for (const id of [1, 64, 65, 128, 200]) {
    const [message, ...more] = writer.first(map, id, told(), NOW)
    assert.equal(more.length, 0)
    const want = Array.from({ length: 200 }, (_, i) => i + 1).filter((n) => n !== id)
    assert.deepEqual(
      parse(message as Uint8Array)['Peers']?.map((peer) => peer.ID),
      want,
    )
  }
})

test('a first map beyond the size limit goes on in further messages, which say the same', () => {
  const map = mapOf(500)
  const writer = new MapWriter({ derpMap: { Regions: {} }, compress, messageTextMax: 60_000 })
  const seen = told()
  const messages = writer.first(map, 7, seen, NOW).map(parse)
  assert.ok(messages.length > 3)
  assert.ok(messages.slice(1).every((message) => Object.keys(message).join() === 'Domain,PeersChanged'))
  const ids = messages.flatMap((message) => message['Peers'] ?? message['PeersChanged'] ?? []).map((peer) => peer.ID)
  assert.deepEqual(
    ids,
    Array.from({ length: 500 }, (_, i) => i + 1).filter((n) => n !== 7),
  )
  assert.equal(seen.peers.size, 499)
})

test('streams that need the same text share one frame; a peer that is not known comes whole', () => {
  const map = mapOf(4)
  const writer = new MapWriter({ derpMap: { Regions: {} }, compress })
  const [one, two, fresh] = [told(), told(), told()]
  writer.first(map, 1, one, NOW)
  writer.first(map, 2, two, NOW)
  fresh.profiles.add(1)
  const round = new Map<string, Uint8Array>()
  const a = writer.delta(map, 1, pendingOf([[3, ENDPOINTS]]), one, NOW, round)
  const b = writer.delta(map, 2, pendingOf([[3, ENDPOINTS]]), two, NOW, round)
  assert.equal(a, b)
  assert.deepEqual(Object.keys(parse(a as Uint8Array)), ['PeersChangedPatch'])
  const c = writer.delta(map, 4, pendingOf([[3, ENDPOINTS]]), fresh, NOW, round)
  assert.deepEqual(Object.keys(parse(c as Uint8Array)), ['PeersChanged'])
  assert.equal(writer.delta(map, 1, pendingOf([[99, FULL]]), one, NOW, round), undefined)
})

test('how names are resolved is compressed once for all who are told the same, and not said twice', () => {
  const map = mapOf(50)
  const made: string[] = []
  const counted = (text: string) => {
    made.push(text)
    return compress(text)
  }
  const writer = new MapWriter({ derpMap: { Regions: {} }, compress: counted })
  const streams = Array.from({ length: 50 }, (_, i) => ({ id: i + 1, seen: told() }))
  for (const { id, seen } of streams) writer.first(map, id, seen, NOW)
  const tell = () => {
    made.length = 0
    const round = new Map<string, Uint8Array>()
    return streams.map(({ id, seen }) => writer.delta(map, id, pendingOf([], { dns: true }), seen, NOW, round))
  }
  assert.deepEqual([new Set(tell()), made], [new Set([undefined]), []])
  map.state.put({ kind: 'dns', id: 'current', value: { ...DEFAULT_DNS, searchPaths: ['corp.example'] } }, 51)
  const effects: Effect[] = []
  map.apply({ tailnet: 1, kind: 'dns', id: 'current', before: undefined, after: dnsOf(map.state) }, NOW, effects)
  assert.deepEqual(effects, [{ kind: 'dns' }])
  assert.equal(new Set(tell()).size, 1)
  assert.equal(made.length, 1)
  assert.equal(made[0], `{"DNSConfig":${map.dns.of({}).json}}`)
  assert.deepEqual([new Set(tell()), made], [new Set([undefined]), []])
})

test('a user who is new to a client comes with what makes it build its map anew, others come without', () => {
  const map = mapOf(3)
  const writer = new MapWriter({ derpMap: { Regions: {} }, compress })
  const [one, two] = [told(), told()]
  writer.first(map, 1, one, NOW)
  writer.first(map, 2, two, NOW)
  const round = new Map<string, Uint8Array>()
  const says = (viewer: number, seen: Told, pending: Pending) =>
    Object.keys(parse(writer.delta(map, viewer, pending, seen, NOW, round) as Uint8Array)).sort()
  const join = (id: number, user: number) =>
    map.apply({ tailnet: 1, kind: 'node', id: String(id), before: undefined, after: nodeOf(id, { user }) }, NOW, [])
  join(4, 7)
  assert.deepEqual(says(1, one, pendingOf([[4, FULL]])), ['Domain', 'PeersChanged', 'UserProfiles'])
  says(2, two, pendingOf([[4, FULL]]))
  assert.equal(round.size, 1, 'and both share the message')
  join(5, 7)
  assert.deepEqual(says(1, one, pendingOf([[5, FULL]])), ['PeersChanged'])
  const renamed = pendingOf([], { profiles: new Set([7]) })
  assert.deepEqual(says(1, one, renamed), ['Domain', 'UserProfiles'], 'a user who changed')
  const text = zstdDecompressSync(
    (writer.delta(map, 1, { ...renamed, tailnet: true }, one, NOW, round) as Uint8Array).subarray(4),
  ).toString()
  assert.equal(text.split('"Domain"').length, 2, 'once is enough')
})

test('a node that becomes somebody else’s is told whose', () => {
  const map = mapOf(2)
  const writer = new MapWriter({ derpMap: { Regions: {} }, compress })
  const seen = told()
  writer.first(map, 1, seen, NOW)
  const after = nodeOf(1, { tags: ['tag:ci'] })
  map.apply({ tailnet: 1, kind: 'node', id: '1', before: nodeOf(1), after }, NOW, [])
  const say = () => writer.delta(map, 1, pendingOf([], { self: true }), seen, NOW, new Map())
  assert.deepEqual(
    parse(say() as Uint8Array)['UserProfiles']?.map(({ ID }) => ID),
    [ownProfileOf(after)],
  )
  assert.equal(say(), undefined, 'once')
})

test('what a node reports of itself is not told back to it when everything is asked anew', () => {
  const map = mapOf(2)
  const writer = new MapWriter({ derpMap: { Regions: {} }, compress })
  const seen = told()
  writer.first(map, 1, seen, NOW)
  const change = (before: Node, after: Node): Record<string, { ID: number }[]> | undefined => {
    map.apply({ tailnet: 1, kind: 'node', id: '1', before, after }, NOW, [])
    const anew = { self: true, view: true, rules: true }
    const message = writer.delta(map, 1, pendingOf([], anew), seen, NOW, new Map())
    return message && parse(message)
  }
  const reports = {
    endpoints: ['192.0.2.1:41641'],
    homeDerp: 901,
    discoKey: discoKeyOf(raw(77)),
    hostinfo: { OS: 'linux', Hostname: 'other' },
    cap: 143,
  }
  const reported = nodeOf(1, reports)
  assert.equal(change(nodeOf(1), reported), undefined)
  const said = change(reported, { ...reported, name: 'renamed' }) as unknown as { Node: Record<string, unknown> }
  assert.equal(said.Node['Name'], 'renamed.home.sett.internal.')
  assert.deepEqual(said.Node['Endpoints'], reports.endpoints, 'with other news it comes along')
})

test('who may not see a peer is not told of it, and is told that it is gone when that changes', () => {
  const map = mapOf(6)
  let friends = new Set(['1-2', '1-3'])
  const areFriends = (a: number, b: number): boolean => friends.has(`${Math.min(a, b)}-${Math.max(a, b)}`)
  map.reach = {
    ...everybody,
    connects: (a, b) => areFriends(a.node.id, b.node.id),
    visible: ({ node }) =>
      BitSet.of([...map.entries.values()].filter((e) => areFriends(e.id, node.id)).map((e) => e.slot)),
    filters: () => ({ base: [] }),
  }
  const writer = new MapWriter({ derpMap: { Regions: {} }, compress })
  const seen = told()
  const first = parse(writer.first(map, 1, seen, NOW)[0] as Uint8Array)
  assert.deepEqual(
    first['Peers']?.map((p) => p.ID),
    [2, 3],
  )
  assert.deepEqual(first['PacketFilters'], { base: [] })
  const round = new Map<string, Uint8Array>()
  assert.equal(writer.delta(map, 1, pendingOf([[5, FULL]]), seen, NOW, round), undefined)
  friends = new Set(['1-3', '1-6'])
  const changed = parse(writer.delta(map, 1, pendingOf([], { view: true }), seen, NOW, round) as Uint8Array)
  assert.deepEqual(changed['PeersRemoved'], [2])
  assert.deepEqual(
    changed['PeersChanged']?.map((p) => p.ID),
    [6],
  )
})

test('no message has the length of the keepalive', () => {
  const writer = new MapWriter({ derpMap: { Regions: {} }, compress })
  let equal = 0
  for (let n = 0; n < 40; n++) {
    const text = { D: 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH'.slice(0, n) }
    if (compress(JSON.stringify(text)).length + 4 === writer.keepalive.length) equal++
    assert.notEqual(writer.note(text).length, writer.keepalive.length)
  }
  assert.ok(equal > 0, 'the case occurs')
})
