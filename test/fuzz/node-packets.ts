/** Decoders of the node that take datagrams and packets: disco, WireGuard, IP headers and filter, offload headers. */

import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { concat } from '../../src/base/bytes.ts'
import type { Mono, Wall } from '../../src/base/clock.ts'
import { prefix } from '../../src/base/ip.ts'
import { PrivateKey } from '../../src/base/keys.ts'
import { nodePrimitives as p } from '../../src/crypto/io/node-primitives.ts'
import { discoKeyFor, nodeKeyFor } from '../../src/crypto/primitives.ts'
import { evaluateInbound, evaluateOutbound } from '../../src/node/filter/evaluate.ts'
import { FlowTable } from '../../src/node/filter/flows.ts'
import { rejectFor } from '../../src/node/filter/reject.ts'
import { filterSet } from '../../src/node/filter/settings.ts'
import { decodeSocketAddress, encodeSocketAddress, SOCKET_ADDRESS } from '../../src/node/io/socket-address.ts'
import { cut } from '../../src/node/packet/cut.ts'
import { memoryOf } from '../../src/node/packet/memory.ts'
import { addressOf, Paths, readEndpoint } from '../../src/node/path/index.ts'
import { Device } from '../../src/node/wireguard/device.ts'
import * as wg from '../../src/node/wireguard/messages.ts'
import {
  classify,
  decodeRelayHeader,
  encodeRelayHeader,
  isInitiation,
  RELAY_HEADER_BYTES,
} from '../../src/wire/classify.ts'
import { decodeEnvelope, DISCO_MAGIC, encodeEnvelope } from '../../src/wire/disco-envelope.ts'
import { decodeDisco, encodeDisco } from '../../src/wire/disco.ts'
import { isOwnEchoReply, ownEchoToken } from '../../src/wire/icmp-echo.ts'
import { PacketHeader } from '../../src/wire/ip-packet.ts'
import * as tsmp from '../../src/wire/tsmp.ts'
import { bytes, golden } from '../support/golden.ts'
import type { GoldenCase } from '../support/golden.ts'
import { decoder } from './decoder.ts'
import type { Decoder } from './decoder.ts'
import { bytesLike } from './shapes.ts'

type Case = GoldenCase & { readonly [member: string]: unknown }
const hexOf = (file: string, member: string, ...ops: string[]) =>
  golden<Case>(file, ...ops).flatMap((c) => (typeof c[member] === 'string' ? [bytes(c[member])] : []))

const disco = hexOf('disco.json', 'bytes', 'parse', 'make')
const datagrams = hexOf('classify.json', 'bytes', 'classify', 'relay-header-make').filter(({ length }) => length < 2000)
const initiations = hexOf('wireguard.json', 'initiation', 'receive-initiation', 'receive-cookie')
const responses = hexOf('wireguard.json', 'response', 'receive-response')
const cookies = hexOf('wireguard.json', 'cookie_reply', 'receive-cookie')
const transport = concat([Uint8Array.of(4, 0, 0, 0, 1, 2, 3, 4, 9, 0, 0, 0, 0, 0, 0, 0), new Uint8Array(48)])

// Packets.

const [OURS, THEIRS] = [prefix('100.64.0.1/32').ip, prefix('100.64.0.2/32').ip]
const [OURS6, THEIRS6] = [prefix('fd7a:115c:a1e0::1/128').ip, prefix('fd7a:115c:a1e0::2/128').ip]
const udp = Uint8Array.fromHex('450000280007400040110000644000026440000104d21f90001400000102030405060708090a0b0c')
const tcp = Uint8Array.fromHex(
  '4500002c000740004006000064400002644000010fa0005000000001000000005002040000000000010203ff',
)
const six = concat([Uint8Array.fromHex('6000000000081140'), new Uint8Array(32), Uint8Array.fromHex('04d21f9000080000')])
const packets = [
  udp,
  tcp,
  six,
  tsmp.encodePing(THEIRS, OURS, new Uint8Array(8)),
  tsmp.encodePong(THEIRS, OURS, new Uint8Array(8), 8080),
  tsmp.encodeDiscoKey(THEIRS6, OURS6, new Uint8Array(32)),
]

const { program, jailed } = filterSet({
  rules: [
    {
      SrcIPs: ['*'],
      DstPorts: [{ IP: '*', Ports: { First: 0, Last: 9999 } }],
      IPProto: [6, 17, 1, 58, 99],
      CapGrant: [],
    },
  ],
  localNets: ['100.64.0.1/32', 'fd7a:115c:a1e0::1/128'].map(prefix),
  peers: [],
  limitedPeers: [],
  isShieldsUp: false,
  peerApi: [],
})

