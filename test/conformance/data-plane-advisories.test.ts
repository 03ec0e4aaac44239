/** Advisories 14 and 15: what went wrong in other data planes and packet filters, tried on ours (docs/advisories.md). */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { wordsOf } from '../../src/base/address-table.ts'
import type { Mono } from '../../src/base/clock.ts'
import { parseIp, prefix } from '../../src/base/ip.ts'
import { PrivateKey } from '../../src/base/keys.ts'
import { nodePrimitives } from '../../src/crypto/io/node-primitives.ts'
import { routesOf } from '../../src/node/data-path.ts'
import { evaluateInbound } from '../../src/node/filter/evaluate.ts'
import { FlowTable } from '../../src/node/filter/flows.ts'
import { filterSet } from '../../src/node/filter/settings.ts'
import { isAccepted } from '../../src/node/filter/verdict.ts'
import { RouteKeeper } from '../../src/node/routes/peer-routes.ts'
import { MacWriter } from '../../src/node/wireguard/cookies.ts'
import { Gate } from '../../src/node/wireguard/gate.ts'
import { INITIATION_LENGTH } from '../../src/node/wireguard/messages.ts'
import { readFilterRule } from '../../src/wire/filter-rule.ts'
import { PacketHeader } from '../../src/wire/ip-packet.ts'
import { WireGuardWorld } from '../support/wireguard-world.ts'

test('advisory 14: of overlapping prefixes only the peer of the longest may send from an address', () => {
  const keeper = new RouteKeeper()
  keeper.choose({ acceptsSubnets: true, exitNode: 3 })
  const peers = [
    ['100.64.0.1/32', '10.0.0.0/8', 'fd00::/32'],
    ['100.64.0.2/32', '10.1.0.0/16', 'fd00:0:1::/48'],
    ['100.64.0.3/32', '0.0.0.0/0', '::/0'],
  ]
  for (const [i, allowed] of peers.entries())
    keeper.put(i + 1, { ID: i + 1, Addresses: allowed.slice(0, 1), AllowedIPs: allowed, HomeDERP: 1 })
  const routes = routesOf({ peers: keeper.routes() })
  const rows: readonly (readonly [string, number])[] = [
    ['100.64.0.1', 1],
    ['100.64.0.2', 2],
    ['10.9.9.9', 1],
    ['10.1.9.9', 2],
    ['fd00:0:9::1', 1],
    ['fd00:0:1::1', 2],
    ['8.8.8.8', 3],
    ['2001:db8::1', 3],
  ]
  const h = new PacketHeader()
  for (const [address, owner] of rows) {
    const ip = parseIp(address) ?? assert.fail(address)
    h.version = ip.family
    const [a, b, c, d] = ip.family === 4 ? [Number(ip.value) | 0, 0, 0, 0] : wordsOf(ip.value)
    Object.assign(h, { src0: a, src1: b, src2: c, src3: d })
    for (const peer of [0, 1, 2, 3]) assert.equal(routes.maySendFrom(peer, h), peer === owner, `${address} by ${peer}`)
  }
})

test('advisory 14: a cookie is bound to address and port', () => {
  const gate = new Gate(nodePrimitives, OWN, () => true)
  const rows: readonly (readonly [string, string, number, 'pass' | 'reply'])[] = [
    ['the same place', '192.0.2.1', 41641, 'pass'],
    ['another port', '192.0.2.1', 41642, 'reply'],
    ['another address', '192.0.2.11', 41641, 'reply'],
    ['digits moved between them', '192.0.2.14', 1641, 'reply'],
    ['none', '', 0, 'reply'],
  ]
  for (const [name, host, port, want] of rows) {
    const writer = new MacWriter(nodePrimitives, OWN)
    const message = new Uint8Array(INITIATION_LENGTH)
    writer.write(message, NOW)
    const answer = gate.check(message, 5, { host: '192.0.2.1', port: 41641 }, NOW)
    assert.ok(answer.kind === 'reply' && writer.take(answer.bytes, NOW), name)
    writer.write(message, NOW)
    assert.equal(gate.check(message, 5, { host, port }, NOW).kind, want, name)
  }
})
const NOW = 1_000 as Mono
const OWN = nodePrimitives.x25519Public(new PrivateKey(new Uint8Array(32).fill(7)))

