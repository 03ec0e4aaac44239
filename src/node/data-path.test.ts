/** The data path with both ciphers: round trips against the plain twin of sealing, every drop, hostile bytes and lengths. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { inTableOrder, TableBuilder } from '../base/address-table.ts'
import type { Mono } from '../base/clock.ts'
import { prefix } from '../base/ip.ts'
import type { Ip } from '../base/ip.ts'
import { nodeKeyOf } from '../base/keys.ts'
import type { InPlaceCipher } from '../crypto/in-place.ts'
import { CIPHER_BYTES, EvpInPlace } from '../crypto/io/evp-in-place.ts'
import { NodeInPlace } from '../crypto/io/node-in-place.ts'
import { nodePrimitives } from '../crypto/io/node-primitives.ts'
import { Arena } from '../crypto/io/raw-memory.ts'
import { encodeOwnEcho } from '../wire/icmp-echo.ts'
import { SYN_FLAG } from '../wire/ip-packet.ts'
import { Inbound, INBOUND_BYTES } from './data-path-inbound.ts'
import { Outbound, OUTBOUND_BYTES } from './data-path-outbound.ts'
import { receivingSession, SEALS_MOST, sendingSession, SessionMemory } from './data-path-session.ts'
import { DROPS, DropCounts, Filter, routesOf } from './data-path.ts'
import type { DropName } from './data-path.ts'
import { filterSet } from './filter/settings.ts'
import { VERDICT, VerdictCounts } from './filter/verdict.ts'
import { add, addPseudoHeader, fold, TCP, UDP } from './packet/checksum.ts'
import { cut } from './packet/cut.ts'
import { memoryOf } from './packet/memory.ts'
import { GSO_TCPV4, GSO_TCPV6, GSO_UDP, VNET_HEADER, writeGsoHeader } from './packet/vnet-header.ts'
import { SEND_NO_LONGER_MS } from './wireguard/keypairs.ts'
import type { Keypair } from './wireguard/keypairs.ts'
import { Opener, REJECT_AFTER_MESSAGES, REKEY_AFTER_MESSAGES, Sealer, unpad } from './wireguard/transport.ts'

const onLinux = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch)
const NOW = 5000 as Mono
const MTU = 1280
/** Ours, the peer's, a jailed peer's, and somebody's who is no peer. */
const [OURS, PEER, JAILED, NOBODY] = ['100.64.0.1', '100.64.0.2', '100.64.0.3', '100.64.0.9']
const [OURS6, PEER6] = ['fd7a:115c:a1e0::1', 'fd7a:115c:a1e0::2']
const SERVICE = '100.100.100.100'
/** Numbers of the peers. */
const [THEM, PRISONER] = [1, 2]

function keypairs(): { readonly ours: Keypair; readonly theirs: Keypair } {
  const [there, back] = [nodePrimitives.random(32), nodePrimitives.random(32)]
  const common = { peer: nodeKeyOf(new Uint8Array(32)), createdAt: NOW }
  return {
    ours: { ...common, isInitiator: true, localIndex: 0xf000_0001, remoteIndex: 22, sendKey: there, receiveKey: back },
    theirs: {
      ...common,
      isInitiator: false,
      localIndex: 22,
      remoteIndex: 0xf000_0001,
      sendKey: back,
      receiveKey: there,
    },
  }
}

function tables(rows: readonly (readonly [string, number])[]) {
  const builder = new TableBuilder(0, 0)
  const ranges = rows.map(([text, number]) => ({ prefix: prefix(text), number }))
  for (const family of [4, 6] as const)
    builder.addRanges(family, inTableOrder(ranges.filter((r) => r.prefix.ip.family === family)), (r) => r.number)
  return builder.build()
}

const routes = routesOf({
  peers: tables([
    [`${PEER}/32`, THEM],
    [`${PEER6}/128`, THEM],
    [`${JAILED}/32`, PRISONER],
  ]),
  engine: tables([[`${SERVICE}/32`, 1]]),
})

const rules = [
  {
    SrcIPs: ['*'],
    DstPorts: [{ IP: '*', Ports: { First: 0, Last: 9999 } }],
    IPProto: [6, 17, 1, 58, 99],
    CapGrant: [],
  },
]
const { program, jailed } = filterSet({
  rules,
  localNets: [`${OURS}/32`, `${OURS6}/128`].map(prefix),
  peers: [],
  limitedPeers: [],
  isShieldsUp: false,
  peerApi: [],
})

