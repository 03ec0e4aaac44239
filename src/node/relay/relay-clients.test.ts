import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concat, utf8 } from '../../base/bytes.ts'
import { NEVER } from '../../base/clock.ts'
import { rawKey } from '../../base/keys.ts'
import type { RelayRegion } from '../../wire/derp-map-reader.ts'
import { encodeServerMessage as message } from '../../wire/derp/messages.ts'
import {
  atHome,
  KEEPALIVE,
  ONE,
  OTHER,
  packet,
  PEER,
  phaseOf,
  regionOf,
  RelaySide,
  TWO,
} from '../../../test/support/relay-side.ts'

const framesOf = (side: RelaySide, conn?: number): string[] => side.sent(conn).frames.map(({ type }) => type)

test('nothing is dialled that nobody wants', () => {
  const side = new RelaySide()
  assert.deepEqual(side.setMap(ONE, TWO), [])
  assert.equal(side.relays.deadline(), NEVER)
  assert.deepEqual(side.setHome(3), [])
  assert.equal(side.relays.home, 0)
  assert.deepEqual(side.send(3, PEER, new Uint8Array(1)), [])
  assert.deepEqual(side.send(1, PEER, new Uint8Array(65_537)), [])
  assert.deepEqual(
    [...side.relays.drops],
    [
      ['no such region', 1],
      ['too long', 1],
    ],
  )
})

test('home: connected at once, told that it is, and kept', () => {
  const side = atHome()
  assert.equal(side.dialled.target.node, '1a')
  assert.deepEqual(side.sent().frames.map(({ type, body }) => `${type} ${body[0]}`)[0], 'notePreferred 1')
  assert.ok(side.relays.reaches(1, PEER) && !side.relays.reaches(2, PEER) && !side.relays.reaches(9, PEER))
  assert.equal(side.sent().greeted, side.nodeKey)
  assert.deepEqual(
    side.actions.filter((a) => a.kind === 'state').map(({ state }) => state),
    [
      { phase: 'connecting', node: '1a' },
      { phase: 'connected', node: '1a' },
    ],
  )
  for (let minutes = 0; minutes < 60; minutes++) {
    side.say(KEEPALIVE)
    side.pass(62_000)
  }
  assert.equal(phaseOf(side, 1), 'connected')
  assert.deepEqual(side.dials, ['1a'])
})

test('home moves: both relays hear of it, and the old one stays for a minute', () => {
  const side = atHome()
  const old = side.dialled.conn
  side.pass(90_000)
  side.setHome(2)
  side.connect()
  const notes = (conn?: number) =>
    side
      .sent(conn)
      .frames.filter(({ type }) => type === 'notePreferred')
      .map(({ body }) => body[0])
  assert.deepEqual([notes(old), notes()], [[1, 0], [1]])
  // A peer that does not know yet is still heard.
  assert.equal(side.say(packet(PEER, 5), old)[0]?.kind, 'packet')
  side.pass(59_999)
  assert.equal(phaseOf(side, 1), 'connected')
  side.pass(1)
  assert.equal(phaseOf(side, 1), 'closed')
  assert.ok(side.actions.some((a) => a.kind === 'close' && a.conn === old))
  assert.deepEqual([phaseOf(side, 2), side.relays.home], ['connected', 2])
})

test('a region that is not home: opened by a packet, closed a minute after the last', () => {
  const side = atHome()
  side.send(2, PEER, new Uint8Array([1]))
  assert.equal(side.dialled.region, 2)
  side.connect()
  assert.deepEqual([framesOf(side)[0], ...side.packetsSent()], ['sendPacket', 1])
  side.pass(50_000)
  side.send(2, PEER, new Uint8Array([2]))
  // What comes in is no reason to stay.
  side.pass(59_999)
  side.say(packet(PEER, 1))
  assert.equal(phaseOf(side, 2), 'connected')
  side.pass(1)
  assert.equal(phaseOf(side, 2), 'closed')
  assert.equal(side.relays.connections, 1)
})

test('a region that can’t be reached is given up a minute after the last packet, and its packets with it', () => {
  const side = new RelaySide()
  side.setMap(TWO)
  side.send(2, PEER, new Uint8Array([1]))
  while (phaseOf(side, 2) !== 'closed') {
    side.close('refused')
    side.pass(1000)
  }
  const { counters } = side.relays.reports().get(2) ?? assert.fail()
  assert.deepEqual([...counters.drops], [['closed', 1]])
  assert.equal(side.relays.deadline(), NEVER)
  const dials = side.dials.length
  side.pass(1_000_000)
  assert.equal(side.dials.length, dials)
})