test('advisory 14: a preshared key counts from the next time that its peer is known', () => {
  const keys = { a: new Uint8Array(32).fill(1), b: new Uint8Array(32).fill(1) }
  const net = new WireGuardWorld(14)
  const [a, b] = net.pair({ presharedKey: () => keys.a }, { presharedKey: () => keys.b })
  net.send(a, b, 'same')
  net.run(1_000)
  const renew = () => {
    net.did(a, a.wg.remove(b.key))
    net.did(b, b.wg.remove(a.key))
  }
  keys.b = new Uint8Array(32).fill(2)
  renew()
  net.send(a, b, 'other')
  net.run(20_000)
  assert.deepEqual(b.packets(), ['same'])
  keys.a = keys.b
  renew()
  net.send(a, b, 'same again')
  net.run(1_000)
  assert.deepEqual(b.packets(), ['same', 'same again'])
})

/** TCP and UDP to port 80 may come in, and nothing else. */
const OPEN = 80
const FILTER = filterSet({
  rules: [
    readFilterRule(
      { SrcIPs: ['*'], DstPorts: [{ IP: '*', Ports: { First: OPEN, Last: OPEN } }], IPProto: [6, 17] },
      'rule',
    ),
  ],
  localNets: [prefix('100.64.0.1/32'), prefix('fd7a:115c:a1e0::1/128')],
  peers: [],
  limitedPeers: [],
  isShieldsUp: false,
  peerApi: [],
}).program
const [SRC4, DST4] = [Uint8Array.of(100, 64, 0, 2), Uint8Array.of(100, 64, 0, 1)]
const [SRC6, DST6] = ['fd7a115ca1e000000000000000000002', 'fd7a115ca1e000000000000000000001'].map((text) =>
  Uint8Array.fromHex(text),
) as [Uint8Array, Uint8Array]

/** Opens a connection, or is a datagram; to this port. */
interface Upper {
  readonly protocol: 6 | 17
  readonly port: number
}
const upperBytes = ({ protocol, port }: Upper): number[] => {
  const ports = [0x30, 0x39, port >> 8, port & 0xff]
  return protocol === 6 ? [...ports, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 0, 0, 0, 0, 0, 0] : [...ports, 0, 24, 0, 0]
}

/** An extension header as receivers step over it: its own number, and what it says of a fragment. */
interface Extension {
  readonly number: 0 | 43 | 44 | 51 | 60
  readonly units: number
  /** In units of 8 bytes, for a fragment. */
  readonly offset: number
  readonly more: boolean
}

/** The packet, its headers one after another as they are listed. */
function v6Packet(extensions: readonly Extension[], upper: Upper, padding: number): Uint8Array {
  const numbers = [...extensions.map(({ number }) => number), upper.protocol]
  const parts = extensions.map(({ number, units, offset, more }, i) => {
    const next = numbers[i + 1] as number
    if (number === 44) return [next, 0, (offset << 3) >> 8, ((offset << 3) & 0xf8) | (more ? 1 : 0), 0, 0, 0, 9]
    // Lengths count the units of 8 bytes behind the first; of an authentication header, of 4 bytes, less two.
    const body = Array.from({ length: 8 * (units + 1) - 2 }, () => 0)
    return [next, number === 51 ? 2 * (units + 1) - 2 : units, ...body]
  })
  const body = [...parts.flat(), ...upperBytes(upper), ...Array.from({ length: padding }, () => 0)]
  return Uint8Array.from([
    0x60,
    0,
    0,
    0,
    body.length >> 8,
    body.length & 0xff,
    numbers[0] as number,
    64,
    ...SRC6,
    ...DST6,
    ...body,
  ])
}

function v4Packet(protocol: number, options: number, offset: number, more: boolean, upper: Upper): Uint8Array {
  const header = 20 + 4 * options
  const body = upperBytes(upper)
  const total = header + body.length
  const fragment = (more ? 0x2000 : 0) | offset
  return Uint8Array.from([
    0x45 + options,
    0,
    total >> 8,
    total & 0xff,
    0,
    9,
    fragment >> 8,
    fragment & 0xff,
    64,
    protocol,
    0,
    0,
    ...SRC4,
    ...DST4,
    ...Array.from({ length: 4 * options }, () => 1),
    ...body,
  ])
}