/** A read of the device: a virtio header that says this, and a packet. */
const offloaded = packets.flatMap((packet) =>
  ['00000000000000000000', '01000000000014000600', '01012800000414001000', '01051c00000414000600'].map((header) =>
    concat([Uint8Array.fromHex(header), packet]),
  ),
)

// Whole machines.

const [own, ownDisco, peerKey, peerDisco] = [1, 2, 3, 4].map((n) => PrivateKey.clamped(new Uint8Array(32).fill(n))) as [
  PrivateKey,
  PrivateKey,
  PrivateKey,
  PrivateKey,
]
const peer = nodeKeyFor(p, peerKey)
const from = addressOf(readEndpoint('203.0.113.9:41641') as NonNullable<ReturnType<typeof readEndpoint>>)

/** Messages that this very device would take: of a peer that it knows, and for a session under way. */
function forDevice(): Uint8Array[] {
  const them = new Device({ primitives: p, privateKey: peerKey, isPeer: () => true, wall: 0 as Wall, now: 0 as Mono })
  return them.stage(nodeKeyFor(p, own), udp, 0 as Mono).flatMap((a) => (a.kind === 'send' ? [a.bytes] : []))
}

function paths(): Paths {
  const made = new Paths({ primitives: p, disco: ownDisco, nodeKey: nodeKeyFor(p, own) })
  made.setPeer({ key: peer, disco: discoKeyFor(p, peerDisco), endpoints: [], homeRegion: 1 }, 0 as Mono)
  return made
}

/** What the peer says to us: its own pings and calls. */
function forPaths(): Uint8Array[] {
  const theirs = new Paths({ primitives: p, disco: peerDisco, nodeKey: peer })
  const endpoint = readEndpoint('203.0.113.1:41641') as NonNullable<ReturnType<typeof readEndpoint>>
  theirs.setOwnEndpoints([readEndpoint('203.0.113.9:41641') as typeof endpoint], 0 as Mono)
  theirs.setPeer(
    { key: nodeKeyFor(p, own), disco: discoKeyFor(p, ownDisco), endpoints: [endpoint], homeRegion: 1 },
    0 as Mono,
  )
  return theirs
    .sent(nodeKeyFor(p, own), 0 as Mono)
    .flatMap((action) => (action.kind === 'send-udp' || action.kind === 'send-relay' ? [action.bytes] : []))
}

const MEMORY = memoryOf(new ArrayBuffer(300_000))
const OUT_AT = 70_000
const OUT_MOST = 66_000

