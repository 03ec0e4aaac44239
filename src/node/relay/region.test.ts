import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concat, utf8 } from '../../base/bytes.ts'
import { nodePrimitives } from '../../crypto/io/node-primitives.ts'
import { generateKey } from '../../crypto/primitives.ts'
import { encodeServerMessage as message } from '../../wire/derp/messages.ts'
import { atHome, KEEPALIVE, ONE, packet, PEER, phaseOf, RelaySide, TWO } from '../../../test/support/relay-side.ts'

const DISCO = concat([Uint8Array.fromHex('5453f09f92ac'), new Uint8Array(56)])

test('without the key in the certificates: the greeting waits for it', () => {
  const side = new RelaySide()
  side.setMap(ONE)
  side.send(1, PEER, new Uint8Array([9]))
  side.secure(side.dialled.conn, false)
  assert.doesNotMatch(side.sent().head, /Fast/)
  side.say(side.upgraded())
  assert.deepEqual([side.sent().greeted, ...side.packetsSent()], [side.nodeKey, 9])
  side.say(side.serverInfo())
  assert.equal(phaseOf(side, 1), 'connected')
})

test('nodes of a region take turns: 1.5 s each for TCP, then a growing pause', () => {
  const side = new RelaySide()
  side.setMap(ONE)
  side.setHome(1)
  assert.deepEqual(side.dials, ['1a'])
  side.pass(1499)
  assert.deepEqual(side.dials, ['1a'])
  side.pass(1)
  assert.deepEqual(side.dials, ['1a', '1b'])
  assert.match(side.dialled.target.ideal ?? '', /^1a$/)
  side.close('refused')
  assert.deepEqual(side.state(1), { phase: 'waiting', why: 'refused' })
  const pauses: number[] = []
  for (let round = 1; round <= 30; round++) {
    const before = side.now
    const dials = side.dials.length
    while (side.dials.length === dials) side.pass(Math.max(0, side.relays.deadline() - side.now))
    pauses.push(Math.round(side.now - before))
    assert.equal(side.dialled.target.node, '1a')
    side.close('refused')
    side.close('refused')
  }
  // n² × 10 ms with dice in the middle, and 5 s in the end.
  assert.deepEqual(pauses.slice(0, 4), [10, 40, 90, 160])
  assert.deepEqual(pauses.slice(22), Array(8).fill(5000))
})

test('a node that takes TCP and then fails is not tried first again', () => {
  const rows: { name: string; fail: (side: RelaySide) => unknown }[] = [
    { name: 'wrong certificate', fail: (side) => side.close('the certificate is not the pinned one') },
    {
      name: 'no upgrade',
      fail: (side) =>
        side.run((r, now) => r.secured(side.dialled.conn, undefined, now)) && side.say(utf8('HTTP/1.1 404 x\r\n\r\n')),
    },
    {
      name: 'wrong key',
      fail: (side) => side.secure() && side.say(side.serverInfo(0, 0, generateKey(nodePrimitives.random))),
    },
    { name: 'never lets us in', fail: (side) => side.secure() && side.pass(10_000) },
  ]
  for (const { name, fail } of rows) {
    const side = new RelaySide()
    side.setMap(ONE)
    side.setHome(1)
    side.run((relays, now) => relays.opened(side.dialled.conn, '10.0.0.1', now))
    fail(side)
    assert.equal(phaseOf(side, 1), 'waiting', name)
    side.pass(20)
    assert.deepEqual(side.dials, ['1a', '1b'], name)
    side.connect()
    // Once it has worked, the first is the first again.
    side.pass(6000)
    side.close()
    side.pass(20)
    assert.deepEqual(side.dials, ['1a', '1b', '1a'], name)
    assert.deepEqual(side.relays.reports().get(1)?.counters.failures, 2, name)
  }
})

test('silence of two minutes is the end of a connection; any frame is a sign of life', () => {
  const rows = [
    { name: 'keepalive', bytes: KEEPALIVE, lives: true },
    { name: 'a frame of unknown type', bytes: Uint8Array.fromHex('7700000001ff'), lives: true },
    { name: 'a packet', bytes: packet(PEER), lives: true },
    { name: 'half a frame', bytes: KEEPALIVE.subarray(0, 4), lives: false },
    { name: 'nothing', bytes: new Uint8Array(0), lives: false },
  ]
  for (const { name, bytes, lives } of rows) {
    const side = atHome()
    side.pass(119_999)
    assert.equal(phaseOf(side, 1), 'connected', name)
    side.say(bytes)
    side.pass(1)
    assert.equal(phaseOf(side, 1), lives ? 'connected' : 'waiting', name)
    const last = side.relays.reports().get(1)?.heardAt
    assert.equal(last, lives ? side.now - 1 : side.now - 120_000, name)
  }
})

