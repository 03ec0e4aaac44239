import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { utf8 } from '../../base/bytes.ts'
import { PrivateKey } from '../../base/keys.ts'
import { FRAME, encodeFrame } from '../../wire/derp/frame.ts'
import { encodeServerMessage } from '../../wire/derp/messages.ts'
import type { ServerMessage } from '../../wire/derp/messages.ts'
import { bytes, golden } from '../../../test/support/golden.ts'
import type { GoldenCase } from '../../../test/support/golden.ts'
import { RelayWorld, seededDice } from '../../../test/support/relay-world.ts'
import type { SimClient } from '../../../test/support/relay-world.ts'

interface Case extends GoldenCase {
  readonly mesh: boolean
  readonly stream: string
  readonly stream_starts?: string
  readonly stream_length?: number
  readonly answers: readonly string[]
  readonly connection: 'alive' | 'closed'
}

interface Session extends GoldenCase {
  readonly keys: Readonly<Record<string, string>>
  readonly steps: readonly {
    readonly who: string
    readonly does?: string
    readonly then: Readonly<Record<string, string>>
  }[]
}

const DISCO = new Uint8Array([0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac, ...new Uint8Array(80)])
const GREETING = ['server-key', 'server-info']
const kinds = (client: SimClient) => client.messages.map((m) => m.kind)
const tail = (client: SimClient) => client.messages.slice(GREETING.length)
const hexOf = (m: ServerMessage) => encodeServerMessage(m).toHex()

const [alice] = golden<GoldenCase & { readonly client_private: string }>('derp.json', 'client-info')
const aliceKey = () => new PrivateKey(bytes(alice?.client_private ?? ''))

// Left out: the cases of a client with mesh rights. This relay has no mesh and gives nobody such rights.
for (const c of golden<Case>('derp.json', 'server-read').filter((c) => !c.mesh))
  test(`relay: ${c.name}`, () => {
    const world = new RelayWorld(1)
    const client = world.client({ key: aliceKey() })
    let stream = bytes(c.stream ?? '')
    if (c.stream_starts !== undefined) {
      stream = new Uint8Array(c.stream_length as number)
      stream.set(bytes(c.stream_starts))
    }
    client.write(stream)
    world.settle()
    assert.equal(client.closed === undefined ? 'alive' : 'closed', c.connection)
    assert.deepEqual(tail(client).map(hexOf), c.answers)
  })

// The golden session has a mesh watcher, too, which this relay has not; what the others get is the same without.
test('relay: a session of alice and bob', () => {
  const [session] = golden<Session>('derp.json', 'session')
  const world = new RelayWorld(1)
  const present = new Map<string, SimClient>()
  // Keys are this world's own, so frames are compared with the golden keys put in their place.
  const renamed = (hex: string) => {
    let text = hex
    for (const [name, client] of present) text = text.replaceAll(client.raw.toHex(), session?.keys[name] ?? '')
    return text
  }
  const seen = new Map<string, number>()
  for (const step of session?.steps ?? []) {
    const [verb, what, to] =
      /^(connect|send|close|disconnect) ?(\w*)(?: to (\w+))?/.exec(step.does ?? '')?.slice(1) ?? []
    if (verb === 'connect') present.set(step.who, world.client())
    else if (verb === 'send')
      present.get(step.who)?.packet(present.get(to as string) as SimClient, utf8(what as string))
    else if (verb === 'close') world.hub.evict((present.get(what as string) as SimClient).node, world.now)
    else if (verb === 'disconnect') present.get(step.who)?.disconnect()
    else continue
    world.settle()
    for (const [name, frame] of Object.entries(step.then)) {
      const client = present.get(name)
      if (client === undefined) continue
      if (frame === 'closed') {
        assert.notEqual(client.closed, undefined, `${step.does}: ${name}`)
        continue
      }
      const next = tail(client)[seen.get(name) ?? 0]
      seen.set(name, (seen.get(name) ?? 0) + 1)
      assert.equal(next && renamed(hexOf(next)), frame, `${step.does}: ${name}`)
    }
  }
  assert.deepEqual(
    [...seen],
    [
      ['bob', 2],
      ['alice', 1],
    ],
  )
})

test('relay: greets, and its answer opens', () => {
  const world = new RelayWorld(2)
  const client = world.client()
  assert.deepEqual(kinds(client), GREETING)
  assert.deepEqual(client.serverInfo(), { version: 2, bytesPerSecond: 0, burst: 0 })
})

