import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { concat, utf8 } from '../../base/bytes.ts'
import { NEVER } from '../../base/clock.ts'
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

const OK = 'HTTP/1.1 101 Switching Protocols\r\n\r\n'

test('what a relay must not do: the connection is closed, and said why', () => {
  const low = message({ kind: 'server-key', key: new Uint8Array(32) })
  const rows: { name: string; fast: boolean; say: (side: RelaySide) => Uint8Array; why: RegExp }[] = [
    { name: 'a frame longer than 1 MiB', fast: true, say: () => Uint8Array.fromHex('0500100001'), why: /too long/ },
    { name: 'one of unknown type', fast: true, say: () => Uint8Array.fromHex('77ffffffff'), why: /too long/ },
    { name: 'sealed by another key', fast: true, say: (s) => s.serverInfo(0, 0, s.key), why: /not the one/ },
    {
      name: 'a greeting too short for a box',
      fast: true,
      say: () => Uint8Array.fromHex('0300000000'),
      why: /not the one/,
    },
    { name: 'HTTP where frames are', fast: true, say: () => utf8('HTTP/1.1 400 Bad Request\r\n\r\n'), why: /too long/ },
    { name: 'a refusal', fast: false, say: () => utf8('HTTP/1.1 403 Forbidden\r\n\r\n'), why: /no upgrade/ },
    { name: 'no end of the head', fast: false, say: () => new Uint8Array(20_000).fill(65), why: /too long/ },
    {
      name: 'another magic',
      fast: false,
      say: () => concat([utf8(OK), new Uint8Array([1, 0, 0, 0, 40]), new Uint8Array(40)]),
      why: /no usable key/,
    },
    { name: 'a key of low order', fast: false, say: () => concat([utf8(OK), low]), why: /no usable key/ },
    {
      name: 'a packet before the key',
      fast: false,
      say: () => concat([utf8(OK), packet(PEER, 1)]),
      why: /not what a relay sends/,
    },
  ]
  for (const { name, fast, say, why } of rows)
    for (const piece of [Infinity, 1000]) {
      const side = new RelaySide()
      side.setMap(TWO)
      side.send(2, PEER, new Uint8Array([1]))
      side.secure(side.dialled.conn, fast)
      const bytes = say(side)
      for (let at = 0; at < bytes.length; at += piece) side.say(bytes.subarray(at, at + piece))
      assert.match(side.state(2).why ?? '', why, name)
      assert.ok(
        side.actions.some((a) => a.kind === 'close'),
        name,
      )
      assert.equal(
        side.actions.some((a) => a.kind === 'packet'),
        false,
        name,
      )
      assert.equal(side.relays.connections, 0, name)
    }
})

test('no answer of any kind to the request', () => {
  const side = new RelaySide()
  side.setMap(TWO)
  side.setHome(2)
  side.secure(side.dialled.conn, false)
  side.pass(9999)
  assert.equal(phaseOf(side, 2), 'connecting')
  side.pass(1)
  assert.deepEqual(side.state(2), { phase: 'waiting', why: 'no answer in time' })
})

test('what a relay says of its restart is believed within bounds', () => {
  const most = message({ kind: 'restarting', reconnectInMs: 0xffffffff, tryForMs: 0xffffffff })
  const side = atHome()
  side.pass(5000)
  side.say(most)
  side.close()
  side.pass(45_000)
  assert.equal(side.dials.length, 2)
  // One that has only just come says so for nothing.
  const early = atHome()
  early.say(most)
  early.close()
  early.pass(10)
  assert.equal(early.dials.length, 2)
})

test('a connection that opens and breaks at once is not made without end', () => {
  const side = new RelaySide()
  side.setMap(TWO)
  side.setHome(2)
  const from = side.now
  while (side.now - from < 60_000) {
    side.connect()
    side.say(KEEPALIVE)
    side.close()
    side.pass(Math.max(1, side.relays.deadline() - side.now))
  }
  assert.ok(side.dials.length < 50, `${side.dials.length} dials in a minute`)
})