test('which connection a packet takes', () => {
  const via = (side: RelaySide, region: number, to = PEER): number | undefined => {
    const asked = side.send(region, to, new Uint8Array([1]))
    const conn = asked.find((a) => a.kind === 'send')?.conn
    return [1, 2].find((id) => side.actions.some((a) => a.kind === 'dial' && a.conn === conn && a.region === id))
  }
  const side = atHome()
  const conn = side.dialled.conn
  side.say(packet(PEER, 1))
  assert.equal(via(side, 2), 1, 'heard at region 1 while region 2 is not open')
  assert.equal(side.dialled.conn, conn, 'and region 2 is not opened')
  assert.equal(via(side, 0), 1, 'heard at region 1, home unknown')
  assert.equal(via(side, 2, OTHER), undefined, 'never heard: region 2 is dialled')
  assert.equal(side.dialled.region, 2)
  assert.equal(via(side, 2), 1, 'heard at region 1 while region 2 is being dialled')
  side.connect()
  assert.equal(via(side, 2), 2, 'region 2 stands')
  side.close()
  assert.equal(via(side, 2), 1, 'region 2 has broken')
  side.say(message({ kind: 'peer-gone', peer: rawKey(PEER), reason: 0 }), conn)
  assert.equal(via(side, 2), undefined, 'gone from region 1')
  side.say(packet(PEER, 1), conn)
  side.close('reset', conn)
  assert.equal(via(side, 2), undefined, 'the connection it was heard on has ended')
})

test('who was heard over a connection is not known to be there on the next one', () => {
  const side = atHome()
  side.say(packet(PEER, 1))
  side.close()
  side.pass(20)
  side.connect()
  assert.equal(side.send(2, PEER, new Uint8Array([1]))[0]?.kind, 'dial')
  assert.equal(side.dialled.region, 2)
})

test('what a relay says is handed on', () => {
  const side = atHome()
  const rows: { say: Uint8Array; want: object[] }[] = [
    { say: packet(PEER, 1, 2), want: [{ kind: 'packet', region: 1, from: PEER, bytes: new Uint8Array([1, 2]) }] },
    {
      say: concat([packet(PEER), packet(OTHER)]),
      want: [PEER, OTHER].map((from) => ({ kind: 'packet', region: 1, from, bytes: new Uint8Array(0) })),
    },
    {
      say: message({ kind: 'peer-gone', peer: rawKey(PEER), reason: 0 }),
      want: [{ kind: 'peer-gone', region: 1, peer: PEER, why: 'disconnected' }],
    },
    {
      say: message({ kind: 'peer-gone', peer: rawKey(PEER), reason: 1 }),
      want: [{ kind: 'peer-gone', region: 1, peer: PEER, why: 'not here' }],
    },
    {
      say: message({ kind: 'peer-gone', peer: rawKey(PEER), reason: 9 }),
      want: [{ kind: 'peer-gone', region: 1, peer: PEER, why: 'disconnected' }],
    },
    {
      say: message({ kind: 'health', problem: 'hot\u0007' }),
      want: [{ kind: 'state', region: 1, state: { phase: 'connected', node: '1a', problem: 'hot' } }],
    },
    { say: message({ kind: 'health', problem: 'hot' }), want: [] },
    {
      say: message({ kind: 'health', problem: '' }),
      want: [{ kind: 'state', region: 1, state: { phase: 'connected', node: '1a' } }],
    },
    { say: KEEPALIVE, want: [] },
    { say: message({ kind: 'pong', data: new Uint8Array(8) }), want: [] },
    {
      say: message({ kind: 'ping', data: utf8('12345678') }),
      want: [
        { kind: 'send', conn: side.dialled.conn, bytes: concat([Uint8Array.fromHex('1300000008'), utf8('12345678')]) },
      ],
    },
  ]
  for (const { say, want } of rows)
    assert.deepEqual(
      side.say(say).map((a) => ({ ...a })),
      want,
    )
  const { receivedPackets, receivedBytes } = side.relays.reports().get(1)?.counters ?? assert.fail()
  assert.deepEqual([receivedPackets, receivedBytes], [3, 2])
})