for (const [name, act, closed] of [
  ['who says nothing is let go after ten seconds', () => {}, 'no greeting'],
  [
    'who says half a greeting is, too',
    (c: SimClient) => c.write(encodeFrame(FRAME.clientInfo, c.raw, new Uint8Array(60)).subarray(0, 70)),
    'no greeting',
  ],
  ['who greeted stays, however silent', (c: SimClient) => c.greet(), undefined],
] as const)
  test(`relay: ${name}`, () => {
    const world = new RelayWorld(3)
    const client = world.stranger()
    act(client)
    world.run(9900)
    assert.equal(client.closed, undefined)
    world.run(1200)
    assert.equal(client.closed, closed)
  })

test('relay: packets of every size arrive whole', () => {
  const world = new RelayWorld(4)
  const [a, b] = [world.client(), world.client()]
  const sizes = [0, 1, 61, 62, 1200, 4091, 4096, 65_535, 65_536]
  const packets = sizes.map((size) => seededDice(size)(size))
  for (const packet of packets) {
    a.packet(b, packet)
    world.settle()
  }
  assert.deepEqual(
    b.arrivals.map((x) => x.packet.toHex()),
    packets.map((x) => x.toHex()),
  )
  assert.ok(b.arrivals.every((x) => x.from === a.raw.toHex()))
})

test('relay: a keepalive comes after 60 to 65 seconds, again and again', () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const world = new RelayWorld(seed)
    const client = world.client()
    const start = world.now
    const times: number[] = []
    for (let n = 1; n <= 3; n++) {
      while (client.all('keep-alive').length < n) world.run(100)
      times.push(world.now - start)
    }
    const [first, second, third] = times as [number, number, number]
    assert.ok(first >= 60_000 && first <= 65_200, `first after ${first}`)
    assert.ok(Math.abs(second - first - 60_000) <= 1200 && Math.abs(third - second - 60_000) <= 1200)
  }
})

test('relay: pings that come faster than they can be answered are answered once', () => {
  const world = new RelayWorld(5)
  const client = world.client()
  for (let i = 0; i < 50; i++) client.send({ kind: 'ping', data: new Uint8Array(8).fill(i) })
  world.settle()
  assert.deepEqual(
    client.all('pong').map((m) => m.data.toHex()),
    ['00'.repeat(8)],
  )
  client.send({ kind: 'ping', data: new Uint8Array(8).fill(9) })
  world.settle()
  assert.equal(client.all('pong').length, 2)
})

test('relay: who was heard from and leaves is announced once, to those who heard', () => {
  const world = new RelayWorld(6)
  const [a, b, c] = [world.client(), world.client(), world.client()]
  a.packet(b, utf8('hello'))
  world.settle()
  a.disconnect()
  assert.deepEqual(
    b.all('peer-gone').map((m) => [m.peer.toHex(), m.reason]),
    [[a.raw.toHex(), 0]],
  )
  assert.equal(c.all('peer-gone').length, 0)
})

test('relay: the farewell comes behind the last packet', () => {
  const world = new RelayWorld(7)
  const [a, b] = [world.client(), world.client({ link: { rate: 100_000 } })]
  for (let i = 0; i < 5; i++) a.packet(b, new Uint8Array(1000))
  world.run(1)
  a.packet(b, utf8('last'))
  a.disconnect()
  world.run(1000)
  const kindsOfB = tail(b).map((m) => m.kind)
  assert.equal(kindsOfB.filter((k) => k === 'packet').length, 6)
  assert.deepEqual(kindsOfB.slice(-2), ['packet', 'peer-gone'])
})

test('relay: a disco packet to nobody is answered with "not here", at most three at once and one a second', () => {
  const world = new RelayWorld(8)
  const a = world.client()
  const absent = (n: number) => new Uint8Array(32).fill(n)
  a.packet(absent(1), utf8('not disco'))
  world.settle()
  assert.equal(a.all('peer-gone').length, 0)
  for (let n = 1; n <= 10; n++) a.packet(absent(n), DISCO)
  world.settle()
  assert.deepEqual(
    a.all('peer-gone').map((m) => [m.peer[0], m.reason]),
    [
      [1, 1],
      [2, 1],
      [3, 1],
    ],
  )
  world.run(1000)
  for (let n = 1; n <= 10; n++) a.packet(absent(n), DISCO)
  world.settle()
  assert.equal(a.all('peer-gone').length, 4)
  assert.deepEqual(world.hub.metrics().packets_dropped.unknown_dest, { disco: 20, other: 1 })
})