interface Packet {
  readonly isV6?: boolean
  readonly src?: string
  readonly dst?: string
  readonly protocol?: number
  readonly port?: number
  readonly data?: Uint8Array
  readonly flags?: number
}

const addressBytes = (text: string): Uint8Array => {
  const { family, value } = prefix(`${text}/${text.includes(':') ? 128 : 32}`).ip
  return Uint8Array.fromHex(value.toString(16).padStart(family === 4 ? 8 : 32, '0'))
}

/** A packet with good checksums. */
function packetOf(p: Packet): Uint8Array<ArrayBuffer> {
  const { isV6 = false, protocol = UDP, port = 80, data = new Uint8Array(0), flags = 0x10 } = p
  const [src, dst] = isV6 ? [p.src ?? OURS6, p.dst ?? PEER6] : [p.src ?? OURS, p.dst ?? PEER]
  const start = isV6 ? 40 : 20
  const own = protocol === TCP ? 20 : 8
  const size = start + own + data.length
  const memory = memoryOf(new ArrayBuffer((size + 3) & ~3))
  const { bytes, view } = memory
  if (isV6) {
    view.setUint32(0, 0x6000_0000)
    view.setUint16(4, size - 40)
    bytes.set([protocol, 64], 6)
    bytes.set(addressBytes(src), 8)
    bytes.set(addressBytes(dst), 24)
  } else {
    bytes.set([0x45, 0, size >> 8, size & 255, 0, 7, 0x40, 0, 64, protocol])
    bytes.set(addressBytes(src), 12)
    bytes.set(addressBytes(dst), 16)
    view.setUint16(10, ~fold(add(memory, 0, 20)) & 0xffff, true)
  }
  view.setUint16(start, 4000)
  view.setUint16(start + 2, port)
  if (protocol === TCP) bytes.set([0, 0, 1, 0, 0, 0, 0, 9, 0x50, flags, 1, 0], start + 4)
  else view.setUint16(start + 4, size - start)
  bytes.set(data, start + own)
  const sum = ~fold(add(memory, start, size - start, addPseudoHeader(memory, 0, isV6, protocol, size - start))) & 0xffff
  view.setUint16(start + (protocol === TCP ? 16 : 6), sum, true)
  return bytes.slice(0, size)
}

/** What a device with offloads gives: a virtio header and one packet whose data is of pieces of this size. */
function gso(p: Packet, piece: number): Uint8Array {
  const packet = packetOf(p)
  const own = p.protocol === TCP ? 20 : 8
  const start = p.isV6 === true ? 40 : 20
  const memory = memoryOf(new ArrayBuffer((VNET_HEADER + packet.length + 3) & ~3))
  memory.bytes.set(packet, VNET_HEADER)
  const type = p.protocol === TCP ? (p.isV6 === true ? GSO_TCPV6 : GSO_TCPV4) : GSO_UDP
  if (packet.length > start + own + piece) writeGsoHeader(memory, 0, { type, size: piece, start, headers: start + own })
  return memory.bytes.slice(0, VNET_HEADER + packet.length)
}

const alone = (packet: Uint8Array): Uint8Array => {
  const read = new Uint8Array(VNET_HEADER + packet.length)
  read.set(packet, VNET_HEADER)
  return read
}

/** The packets of one read. */
function cutAll(read: Uint8Array): Uint8Array[] {
  const memory = memoryOf(new ArrayBuffer(200_000))
  memory.bytes.set(read, 2)
  const found: Uint8Array[] = []
  const sink = {
    place: () => 100_000,
    take: (at: number, n: number) => void found.push(memory.bytes.slice(at, at + n)),
  }
  cut(memory, 2, read.length, sink)
  return found
}

const READ_AT = 64
const OWN_AT = 72_000
const SIZE = OWN_AT + OUTBOUND_BYTES + INBOUND_BYTES + 4096