test('a flood of made-up senders and health reports costs little', () => {
  const side = atHome()
  for (let i = 0; i < 200; i++) {
    const flood: Uint8Array[] = []
    for (let j = 0; j < 100; j++) {
      const from = new Uint8Array(32).fill(1)
      new DataView(from.buffer).setUint32(0, i * 100 + j)
      flood.push(
        message({ kind: 'packet', from, packet: new Uint8Array(0) }),
        message({ kind: 'health', problem: `${j}` }),
      )
    }
    assert.ok(side.say(concat(flood)).filter((a) => a.kind === 'state').length <= 1)
  }
  // The oldest have been forgotten, the newest not.
  const named = (n: number) => {
    const raw = new Uint8Array(32).fill(1)
    new DataView(raw.buffer).setUint32(0, n)
    return `nodekey:${raw.toHex()}` as const
  }
  assert.equal(side.send(2, named(19_999), new Uint8Array(1))[0]?.kind, 'send')
  assert.equal(side.send(2, named(0), new Uint8Array(1))[0]?.kind, 'dial')
})

test('whatever comes in any order: one connection a region at most, every one let go of, and never a busy loop', () => {
  const input = fc.oneof(
    fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 130_000 }) }),
    fc.record({ kind: fc.constant('say' as const), which: fc.nat(9), back: fc.nat(2) }),
    fc.record({
      kind: fc.constantFrom(...(['secure', 'slow', 'close', 'blocked', 'drained'] as const)),
      back: fc.nat(2),
    }),
    fc.record({ kind: fc.constantFrom(...(['send', 'home', 'map', 'network'] as const)), id: fc.nat(3) }),
  )
  fc.assert(
    fc.property(fc.array(input, { maxLength: 60 }), (inputs) => {
      const side = new RelaySide()
      side.setMap(ONE, TWO)
      const maps = [[ONE, TWO], [ONE], [TWO], [regionOf(1, ['1b']), TWO]]
      const says = [
        side.serverInfo(),
        side.serverInfo(1000, 100),
        side.upgraded(),
        KEEPALIVE,
        packet(PEER, 1),
        packet(OTHER),
        message({ kind: 'ping', data: new Uint8Array(8) }),
        message({ kind: 'restarting', reconnectInMs: 100, tryForMs: 1000 }),
        Uint8Array.fromHex('050fffffff'),
        message({ kind: 'health', problem: 'x' }),
      ]
      const closed = new Set<number>()
      for (const each of inputs) {
        const dials = side.actions.filter((a) => a.kind === 'dial')
        const conn = 'back' in each ? (dials.at(-1 - each.back)?.conn ?? 0) : 0
        if (each.kind === 'pass') side.pass(each.ms)
        else if (each.kind === 'say') side.say(says[each.which] as Uint8Array, conn)
        else if (each.kind === 'secure' || each.kind === 'slow') side.secure(conn, each.kind === 'secure')
        else if (each.kind === 'close') {
          closed.add(conn)
          side.close('x', conn)
        } else if (each.kind === 'blocked') side.relays.blocked(conn, side.now)
        else if (each.kind === 'drained') side.run((relays, now) => relays.drained(conn, now))
        else if (each.kind === 'send') side.send(each.id, PEER, new Uint8Array(10))
        else if (each.kind === 'home') side.setHome(each.id)
        else if (each.kind === 'map') side.setMap(...(maps[each.id] ?? []))
        else if (each.kind === 'network') side.run((relays, now) => relays.networkChanged(() => each.id > 1, now))
        assert.ok(side.relays.connections <= 2)
        // A tick that has been done is done: what remains lies ahead.
        side.run((relays, now) => relays.tick(now))
        assert.ok(side.relays.deadline() > side.now)
      }
      side.run((relays, now) => relays.stop(now))
      assert.equal(side.relays.connections, 0)
      assert.equal(side.relays.deadline(), NEVER)
      const open = new Set(side.actions.filter((a) => a.kind === 'dial').map(({ conn }) => conn))
      for (const conn of [...closed, ...side.actions.filter((a) => a.kind === 'close').map((a) => a.conn)])
        open.delete(conn)
      assert.equal(open.size, 0)
    }),
    { numRuns: 300 },
  )
})