test('relay: of two connections of a key the newest gets its traffic, then whichever spoke last', () => {
  const world = new RelayWorld(9)
  const sender = world.client()
  const first = world.client()
  const second = world.client({ key: first.key })
  const who = () => {
    const before = [first.arrivals.length, second.arrivals.length]
    sender.packet(first.raw, utf8('x'))
    world.settle()
    return [first.arrivals.length - (before[0] as number), second.arrivals.length - (before[1] as number)]
  }
  assert.deepEqual(who(), [0, 1])
  first.write(encodeFrame(0x77, utf8('any frame counts')))
  assert.deepEqual(who(), [1, 0])
  second.send({ kind: 'pong', data: new Uint8Array(8) })
  assert.deepEqual(who(), [0, 1])
  assert.equal(world.hub.metrics().gauge_current_dup_client_conns, 2)
  second.disconnect()
  assert.deepEqual(who(), [1, 0])
  assert.equal(sender.all('peer-gone').length, 0)
  assert.equal(world.hub.metrics().gauge_current_dup_client_keys, 0)
})

test('relay: when the active one of three leaves, nobody is active until one speaks', () => {
  const world = new RelayWorld(10)
  const sender = world.client()
  const first = world.client()
  const second = world.client({ key: first.key })
  const third = world.client({ key: first.key })
  third.disconnect()
  sender.packet(first.raw, DISCO)
  world.settle()
  assert.equal(first.arrivals.length + second.arrivals.length, 0)
  assert.equal(world.hub.metrics().packets_dropped.dup_client.disco, 1)
  assert.equal(sender.all('peer-gone').length, 0)
  first.send({ kind: 'note-preferred', preferred: true })
  sender.packet(first.raw, DISCO)
  world.settle()
  assert.equal(first.arrivals.length, 1)
})

test('relay: who is not admitted is closed without a word', () => {
  const world = new RelayWorld(11)
  const client = world.stranger()
  world.realms.set(client.node, undefined)
  world.settle()
  client.greet()
  assert.equal(client.closed, 'not admitted')
  assert.deepEqual(kinds(client), ['server-key'])
})

test('relay: a key of another tailnet looks like a key that does not exist', () => {
  const world = new RelayWorld(12)
  const [a, b] = [world.client(), world.stranger()]
  world.realms.set(b.node, 'two')
  b.greet()
  a.packet(b, DISCO)
  b.packet(a, DISCO)
  a.packet(new Uint8Array(32).fill(7), DISCO)
  world.settle()
  assert.equal(a.arrivals.length + b.arrivals.length, 0)
  const [toB, toNobody] = a.all('peer-gone')
  assert.deepEqual([toB?.reason, toNobody?.reason], [1, 1])
  b.disconnect()
  assert.equal(a.all('peer-gone').length, 2, 'and its leaving is not announced')
  assert.equal(world.hub.metrics().packets_dropped.foreign_realm.disco, 2)
})

test('relay: no packet ever crosses tailnets, whoever comes, moves and leaves', () => {
  fc.assert(
    fc.property(
      fc.nat(1000),
      fc.array(fc.tuple(fc.nat(5), fc.nat(5), fc.nat(9)), { maxLength: 60, size: 'max' }),
      (seed, steps) => {
        const world = new RelayWorld(seed)
        const keys = Array.from({ length: 6 }, () => new PrivateKey(world.primitives.random(32)))
        const conns: (SimClient | undefined)[] = []
        const realmAt = new Map<string, string>()
        const realmOf = (c: SimClient) => world.realms.get(c.node) ?? 'one'
        for (const [i, j, what] of steps) {
          const client = conns[i]
          const other = conns[j]
          if (client === undefined || client.closed !== undefined)
            conns[i] = world.client({ key: keys[i] as PrivateKey })
          else if (what === 0) client.disconnect()
          else if (what === 1) {
            world.realms.set(client.node, realmOf(client) === 'one' ? 'two' : 'one')
            world.hub.refresh(world.now)
          } else if (other !== undefined) {
            // The packet names the realm it was sent in.
            client.packet(other.raw, utf8(realmOf(client)))
            world.settle()
            realmAt.set(client.raw.toHex(), realmOf(client))
            for (const c of conns)
              for (const arrival of c?.arrivals.splice(0) ?? []) {
                assert.equal(Buffer.from(arrival.packet).toString(), realmOf(c as SimClient))
                assert.equal(realmAt.get(arrival.from), realmOf(c as SimClient))
              }
          }
        }
      },
    ),
    { numRuns: 30 },
  )
})