test('a ping when the connection stands measures the way there', () => {
  const side = atHome()
  const ping = side.sent().frames.find(({ type }) => type === 'ping') ?? assert.fail()
  side.pass(42)
  side.say(message({ kind: 'pong', data: new Uint8Array(8) }))
  assert.equal(side.relays.reports().get(1)?.latencyMs, undefined)
  side.say(message({ kind: 'pong', data: ping.body }))
  assert.equal(side.relays.reports().get(1)?.latencyMs, 42)
  // None at all is no fault of the connection.
  const silent = atHome()
  silent.pass(10_000)
  assert.equal(phaseOf(silent, 1), 'connected')
})

test('a relay that restarts is dialled again when it said, without growing pauses for as long as it said', () => {
  const side = atHome()
  side.pass(5000)
  side.say(message({ kind: 'restarting', reconnectInMs: 2000, tryForMs: 3000 }))
  assert.equal(phaseOf(side, 1), 'connected')
  side.close('closed')
  assert.deepEqual(side.state(1), { phase: 'waiting', why: 'closed', restarting: true })
  // Half as long again, with dice in the middle: not all come at once.
  side.pass(2999)
  assert.equal(side.dials.length, 1)
  side.pass(1)
  assert.equal(side.dials.length, 2)
  let tries = 0
  for (; side.state(1).restarting === true || phaseOf(side, 1) === 'connecting'; tries++) {
    side.close('refused')
    side.close('refused')
    side.pass(200)
  }
  assert.ok(tries >= 14 && tries <= 16, `${tries} tries`)
})

test('packets wait for the relay: the newest 32, and as many of disco, which go first', () => {
  const side = new RelaySide()
  side.setMap(ONE)
  for (let i = 0; i < 40; i++) side.send(1, PEER, new Uint8Array([i]))
  for (let i = 0; i < 33; i++) side.send(1, PEER, DISCO)
  side.connect()
  assert.deepEqual(side.packetsSent(), [...Array(32).fill(0x54), ...Array.from({ length: 32 }, (_, i) => i + 8)])
  assert.deepEqual([...(side.relays.reports().get(1)?.counters.drops ?? [])], [['queue full', 9]])
})

test('packets that have waited for five seconds are not sent any more', () => {
  const side = new RelaySide()
  side.setMap(ONE)
  side.send(1, PEER, new Uint8Array([1]))
  side.run((relays, now) => relays.opened(side.dialled.conn, undefined, now))
  side.pass(5000)
  side.send(1, PEER, new Uint8Array([2]))
  side.run((relays, now) => relays.secured(side.dialled.conn, undefined, now))
  side.say(side.upgraded())
  assert.deepEqual(side.packetsSent(), [2])
  assert.deepEqual([...(side.relays.reports().get(1)?.counters.drops ?? [])], [['too old', 1]])
})

test('a socket that takes no more: packets wait, then go; after half a minute another one is opened', () => {
  const side = atHome()
  const { conn } = side.dialled
  side.relays.blocked(conn, side.now)
  for (let i = 0; i < 40; i++) assert.deepEqual(side.send(1, PEER, new Uint8Array([i])), [])
  assert.deepEqual(side.say(message({ kind: 'ping', data: new Uint8Array(8) })), [])
  side.run((relays, now) => relays.drained(conn, now))
  assert.deepEqual(
    side.packetsSent(),
    Array.from({ length: 32 }, (_, i) => i + 8),
  )

  side.relays.blocked(conn, side.now)
  side.pass(20_000)
  side.relays.blocked(conn, side.now)
  side.say(KEEPALIVE)
  side.pass(9999)
  assert.equal(phaseOf(side, 1), 'connected')
  side.pass(1)
  assert.deepEqual(side.state(1), { phase: 'waiting', why: 'the relay takes nothing' })
})

test('a rate that the relay states: what exceeds it vanishes, and the connection stays', () => {
  const side = new RelaySide()
  side.setMap(ONE)
  side.setHome(1)
  side.secure()
  side.say(side.serverInfo(1000, 2000))
  const cost = 5 + 32 + 63
  const burst = (): number => {
    const before = side.packetsSent().length
    for (let i = 0; i < 50; i++) side.send(1, PEER, new Uint8Array(63))
    return side.packetsSent().length - before
  }
  assert.equal(burst(), 2000 / cost)
  side.pass(1000)
  assert.equal(burst(), 1000 / cost)
  side.pass(100_000)
  assert.equal(burst(), 2000 / cost)
  assert.equal(side.relays.reports().get(1)?.counters.drops.get('rate'), 150 - 50)
  assert.equal(phaseOf(side, 1), 'connected')
  // The next connection starts without.
  side.close()
  side.pass(20)
  side.connect()
  assert.equal(burst(), 50)
})

test('IPv6 goes first where it works', () => {
  const side = new RelaySide()
  side.setMap(ONE, TWO)
  side.setHome(1)
  assert.equal(side.dialled.ipv4DelayMs, 0)
  side.relays.setIpv6Works(true)
  side.setHome(2)
  assert.equal(side.dialled.ipv4DelayMs, 200)
})