test('the network changes', () => {
  const change = (side: RelaySide, usable: boolean) =>
    side.run((relays, now) => relays.networkChanged((address) => usable && address === '10.0.0.1', now))
  const gone = atHome()
  change(gone, false)
  assert.deepEqual([gone.dials.length, phaseOf(gone, 1)], [2, 'connecting'])

  const silent = atHome()
  change(silent, true)
  silent.pass(2999)
  assert.equal(phaseOf(silent, 1), 'connected')
  silent.pass(1)
  assert.match(silent.state(1).why ?? '', /since the network changed/)
  silent.pass(20)
  assert.equal(silent.dials.length, 2)

  const answered = atHome()
  change(answered, true)
  answered.say(message({ kind: 'pong', data: answered.sent().frames.at(-1)?.body ?? assert.fail() }))
  answered.pass(10_000)
  assert.deepEqual([answered.dials.length, phaseOf(answered, 1)], [1, 'connected'])

  const waiting = new RelaySide()
  waiting.setMap(TWO)
  waiting.setHome(2)
  for (let i = 0; i < 10; i++) {
    waiting.close()
    waiting.pass(i === 9 ? 0 : 1100)
  }
  const dials = waiting.dials.length
  change(waiting, false)
  assert.equal(waiting.dials.length, dials + 1)
})

test('another map', () => {
  const rows: { name: string; map: readonly RelayRegion[]; dials: string[]; home: number }[] = [
    { name: 'the same', map: [ONE, TWO], dials: ['1a'], home: 1 },
    { name: 'another name of the region', map: [{ ...ONE, RegionName: 'x' }, TWO], dials: ['1a'], home: 1 },
    { name: 'one node more', map: [regionOf(1, ['1a', '1b', '1c'])], dials: ['1a'], home: 1 },
    { name: 'our node gone', map: [regionOf(1, ['1c'])], dials: ['1a', '1c'], home: 1 },
    { name: 'our node elsewhere', map: [regionOf(1, ['1a', '1b'], { DERPPort: 8443 })], dials: ['1a', '1a'], home: 1 },
    {
      name: 'our node with another pin',
      map: [regionOf(1, ['1a', '1b'], { CertName: `sha256-raw:${'ab'.repeat(32)}` })],
      dials: ['1a', '1a'],
      home: 1,
    },
    { name: 'no node', map: [regionOf(1, [])], dials: ['1a'], home: 1 },
    { name: 'home gone', map: [TWO], dials: ['1a'], home: 0 },
    { name: 'none', map: [], dials: ['1a'], home: 0 },
  ]
  for (const { name, map, dials, home } of rows) {
    const side = atHome()
    const asked = side.setMap(...map)
    assert.deepEqual(side.dials, dials, name)
    assert.equal(side.relays.home, home, name)
    assert.equal(
      asked.some((a) => a.kind === 'home-lost'),
      home === 0,
      name,
    )
    assert.equal(
      asked.some((a) => a.kind === 'close'),
      dials.length > 1 || home === 0 || name === 'no node',
      name,
    )
  }
  // A region that had no node comes to life with one.
  const side = atHome()
  side.setMap(regionOf(1, []))
  side.pass(10_000)
  assert.deepEqual(side.state(1), { phase: 'waiting', why: 'the region has no node that can be dialled' })
  side.setMap(ONE)
  side.connect()
  assert.equal(phaseOf(side, 1), 'connected')
  // While it is dialled or waits, the same map changes nothing.
  side.close()
  side.setMap(ONE)
  assert.equal(phaseOf(side, 1), 'waiting')
})

test('another key is another connection; the end closes all', () => {
  const side = atHome()
  side.send(2, PEER, new Uint8Array([1]))
  side.connect()
  const { key, nodeKey } = new RelaySide()
  const asked = side.run((relays, now) => relays.setKey(key, now))
  assert.deepEqual(asked.map((a) => a.kind).sort(), ['close', 'close', 'dial', 'dial', 'state', 'state'])
  side.secure()
  assert.equal(side.sent().greeted, nodeKey)
  side.run((relays, now) => relays.stop(now))
  assert.equal(side.relays.connections, 0)
  assert.equal(side.relays.deadline(), NEVER)
})