test('relay: a revoked key loses its connections at once, and others keep theirs', () => {
  const world = new RelayWorld(13)
  const [a, b] = [world.client(), world.client()]
  world.realms.set(a.node, undefined)
  world.hub.refresh(world.now)
  assert.equal(a.closed, 'not admitted any more')
  assert.equal(b.closed, undefined)
  world.realms.set(b.node, 'two')
  world.hub.refresh(world.now)
  assert.equal(b.closed, 'not admitted any more')
  const again = world.client({ key: a.key })
  assert.equal(again.closed, 'not admitted')
})

test('relay: a key that moves to another tailnet is cut off from the old one', () => {
  const world = new RelayWorld(14)
  const [a, b] = [world.client(), world.client()]
  a.packet(b, utf8('before'))
  world.settle()
  world.realms.set(a.node, 'two')
  const moved = world.client({ key: a.key })
  moved.packet(b, utf8('after'))
  b.packet(a.raw, utf8('answer'))
  world.settle()
  assert.equal(a.closed, 'not admitted any more')
  assert.equal(b.arrivals.length, 1)
  assert.equal(moved.arrivals.length, 0)
  assert.deepEqual(
    b.all('peer-gone').map((m) => m.reason),
    [0],
  )
})

test('relay: states health problems to those here and those who come, until they are cleared', () => {
  const world = new RelayWorld(15)
  const early = world.client()
  world.hub.setHealth('disk full')
  const late = world.client()
  world.settle()
  assert.deepEqual(
    early.all('health').map((m) => m.problem),
    ['disk full'],
  )
  assert.deepEqual(
    late.all('health').map((m) => m.problem),
    ['disk full'],
  )
  world.hub.setHealth('')
  const later = world.client()
  world.settle()
  assert.deepEqual(
    early.all('health').map((m) => m.problem),
    ['disk full', ''],
  )
  assert.equal(later.all('health').length, 0)
})

test('relay: tells of a restart, behind what still waits', () => {
  const world = new RelayWorld(16)
  const [a, b] = [world.client(), world.client()]
  a.packet(b, utf8('x'))
  world.hub.restarting(1000, 30_000)
  assert.equal(world.hub.busy, true)
  world.settle()
  assert.equal(world.hub.busy, false)
  assert.deepEqual(b.all('restarting'), [{ kind: 'restarting', reconnectInMs: 1000, tryForMs: 30_000 }])
  world.hub.closeAll('relay stopped', world.now)
  assert.deepEqual([a.closed, b.closed], ['relay stopped', 'relay stopped'])
})

test('relay: counts homes, moves and who is not at the ideal node', () => {
  const world = new RelayWorld(17)
  const a = world.client({ notIdeal: true })
  a.send({ kind: 'note-preferred', preferred: true })
  assert.equal(world.hub.metrics().counters.home_moves_in, 0, 'the first choice is no move')
  world.run(6000)
  a.send({ kind: 'note-preferred', preferred: false })
  a.send({ kind: 'note-preferred', preferred: true })
  const m = world.hub.metrics()
  assert.deepEqual(
    [
      m.gauge_current_home_connections,
      m.gauge_current_notideal_connections,
      m.counters.home_moves_in,
      m.counters.home_moves_out,
    ],
    [1, 1, 1, 1],
  )
})

test('relay: hostile bytes close their sender and nobody else', () => {
  const frames = fc.array(
    fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc
        .tuple(fc.constantFrom(...Object.values(FRAME), 0, 0x77, 0xff), fc.uint8Array({ maxLength: 120 }))
        .map(([type, body]) => encodeFrame(type, body)),
    ),
    { maxLength: 20 },
  )
  fc.assert(
    fc.property(frames, fc.boolean(), (pieces, greeted) => {
      const world = new RelayWorld(18)
      const [a, b] = [world.client(), world.client()]
      const hostile = greeted ? world.client() : world.stranger()
      for (const piece of pieces) hostile.write(piece)
      world.run(20_000)
      a.packet(b, utf8('still here'))
      world.settle()
      assert.equal(b.arrivals.length, 1)
      assert.equal(greeted || hostile.closed !== undefined, true)
      assert.equal(world.hub.metrics().gauge_queued_bytes, 0)
    }),
    { numRuns: 60 },
  )
})