/** Both directions of one node on one memory, and all that leaves it. */
function node(kind: 'plain' | 'fast', own: Keypair, joins = true, flows = new Filter()) {
  const arena = kind === 'fast' ? new Arena(SIZE) : undefined
  const memory = memoryOf(arena?.buffer ?? new ArrayBuffer(SIZE))
  const cipher: InPlaceCipher =
    arena === undefined ? new NodeInPlace(memory.bytes) : new EvpInPlace(arena, SIZE - CIPHER_BYTES)
  const left = {
    bursts: [] as { peer: number; bytes: Uint8Array; segment: number }[],
    unsealed: [] as { peer: number; packet: Uint8Array }[],
    toEngine: [] as Uint8Array[],
    writes: [] as Uint8Array[],
    strangers: [] as Uint8Array[],
    heard: [] as number[],
    forEngine: [] as { peer: number; packet: Uint8Array }[],
  }
  const copy = (at: number, length: number) => memory.bytes.slice(at, at + length)
  const [drops, out, into] = [new DropCounts(), new VerdictCounts(), new VerdictCounts()]
  flows.tables = { program, jailed, jailedPeers: new Set([PRISONER]) }
  const outbound = new Outbound({
    memory,
    at: OWN_AT,
    cipher,
    filter: flows,
    thread: 0,
    drops,
    verdicts: out,
    sink: {
      send: (peer, at, length, segment) => void left.bursts.push({ peer, bytes: copy(at, length), segment }),
      unsealed: (peer, at, length) => void left.unsealed.push({ peer, packet: copy(at, length) }),
      toEngine: (at, length) => void left.toEngine.push(copy(at, length)),
    },
  })
  const inbound = new Inbound({
    memory,
    at: OWN_AT + OUTBOUND_BYTES,
    cipher,
    filter: flows,
    thread: 1,
    joins,
    joinsUdp: joins,
    drops,
    verdicts: into,
    sink: {
      write: (at, length) => void left.writes.push(copy(at, length)),
      stranger: (at, length) => void left.strangers.push(copy(at, length)),
      heard: (session) => void left.heard.push(session.localIndex),
      forEngine: (peer, at, length) => void left.forEngine.push({ peer, packet: copy(at, length) }),
    },
  })
  outbound.routes = inbound.routes = routes
  outbound.mtu = MTU
  const session = new SessionMemory(2)
  outbound.setSession(THEM, sendingSession(own, session))
  inbound.addSession(receivingSession(THEM, own, session))
  return {
    memory,
    left,
    drops,
    verdicts: { out, into },
    outbound,
    inbound,
    session,
    read(bytes: Uint8Array, now = NOW, at = READ_AT + 2) {
      memory.bytes.set(bytes, at)
      outbound.fromTun(at, bytes.length, now)
    },
    hear(bytes: Uint8Array, segment = bytes.length, now = NOW) {
      memory.bytes.set(bytes, READ_AT)
      inbound.fromPeer(READ_AT, bytes.length, segment, now)
      inbound.flush()
    },
    dropped: () => Object.fromEntries(DROPS.map((why) => [why, drops.of(why)] as const).filter(([, n]) => n > 0)),
  }
}

const data = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 7) & 255)
const messagesOf = (bursts: readonly { readonly bytes: Uint8Array; readonly segment: number }[]): Uint8Array[] =>
  bursts.flatMap(({ bytes, segment }) =>
    Array.from({ length: Math.ceil(bytes.length / segment) }, (_, i) => bytes.subarray(i * segment, (i + 1) * segment)),
  )

/** What leaves a node with the far one's addresses, so that it may come in there. */
const home = { src: PEER, dst: OURS }
const home6 = { isV6: true, src: PEER6, dst: OURS6 }

