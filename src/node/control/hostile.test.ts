/** A server, or somebody on the way, that means harm: bounded memory, bounded work, and the last good map stays. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { zstdCompressSync } from 'node:zlib'
import { concat, utf8 } from '../../base/bytes.ts'
import type { Bytes } from '../../base/bytes.ts'
import type { PrivateKey } from '../../base/keys.ts'
import { Secret } from '../../base/secret.ts'
import { encodeMapFrame, mapFrameHeader } from '../../wire/map-frame.ts'
import type { MapNode } from '../../wire/map-node.ts'
import { MAP_JSON_MAX } from '../../wire/map-response.ts'
import type { MapResponse } from '../../wire/map-response.ts'
import { unzstd } from '../io/control-zstd.ts'
import { ControlWorld, firstMap, JOINED, peerNode } from '../../../test/support/fake-control.ts'
import { MAP_FRAME_MAX } from './map-stream.ts'

const AUTH = { authKey: new Secret('tskey-auth-one', 'auth key') }
const frame = (bytes: Bytes) => concat(encodeMapFrame([zstdCompressSync(bytes)]))

test('a frame that unpacks to more than its limit is not unpacked', () => {
  const bomb = zstdCompressSync(new Uint8Array(8 << 20))
  assert.ok(bomb.length < 2000)
  assert.equal(unzstd(bomb, 1 << 20), undefined)
  assert.equal(unzstd(concat([bomb, bomb]), 12 << 20), undefined)
  assert.equal(unzstd(bomb, 8 << 20)?.length, 8 << 20)
})

test('bad messages end their stream; the map stays, and the server is not hammered', () => {
  const deep = `${'{"a":'.repeat(200)}1${'}'.repeat(200)}`
  const rows: readonly (readonly [string, Bytes])[] = [
    ['a frame of four gigabytes', mapFrameHeader(0xffff_ffff)],
    ['a frame just too long', mapFrameHeader(MAP_FRAME_MAX + 1)],
    ['an empty frame', mapFrameHeader(0)],
    ['no zstd', concat(encodeMapFrame([utf8('{"Domain":"x"}')]))],
    ['cut-off zstd', concat(encodeMapFrame([zstdCompressSync(utf8('{"Domain":"x"}')).subarray(0, 12)]))],
    ['no JSON', frame(utf8('{"Domain":'))],
    ['no UTF-8', frame(Uint8Array.of(0x7b, 0xff, 0x7d))],
    ['deep JSON', frame(utf8(`{"Unknown":${deep}}`))],
    ['a peer without sense', frame(utf8('{"PeersChanged":[{"ID":2,"Key":"nodekey:00"}]}'))],
    ['a number that is none here', frame(utf8('{"PeersRemoved":[9007199254740993]}'))],
  ]
  for (const [name, bytes] of rows) {
    const world = new ControlWorld({ session: AUTH }).start()
    world.first = () => undefined
    world.sendRaw(bytes)
    assert.equal(world.session.state.online, false, name)
    assert.equal(world.session.netmap?.peers.size, 2, name)
    assert.equal(world.session.netmap?.fields.domain, 'example.com', name)
    world.first = (key) => firstMap(key)
    world.until('online', () => world.session.state.online)
    // The connection was not to blame.
    assert.equal(world.all('dial').length, 1, name)
  }
})

test('every stream that begins badly is further from the last', () => {
  const world = new ControlWorld({ session: AUTH })
  world.first = () => ({ Peers: [] })
  world.start()
  world.pass(600_000)
  const streams = world.maps(true).length
  assert.ok(streams > 30 && streams < 90, `${streams} streams in ten minutes`)
})

test('whoever unpacks is told the limit', () => {
  const limits: number[] = []
  const counting = (packed: Bytes, limit: number) => (limits.push(limit), unzstd(packed, limit))
  const world = new ControlWorld({ session: { ...AUTH, unzstd: counting } }).start()
  world.send({})
  assert.deepEqual(limits, [MAP_JSON_MAX, MAP_JSON_MAX])
})

test('somebody else in place of the server is found out in the handshake', () => {
  const flip = (at: number) => (bytes: Bytes) => bytes.with(bytes.length - at, (bytes[bytes.length - at] as number) ^ 1)
  for (const at of [1, 17, 48]) {
    const world = new ControlWorld({ session: AUTH })
    world.tamper = flip(at)
    world.start()
    assert.equal(world.asked.length, 0)
    assert.match(world.session.state.why ?? '', /not from the server that was meant/)
    assert.equal(world.openConnections, 0)
  }
})

test('answers longer than their limit are given up', () => {
  const world = new ControlWorld({ session: AUTH })
  world.onRegister = () => ({ status: 200, text: `{"Error":"${'x'.repeat(2 << 20)}"}` })
  world.start()
  assert.match(world.session.state.why ?? '', /longer than 1048576 bytes/)
  assert.equal(world.session.state.phase, 'connecting')
  world.onRegister = () => ({ status: 200, json: JOINED })
  world.until('online', () => world.session.state.online)
})

test('a key that is none, or comes late, is asked for again', () => {
  const rows = [
    { status: 404, body: utf8('') },
    { status: 200, body: utf8('<html>') },
    { status: 200, body: utf8('{"publicKey":""}') },
    { status: 200, body: utf8(`{"publicKey":"mkey:${'0'.repeat(64)}"}`) },
    { failed: 'no answer in time' },
  ]
  const world = new ControlWorld({ session: AUTH })
  const good = world.onKey()
  let asked = 0
  world.onKey = () => rows[asked++] ?? good
  world.start()
  world.until('online', () => world.session.state.online)
  assert.equal(asked, rows.length + 1)
  assert.equal(world.all('dial').length, 1)
})

test('a key of low order, with which anybody could read along, is not dialled with', () => {
  const world = new ControlWorld({ session: AUTH })
  world.onKey = () => ({ status: 200, body: utf8(`{"publicKey":"mkey:01${'0'.repeat(62)}"}`) })
  world.start()
  assert.equal(world.all('send').length, 0)
  assert.equal(world.session.state.online, false)
})

test('a server that wants more at once than is sensible is not heard', () => {
  const world = new ControlWorld({ session: AUTH }).start()
  for (let i = 0; i < 100; i++)
    world.send({ PingRequest: { URL: `https://unused/p/${i}`, Types: 'c2n', Payload: 'R0VUIC9lY2hv' } })
  assert.equal(world.all('c2n').length, 16)
  for (const url of ['ftp://x/', 'file:///etc/passwd', 'https://x/a\nb', 'x']) world.send({ PingRequest: { URL: url } })
  assert.equal(world.all('fetch').length, 1)
})

test('names that are also members of every object are names like others', () => {
  const world = new ControlWorld({ session: AUTH }).start()
  const text =
    '{"PacketFilters":{"__proto__":[{"SrcIPs":["*"]}],"constructor":[]},"DisplayMessages":{"toString":null},"UserProfiles":null}'
  world.sendRaw(frame(utf8(text)))
  assert.equal(world.session.state.online, true)
  assert.equal(world.session.netmap?.fields.filter?.length, 2)
  world.send({ PeersChangedPatch: [{ NodeID: 2, CapMap: JSON.parse('{"__proto__":[1]}') as object }] })
  assert.deepEqual(world.session.netmap?.peers.get(2)?.CapMap?.get('__proto__'), [1])
  world.send({ OnlineChange: { '2': false }, PeersRemoved: [3], PeersChanged: [peerNode(4)] })
  assert.deepEqual([...(world.session.netmap?.peers.keys() ?? [])], [2, 4])
})

test('what the machine’s owner does not believe is in no map, nor in one that was kept', () => {
  const greedy = (id: number): object => peerNode(id, { AllowedIPs: [`100.64.0.${id}/32`, '10.0.0.0/8'] })
  const believed = (message: MapResponse): MapResponse => {
    const modest = (peer: MapNode): MapNode => ({ ...peer, AllowedIPs: peer.AllowedIPs.slice(0, 1) })
    const { Peers, PeersChanged } = message
    return {
      ...message,
      ...(Peers && { Peers: Peers.map(modest) }),
      ...(PeersChanged && { PeersChanged: PeersChanged.map(modest) }),
    }
  }
  const routes = (world: ControlWorld): (readonly string[])[] =>
    [...(world.session.netmap?.peers.values() ?? [])].map(({ AllowedIPs }) => AllowedIPs)
  const modest = [['100.64.0.2/32'], ['100.64.0.3/32'], ['100.64.0.4/32']]
  // Kept by a daemon that believed everything.
  const world = new ControlWorld({ session: AUTH })
  world.first = (key) => firstMap(key, { Peers: [greedy(2), greedy(3)] })
  world.start()
  world.send({ PeersChanged: [greedy(4)] })
  assert.equal(routes(world).flat().length, 6)
  const { nodeKey } = world.all('keys')[0] as { readonly nodeKey: PrivateKey }
  const cached = concat(world.all('cache').map(({ bytes }) => bytes))
  world.restart({ nodeKey, cached, believed })
  world.network = () => 'refused'
  world.start()
  assert.deepEqual(routes(world), modest)
  world.network = () => 'open'
  world.until('online', () => world.session.state.online)
  world.send({ PeersChanged: [greedy(4)] })
  assert.deepEqual(routes(world), modest)
})