const header = new PacketHeader()
function passes(packet: Uint8Array): boolean {
  header.read(packet)
  return isAccepted(evaluateInbound(FILTER, new FlowTable(), header))
}

const anyUpper = fc.record({
  protocol: fc.constantFrom(6 as const, 17 as const),
  port: fc.oneof(fc.constantFrom(OPEN, 22, 53, 0), fc.integer({ min: 0, max: 65_535 })),
})
const anyOffset = fc.oneof(fc.constantFrom(0, 0, 0, 1, 2, 9, 10, 11), fc.integer({ min: 0, max: 8_191 }))
const anyExtension = fc.record({
  number: fc.constantFrom(0 as const, 43 as const, 44 as const, 44 as const, 51 as const, 60 as const),
  units: fc.integer({ min: 0, max: 4 }),
  offset: anyOffset,
  more: fc.boolean(),
})
/** Less would overwrite the headers that a first fragment was let in by: the longest of IPv4, and one of TCP. */
const SAFE_OFFSET = 10

test('advisory 15: no extension header and no fragment opens a port that the rules keep shut', () => {
  const seen = { passed: 0, refused: 0 }
  const count = (is: boolean) => (is ? seen.passed++ : seen.refused++)
  fc.assert(
    fc.property(
      fc.array(anyExtension, { maxLength: 4 }),
      anyUpper,
      fc.nat({ max: 40 }),
      (extensions, upper, padding) => {
        const [first] = extensions
        const is = passes(v6Packet(extensions, upper, padding))
        count(is)
        // Without a header in between, or behind one for a first fragment, the port is where it seems to be.
        const isSeen =
          extensions.length === 0 || (extensions.length === 1 && first?.number === 44 && first.offset === 0)
        // A later fragment brings no ports: its first one was let in or not.
        const isLater = first?.number === 44 && first.offset >= SAFE_OFFSET
        assert.equal(is, isLater || (isSeen && upper.port === OPEN))
      },
    ),
    { numRuns: 3_000 },
  )
  fc.assert(
    fc.property(fc.nat({ max: 10 }), anyOffset, fc.boolean(), anyUpper, (options, offset, more, upper) => {
      const is = passes(v4Packet(upper.protocol, options, offset, more, upper))
      count(is)
      assert.equal(is, offset >= SAFE_OFFSET || (offset === 0 && upper.port === OPEN))
    }),
    { numRuns: 2_000 },
  )
  fc.assert(
    fc.property(fc.constantFrom(0, 41, 43, 44, 47, 50, 51, 58, 59, 60, 135, 255), anyUpper, (protocol, upper) =>
      assert.ok(!passes(v4Packet(protocol, 0, 0, false, upper)), `protocol ${protocol}`),
    ),
    { numRuns: 200 },
  )
  assert.ok(seen.passed > 300 && seen.refused > 1_000, JSON.stringify(seen))
})

test('advisory 15: lengths that lie, and packets cut anywhere, open nothing', () => {
  const shut = { protocol: 6, port: 22 } as const
  const sound = [
    v4Packet(6, 3, 0, false, shut),
    v6Packet([], shut, 0),
    v6Packet([{ number: 44, units: 0, offset: 0, more: true }], shut, 0),
    v6Packet([{ number: 60, units: 2, offset: 0, more: false }], shut, 0),
  ]
  for (const packet of sound)
    for (let length = 1; length <= packet.length; length++)
      assert.ok(!passes(packet.subarray(0, length)), `${length} of ${packet.length} bytes`)
  fc.assert(
    fc.property(fc.constantFrom(...sound), fc.nat({ max: 47 }), fc.nat({ max: 255 }), (packet, at, value) => {
      const changed = packet.slice()
      // The bytes that say how long it is, or an extension of it.
      const isV4 = (packet[0] as number) >> 4 === 4
      const lengths = isV4 ? [2, 3] : [4, 5, 41]
      changed[lengths[at % lengths.length] as number] = value
      assert.ok(!passes(changed), `byte ${at} is ${value}`)
    }),
    { numRuns: 2_000 },
  )
})