for (const kind of onLinux ? (['plain', 'fast'] as const) : (['plain'] as const)) {
  describe(`the data path, ${kind} cipher`, () => {
    test('what a read gives goes out sealed, in bursts of one size, as the plain twin reads it', () => {
      const rows: readonly (readonly [string, readonly Uint8Array[]])[] = [
        ['one datagram', [gso({ data: data(100) }, 100)]],
        ['an empty datagram', [gso({}, 1)]],
        ['TCP in one piece', [gso({ protocol: TCP, data: data(40_000) }, 1228)]],
        ['TCP of 53 pieces', [gso({ protocol: TCP, data: data(65_000) }, 1228)]],
        ['tiny pieces', [gso({ protocol: TCP, data: data(2000) }, 10)]],
        ['IPv6', [gso({ isV6: true, protocol: TCP, data: data(30_000) }, 1208)]],
        ['datagrams in one piece', [gso({ data: data(20_000) }, 1200)]],
        ['datagrams one by one', Array.from({ length: 100 }, () => gso({ data: data(1200) }, 1200))],
        ['longer ones after shorter', [60, 1200, 61, 1232, 1252, 5].map((n) => gso({ data: data(n) }, n))],
        ['as large as it gets', [gso({ data: data(65_507) }, 65_507)]],
      ]
      for (const [name, reads] of rows) {
        const { ours, theirs } = keypairs()
        const a = node(kind, ours)
        for (const read of reads) a.read(read)
        a.outbound.flush()
        const want = reads.flatMap(cutAll)
        for (const { bytes, segment, peer } of a.left.bursts) {
          assert.equal(peer, THEM)
          assert.ok(bytes.length <= 65_000 || bytes.length === segment, name)
          assert.ok(Math.ceil(bytes.length / segment) <= 64, name)
        }
        const opener = new Opener(nodePrimitives, theirs)
        const got = messagesOf(a.left.bursts).map((m) => {
          const clear = opener.open(m, NOW)
          assert.ok(typeof clear !== 'string', `${name}: ${String(clear)}`)
          assert.ok(clear.length % 16 === 0 || clear.length >= MTU, name)
          return unpad(clear)
        })
        assert.deepEqual(got, want, name)
        assert.deepEqual(a.dropped(), {})
        const { messages, bytes, lastAt, lastDataAt } = a.session.traffic(0, 1)
        assert.deepEqual([messages, lastAt, lastDataAt], [want.length, NOW, NOW])
        assert.equal(
          bytes,
          want.reduce((sum, p) => sum + p.length, 0),
        )
        assert.equal(a.session.sealed, want.length)
      }
    })

    test('what the plain twin seals comes in, joined as far as the device takes it', () => {
      for (const joins of [true, false])
        for (const [name, read, least] of [
          ['TCP', gso({ ...home, protocol: TCP, data: data(40_000) }, 1228), 1],
          ['TCP over IPv6', gso({ ...home6, protocol: TCP, data: data(30_000) }, 1208), 1],
          ['odd pieces', gso({ ...home, protocol: TCP, data: data(9999) }, 333), 1],
          ['UDP', gso({ ...home, data: data(12_000) }, 1200), 1],
          ['one datagram', gso({ ...home, data: data(33) }, 33), 1],
        ] as const) {
          const { ours, theirs } = keypairs()
          const a = node(kind, ours, joins)
          const packets = cutAll(read)
          const sealer = new Sealer(nodePrimitives, theirs)
          const messages = packets.map((p) => sealer.seal(p, MTU) as Uint8Array)
          const all = new Uint8Array(messages.reduce((n, m) => n + m.length, 0))
          let at = 0
          for (const m of messages) {
            all.set(m, at)
            at += m.length
          }
          a.hear(all, (messages[0] as Uint8Array).length)
          assert.equal(a.left.writes.length, joins ? least : packets.length, name)
          assert.deepEqual(a.left.writes.flatMap(cutAll), packets, name)
          assert.deepEqual(a.left.heard, [ours.localIndex])
          assert.deepEqual(a.dropped(), {})
          assert.equal(a.session.traffic(1, 2).messages, packets.length)
        }
    })

    test('messages at odd places are opened all the same', () => {
      const { ours, theirs } = keypairs()
      const a = node(kind, ours)
      const sealer = new Sealer(nodePrimitives, theirs)
      for (let shift = 0; shift < 4; shift++) {
        const message = sealer.seal(packetOf({ ...home, protocol: TCP, data: data(50) }), MTU) as Uint8Array
        a.memory.bytes.set(message, READ_AT + shift)
        a.inbound.fromPeer(READ_AT + shift, message.length, message.length, NOW)
        a.inbound.flush()
      }
      const want = packetOf({ ...home, protocol: TCP, data: data(50) })
      assert.deepEqual(a.left.writes.flatMap(cutAll), [want, want, want, want])
    })

    test('packets to several peers wait side by side, and leave in order', () => {
      const { ours } = keypairs()
      const a = node(kind, ours)
      a.outbound.setSession(PRISONER, sendingSession({ ...ours, localIndex: 5, remoteIndex: 55 }, new SessionMemory(2)))
      for (let i = 0; i < 10; i++) for (const dst of [PEER, JAILED]) a.read(gso({ dst, data: data(500) }, 500))
      assert.equal(a.left.bursts.length, 0)
      a.outbound.flush()
      assert.deepEqual(
        a.left.bursts.map(({ peer, bytes, segment }) => [peer, bytes.length / segment]),
        [
          [THEM, 10],
          [PRISONER, 10],
        ],
      )
      for (const { bytes, segment } of a.left.bursts)
        messagesOf([{ bytes, segment }]).forEach((m, i) => assert.equal(m[8], i))
    })

    test('without a session packets are told, whole; what the engine seals goes over the session it names', () => {
      const { ours, theirs } = keypairs()
      const a = node(kind, ours)
      a.outbound.setSession(THEM, undefined)
      const read = gso({ protocol: TCP, data: data(3000) }, 1228)
      a.read(read)
      a.read(gso({ data: data(9) }, 9), NOW)
      assert.deepEqual(
        a.left.unsealed.map(({ packet }) => packet),
        [...cutAll(read), packetOf({ data: data(9) })],
      )
      assert.ok(a.left.unsealed.every(({ peer }) => peer === THEM))
      a.outbound.seal(THEM, ours.localIndex, new Uint8Array(0), NOW)
      assert.deepEqual(a.dropped(), { 'no-session': 1 })
      a.outbound.setSession(THEM, sendingSession(ours, a.session))
      a.outbound.seal(THEM, 1234, data(5), NOW)
      for (const packet of [new Uint8Array(0), data(50)]) a.outbound.seal(THEM, ours.localIndex, packet, NOW)
      a.outbound.flush()
      const opener = new Opener(nodePrimitives, theirs)
      const got = messagesOf(a.left.bursts).map((m) => opener.open(m, NOW) as Uint8Array)
      assert.deepEqual(
        got.map((clear) => clear.length),
        [0, 64],
      )
      assert.deepEqual(a.dropped(), { 'no-session': 2 })
      assert.deepEqual(a.session.traffic(0, 1).bytes, 50)
      // Before the peer ends it, nothing goes over the session any more, whether or not anybody said so.
      const waited = a.left.unsealed.length
      a.read(gso({ data: data(9) }, 9), (NOW + SEND_NO_LONGER_MS - 1) as Mono)
      assert.equal(a.left.unsealed.length, waited)
      a.read(gso({ data: data(9) }, 9), (NOW + SEND_NO_LONGER_MS) as Mono)
      assert.equal(a.left.unsealed.length, waited + 1)
      assert.equal(a.left.unsealed.at(-1)?.peer, THEM)
    })

    test('a session that has sealed all it may seals no more, and says so', () => {
      const { ours } = keypairs()
      const a = node(kind, ours)
      for (const [counter, told] of [
        [SEALS_MOST / 2 - 1, SEALS_MOST / 2 - 1],
        [SEALS_MOST / 2, REKEY_AFTER_MESSAGES],
        [SEALS_MOST - 2, REKEY_AFTER_MESSAGES],
      ] as const) {
        a.session.skipTo(counter)
        assert.equal(a.session.sealed, told)
      }
      const read = gso({ protocol: TCP, data: data(4000) }, 1000)
      a.read(read)
      a.outbound.flush()
      assert.equal(messagesOf(a.left.bursts).length, 2)
      assert.equal(a.left.unsealed.length, 2)
      assert.equal(a.session.sealed, REJECT_AFTER_MESSAGES)
      assert.equal(a.session.takeCounter(), -1)
      assert.equal(a.session.takeCounter(), -1)
    })

    test('what does not go out is counted by name', () => {
      const tso = gso({ protocol: TCP, data: data(3000) }, 1000)
      const changed = (at: number, value: number) => tso.with(at, value)
      const rows: readonly (readonly [string, Uint8Array, DropName | number])[] = [
        ['nothing', new Uint8Array(0), 'malformed'],
        ['half a virtio header', new Uint8Array(5), 'malformed'],
        ['a virtio header alone', new Uint8Array(10), 'malformed'],
        ['one byte of IP', new Uint8Array(11), 'not-ip'],
        ['zeros', new Uint8Array(100), 'not-ip'],
        ['IP of version 5', alone(packetOf({}).with(0, 0x55)), 'not-ip'],
        ['longer than IP allows', new Uint8Array(65_546), 'malformed'],
        ['a gso type that is none', changed(1, 77), 'malformed'],
        ['pieces of no size', changed(4, 0).with(5, 0), 'malformed'],
        ['TCP that begins elsewhere', changed(6, 44), 'malformed'],
        ['UDP said to be IPv6', changed(1, GSO_TCPV6), 'malformed'],
        ['to nobody', alone(packetOf({ dst: NOBODY })), 'no-route'],
        ['to a group', alone(packetOf({ dst: '224.0.0.251' })), VERDICT.multicast],
        ['to one link', alone(packetOf({ dst: '169.254.1.1' })), VERDICT.linkLocal],
      ]
      for (const [name, read, why] of rows) {
        const a = node(kind, keypairs().ours)
        a.read(read)
        a.outbound.flush()
        assert.equal(a.left.bursts.length, 0, name)
        if (typeof why === 'string') assert.deepEqual(a.dropped(), { [why]: 1 }, name)
        else assert.deepEqual([a.verdicts.out.of(why as never), a.dropped()], [1, {}], name)
      }
      const a = node(kind, keypairs().ours)
      a.read(alone(packetOf({ dst: SERVICE, port: 53, data: data(20) })))
      assert.deepEqual(a.left.toEngine, [packetOf({ dst: SERVICE, port: 53, data: data(20) })])
      for (const [at, length] of [
        [-1, 100],
        [a.memory.bytes.length - 50, 100],
      ] as const)
        a.outbound.fromTun(at, length, NOW)
      assert.deepEqual(a.dropped(), { malformed: 2 })
    })

    test('what does not come in is counted by name', () => {
      const { ours, theirs } = keypairs()
      const seal = (packet: Uint8Array, from = 0) =>
        new Sealer(nodePrimitives, theirs, from).seal(packet, 0) as Uint8Array
      const good = seal(packetOf(home))
      const rows: readonly (readonly [string, Uint8Array, DropName | number])[] = [
        ['of another session', good.with(4, 99), 'unknown-index'],
        ['a bit changed', good.with(20, (good[20] as number) ^ 1), 'forged'],
        ['a bit of the tag changed', good.with(good.length - 1, (good.at(-1) as number) ^ 1), 'forged'],
        ['another counter', good.with(8, 3), 'forged'],
        ['the last counter', good.with(8, 0xff).fill(0xff, 9, 16), 'replayed'],
        ['cut short', good.slice(0, -1), 'forged'],
        ['header and tag alone', good.slice(0, 32), 'forged'],
        ['no IP', seal(data(40)), 'not-ip'],
        ['a packet cut short', seal(packetOf({ ...home, data: data(40) }).slice(0, 24)), 'not-ip'],
        ['IP that says it is empty', seal(packetOf(home).fill(0, 2, 4)), 'not-ip'],
        ['from somebody else', seal(packetOf({ ...home, src: NOBODY })), 'source'],
        ['from another peer', seal(packetOf({ ...home, src: JAILED })), 'source'],
        ['from ourselves', seal(packetOf({ ...home, src: OURS })), 'source'],
        ['to somebody else', seal(packetOf({ ...home, dst: NOBODY })), VERDICT.notLocal],
        ['to a port that no rule opens', seal(packetOf({ ...home, port: 10_000 })), VERDICT.noRule],
        ['a header longer than its packet', seal(packetOf(home).with(0, 0x4f)), VERDICT.unreadable],
      ]
      for (const [name, message, why] of rows) {
        const a = node(kind, ours)
        a.hear(message)
        assert.equal(a.left.writes.length, 0, name)
        // Who has a session that is lost is to be told.
        assert.deepEqual(a.left.strangers, why === 'unknown-index' ? [message.slice(0, 16)] : [], name)
        if (typeof why === 'string') assert.deepEqual(a.dropped(), { [why]: 1 }, name)
        else assert.deepEqual([a.verdicts.into.of(why as never), a.dropped()], [1, {}], name)
        a.hear(seal(packetOf(home), 9))
        assert.equal(a.left.writes.length, 1, `and after it, ${name}, what is good`)
      }
      const a = node(kind, ours)
      a.hear(good)
      a.hear(good)
      a.hear(seal(packetOf(home), 1), undefined, (NOW + 180_000) as Mono)
      a.inbound.removeSession(ours.localIndex)
      a.hear(seal(packetOf(home), 2))
      assert.deepEqual(a.dropped(), { replayed: 1, expired: 1, 'unknown-index': 1 })
      assert.equal(a.left.writes.length, 1)
    })

    test('messages of unknown sessions are told of once in 100 ms, however many come', () => {
      const a = node(kind, keypairs().ours)
      const unknown = new Uint8Array(1000).with(0, 4).with(4, 99)
      for (let ms = 0; ms < 250; ms++) a.hear(unknown, undefined, (NOW + ms) as Mono)
      assert.deepEqual(a.dropped(), { 'unknown-index': 250 })
      assert.deepEqual(a.left.strangers, Array(3).fill(unknown.slice(0, 16)))
    })

    test('strangers’ datagrams, keepalives and messages between nodes go where they belong', () => {
      const { ours, theirs } = keypairs()
      const a = node(kind, ours)
      const strangers = ['', '04', '04000000', '0400000100000000', '01000000'.padEnd(296, '0'), '5453f09f92ac'].map(
        (h) => Uint8Array.fromHex(h),
      )
      for (const s of strangers) a.hear(s)
      assert.deepEqual(a.left.strangers, strangers.slice(1))
      const sealer = new Sealer(nodePrimitives, theirs)
      a.hear(sealer.seal(new Uint8Array(0), 0) as Uint8Array)
      assert.deepEqual(a.left.heard, [ours.localIndex])
      const tsmp = packetOf({ ...home, protocol: 99, data: data(10) })
      a.hear(sealer.seal(tsmp, MTU) as Uint8Array)
      assert.deepEqual(a.left.forEngine, [{ peer: THEM, packet: tsmp }])
      const { messages, bytes } = a.session.traffic(1, 2)
      assert.deepEqual([messages, bytes, a.left.writes.length], [2, 48, 0])
      assert.deepEqual(a.dropped(), {})
    })

    test('answers to what went out come in although no rule lets them; a jailed peer may only answer', () => {
      const { ours, theirs } = keypairs()
      const a = node(kind, ours)
      const jailedPair = { ...ours, localIndex: 5, remoteIndex: 55 }
      a.inbound.addSession(receivingSession(PRISONER, jailedPair, new SessionMemory(2)))
      const jailedSealer = new Sealer(nodePrimitives, { ...theirs, remoteIndex: 5 })
      const fromJail = (port: number) => {
        const packet = packetOf({ src: JAILED, dst: OURS, port, data: data(4) })
        new DataView(packet.buffer).setUint16(20, 4321)
        return jailedSealer.seal(packet, 0) as Uint8Array
      }
      a.hear(fromJail(4000))
      assert.equal(a.verdicts.into.of(VERDICT.noRule), 1)
      a.read(alone(packetOf({ dst: JAILED, port: 4321 })))
      a.hear(fromJail(4000))
      assert.equal(a.verdicts.into.of(VERDICT.flow), 1)
      assert.equal(a.left.writes.length, 1)
    })

    test('the engine sees refused connections and answers to its own echo requests; the device sees the others', () => {
      const { ours, theirs } = keypairs()
      const a = node(kind, ours)
      const sealer = new Sealer(nodePrimitives, theirs)
      const hear = (packet: Uint8Array, now = NOW): void =>
        a.hear(sealer.seal(packet, MTU) as Uint8Array, undefined, now)
      const syn = packetOf({ ...home, protocol: TCP, port: 10_000, flags: SYN_FLAG })
      hear(syn)
      hear(packetOf({ ...home, protocol: TCP, port: 80, flags: SYN_FLAG }))
      hear(packetOf({ isV6: true, src: PEER6, dst: OURS6, protocol: TCP, port: 10_000, flags: SYN_FLAG }))
      hear(packetOf({ ...home, port: 10_000 }))
      const [from, to] = [PEER, OURS].map((text) => prefix(`${text}/32`).ip) as [Ip, Ip]
      const echo = encodeOwnEcho(from, to, data(8))
      const answer = echo.with(20, 0)
      hear(answer)
      hear(answer.with(30, 0x20))
      hear(echo)
      assert.deepEqual(a.left.forEngine, [
        { peer: THEM, packet: syn },
        { peer: THEM, packet: answer },
      ])
      assert.equal(a.left.writes.length, 3)
      // A flood of what is refused leaves the engine its time, and the next hundred milliseconds bring more.
      for (let i = 0; i < 100; i++) hear(syn)
      assert.equal(a.left.forEngine.length, 17)
      hear(syn, (NOW + 100) as Mono)
      assert.equal(a.left.forEngine.length, 18)
    })

    test('programs of this machine send nothing that only nodes say', () => {
      const a = node(kind, keypairs().ours)
      a.read(alone(packetOf({ protocol: 99, data: data(10) })))
      a.outbound.flush()
      assert.deepEqual([a.left.bursts, a.dropped()], [[], { tsmp: 1 }])
    })

    test('hostile bytes and lengths: nothing is thrown, nothing is written beyond what was given', () => {
      const { ours, theirs } = keypairs()
      const a = node(kind, ours)
      a.outbound.setSession(THEM, sendingSession(ours, a.session))
      const canaries = [0, READ_AT - 64 + 32, OWN_AT + OUTBOUND_BYTES + INBOUND_BYTES + 8]
      let counter = 0
      const { bytes } = a.memory
      for (const at of canaries) bytes.fill(0xcd, at, at + 16)
      const intact = () => canaries.every((at) => bytes.subarray(at, at + 16).every((b) => b === 0xcd))
      const base = gso({ protocol: TCP, data: data(3000) }, 1000)
      const byte = fc.tuple(fc.nat(80), fc.nat(255))
      fc.assert(
        fc.property(fc.array(byte, { maxLength: 6 }), fc.nat(3040), (changes, length) => {
          const read = base.slice(0, length)
          for (const [at, value] of changes) if (at < read.length) read[at] = value
          a.read(read)
          // As an inner packet of a genuine message, and as the message itself.
          const inner = read.slice(VNET_HEADER)
          a.hear(new Sealer(nodePrimitives, theirs, counter++).seal(inner, 0) as Uint8Array)
          a.hear(inner, 1 + (length % 700))
          a.outbound.flush()
          a.left.bursts.length = a.left.writes.length = a.left.strangers.length = a.left.unsealed.length = 0
          return intact()
        }),
        { numRuns: 1500 },
      )
      for (const [at, length, segment] of [
        [-4, 100, 100],
        [0, -5, 5],
        [bytes.length - 10, 100, 10],
        [READ_AT, 0, 0],
        [READ_AT, NaN, 1],
      ] as const)
        a.inbound.fromPeer(at, length, segment, NOW)
      a.inbound.fromPeer(READ_AT, 3000, 0, NOW)
      a.inbound.fromPeer(READ_AT, 3000, -7, NOW)
      assert.ok(intact())
    })
  })
}

test('sessions of one memory: no counter is given twice, and a counter heard by two is taken once', () => {
  for (const threads of [2, 4]) {
    const memory = new SessionMemory(threads, new SharedArrayBuffer(SessionMemory.bytesFor(threads)))
    const twin = new SessionMemory(threads, memory.buffer)
    const taken = Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? memory : twin).takeCounter())
    assert.deepEqual(
      taken,
      Array.from({ length: 100 }, (_, i) => i),
    )
    assert.deepEqual(
      [memory.accept(0, 5), twin.accept(0, 5), twin.isFresh(0, 6), twin.accept(1, 0), memory.accept(0, 6)],
      [true, false, true, true, false],
    )
    memory.note(0, 10, 7 as Mono)
    twin.note(1, 0, 9 as Mono)
    assert.deepEqual(memory.traffic(0, 2), { lastAt: 9, lastDataAt: 7, messages: 2, bytes: 10 })
    assert.deepEqual(memory.traffic(1, 2), { lastAt: 9, lastDataAt: undefined, messages: 1, bytes: 0 })
  }
})