export const NODE_PACKETS: readonly Decoder[] = [
  decoder({
    name: 'kinds of datagrams, and headers of peer relays',
    inputs: bytesLike([...datagrams, transport, ...initiations]),
    read(datagram) {
      const kind = classify(datagram)
      if (isInitiation(datagram)) assert.equal(kind, 'wireguard')
      const header = decodeRelayHeader(datagram)
      if (header === undefined) return
      const again = encodeRelayHeader(header)
      assert.ok(again !== undefined && datagram.length >= RELAY_HEADER_BYTES)
      assert.deepEqual(decodeRelayHeader(again), header)
    },
  }),
  decoder({
    name: 'disco messages',
    inputs: bytesLike(disco),
    read(clear) {
      const message = decodeDisco(clear)
      // Of other versions only the kind is read; and a key of zeros is padding of a ping that names nobody.
      if (message === undefined || clear[1] !== 0) return
      const again = decodeDisco(encodeDisco(message))
      if (message.kind === 'ping') assert.equal(again?.kind, 'ping')
      else assert.deepEqual(again, message)
    },
  }),
  decoder({
    name: 'disco envelopes',
    inputs: bytesLike([...forPaths(), concat([DISCO_MAGIC, new Uint8Array(100)])]),
    read(datagram) {
      const envelope = decodeEnvelope(datagram)
      if (envelope !== undefined) assert.deepEqual(encodeEnvelope(envelope), datagram)
    },
  }),
  decoder({
    name: 'WireGuard messages',
    inputs: bytesLike([...initiations, ...responses, ...cookies, transport]),
    read(message) {
      const readers = {
        initiation: wg.decodeInitiation,
        response: wg.decodeResponse,
        'cookie-reply': wg.decodeCookieReply,
        transport: wg.decodeTransportHeader,
      } as const
      const kind = wg.kindOf(message)
      for (const [name, read] of Object.entries(readers)) if (read(message) !== undefined) assert.equal(kind, name)
      const [initiation, response, cookie] = [
        wg.decodeInitiation(message),
        wg.decodeResponse(message),
        wg.decodeCookieReply(message),
      ]
      if (initiation !== undefined) assert.equal(wg.encodeInitiation(initiation).length, message.length)
      if (response !== undefined) assert.equal(wg.encodeResponse(response).length, message.length)
      if (cookie !== undefined) assert.equal(wg.encodeCookieReply(cookie).length, message.length)
      wg.receiverOf(message)
    },
  }),
  decoder({
    name: 'datagrams to the handshake machine',
    inputs: fc.array(bytesLike([...forDevice(), ...initiations, ...responses, ...cookies, transport]), {
      minLength: 1,
      maxLength: 4,
    }),
    read(messages) {
      const device = new Device<{ host: string; port: number }>({
        primitives: p,
        privateKey: own,
        isPeer: (key) => key === peer,
        wall: 0 as Wall,
        now: 0 as Mono,
      })
      device.stage(peer, udp, 0 as Mono)
      for (const [i, message] of messages.entries()) {
        const now = (100 * i) as Mono
        for (const action of device.receive(message, { host: '203.0.113.9', port: 1 }, now))
          assert.ok(!('peer' in action) || action.peer === peer, `it does something for ${JSON.stringify(action)}`)
        device.tick(now)
        assert.ok(device.deadline() > now)
      }
      assert.ok(device.livePeers <= 1)
    },
    memory: { fixed: 4 * 1024 * 1024, perByte: 1024 },
  }),
  decoder({
    name: 'datagrams to path finding',
    inputs: fc.array(fc.tuple(bytesLike(forPaths()), fc.boolean()), { minLength: 1, maxLength: 4 }),
    read(all) {
      const machine = paths()
      for (const [i, [bytes, byRelay]] of all.entries()) {
        const now = (100 * i) as Mono
        const actions = byRelay ? machine.fromRelay(1, peer, bytes, now) : machine.fromUdp(from, bytes, now)
        // A stranger's datagram makes us send no more than a few answers.
        assert.ok(actions.length <= 20, `${actions.length} actions`)
        machine.tick(now)
        assert.ok(machine.deadline() > now)
      }
      assert.equal(machine.counts.known, 1)
    },
    memory: { fixed: 4 * 1024 * 1024, perByte: 1024 },
  }),
  decoder({
    name: 'IP headers, the filter, and messages between nodes',
    inputs: bytesLike(packets),
    read(packet) {
      const h = new PacketHeader()
      h.read(packet)
      assert.ok([0, 4, 6].includes(h.version))
      if (h.version !== 0) assert.ok(h.total <= packet.length && h.at === 0)
      const flows = new FlowTable()
      for (const rules of [program, jailed]) {
        evaluateOutbound(rules, flows, h)
        evaluateInbound(rules, flows, h)
      }
      tsmp.decodeTsmp(packet, h)
      ownEchoToken(packet, h)
      isOwnEchoReply(packet, h)
      const reject = rejectFor(packet, h, false)
      if (reject !== undefined) {
        const r = new PacketHeader()
        r.read(reject)
        assert.equal(r.version, h.version)
      }
    },
    memory: { fixed: 4 * 1024 * 1024, perByte: 1024 },
  }),
  decoder({
    name: 'offload headers',
    inputs: bytesLike(offloaded),
    read(given) {
      const read = given.subarray(0, 65_000)
      const at = 2
      MEMORY.bytes.fill(0xcd, OUT_AT, OUT_AT + 4)
      MEMORY.bytes.fill(0xcd, OUT_AT + OUT_MOST, OUT_AT + OUT_MOST + 64)
      MEMORY.bytes.set(read, at)
      let made = 0
      const count = cut(MEMORY, at, read.length, {
        place(length) {
          assert.ok(length > 0 && length <= 65_535, `a packet of ${length} bytes`)
          return OUT_AT + 4
        },
        take: () => made++,
      })
      assert.equal(count, made)
      for (const canary of [OUT_AT, OUT_AT + OUT_MOST])
        assert.ok(
          MEMORY.bytes.subarray(canary, canary + 4).every((b) => b === 0xcd),
          'written outside',
        )
    },
  }),
  decoder({
    name: 'socket addresses',
    inputs: bytesLike(
      ['203.0.113.9:41641', '[2001:db8::1]:53'].map((text) =>
        encodeSocketAddress(addressOf(readEndpoint(text) as NonNullable<ReturnType<typeof readEndpoint>>)),
      ),
    ),
    read(encoded) {
      const address = decodeSocketAddress(encoded)
      if (address === undefined) return
      const again = encodeSocketAddress(address)
      assert.ok(again.length <= SOCKET_ADDRESS)
      assert.deepEqual(decodeSocketAddress(again), address)
    },
  }),
]
