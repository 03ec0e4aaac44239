import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { bytes, golden } from '../../test/support/golden.ts'
import type { GoldenCase } from '../../test/support/golden.ts'
import { FRAGMENT, PacketHeader, UNKNOWN } from './ip-packet.ts'
import { ipv4HeaderSum, rewriteDestination, rewriteSource } from './ip-packet-rewrite.ts'
import { decodeTsmp } from './tsmp.ts'

interface Case extends GoldenCase {
  readonly packets?: readonly { readonly packet: string }[]
  readonly packet?: string
}

const PACKETS = [
  ...new Set(
    golden<Case>('filter.json.gz', 'packets', 'tsmp', 'tsmp-reject').flatMap((c) => [
      ...(c.packets ?? []).map(({ packet }) => packet),
      ...(c.packet === undefined ? [] : [c.packet]),
    ]),
  ),
]

/** All that was read, to be compared. */
const fieldsOf = (h: PacketHeader): Record<string, unknown> => Object.fromEntries(Object.entries(h))

const SRC4 = '64400002'
const DST4 = '64400001'
const SRC6 = 'fd7a115ca1e000000000000000000002'
const DST6 = 'fd7a115ca1e000000000000000000001'
const v4 = (length: string, fragment: string, protocol: string, body: string): string =>
  `4500${length}0000${fragment}40${protocol}0000${SRC4}${DST4}${body}`
const v6 = (length: string, protocol: string, body: string): string =>
  `60000000${length}${protocol}40${SRC6}${DST6}${body}`

test('headers are read as node.md §2.2 says', () => {
  const tcp = '03e8001600000000000000005012000000000000'
  const rows = [
    {
      name: 'TCP',
      packet: v4('0028', '4000', '06', tcp),
      want: { version: 4, protocol: 6, srcPort: 1000, dstPort: 22, tcpFlags: 0x12 },
    },
    {
      name: 'TCP over IPv6',
      packet: v6('0014', '06', tcp),
      want: { version: 6, protocol: 6, srcPort: 1000, dstPort: 22 },
    },
    {
      name: 'UDP',
      packet: v4('001c', '0000', '11', '0001000200080000'),
      want: { protocol: 17, srcPort: 1, dstPort: 2 },
    },
    {
      name: 'a TCP header that goes on behind the packet’s own length',
      packet: v4('0024', '0000', '06', tcp),
      want: { protocol: UNKNOWN },
    },
    { name: 'a length shorter than the header', packet: v4('0013', '0000', '06', tcp), want: { protocol: UNKNOWN } },
    {
      name: 'a later fragment at 72 bytes',
      packet: v4('001c', '0009', '11', '0001000200080000'),
      want: { protocol: UNKNOWN },
    },
    {
      name: 'a later fragment at 80 bytes',
      packet: v4('001c', '000a', '11', '0001000200080000'),
      want: { protocol: FRAGMENT, srcPort: 0 },
    },
    {
      name: 'a first fragment',
      packet: v4('001c', '2000', '11', '0001000200080000'),
      want: { protocol: 17, dstPort: 2 },
    },
    {
      name: 'a first fragment over IPv6',
      packet: v6('0010', '2c', '11000001000000090001000200080000'),
      want: { protocol: 17, dstPort: 2, transport: 48 },
    },
    { name: 'a fragment header that is cut', packet: v6('0004', '2c', '11000001'), want: { protocol: UNKNOWN } },
    {
      name: 'hop-by-hop options',
      packet: v6('0010', '00', '06000104000000000001000200080000'),
      want: { protocol: UNKNOWN },
    },
    { name: 'a routing header', packet: v6('0008', '2b', '0600010400000000'), want: { protocol: 43, dstPort: 0 } },
    { name: 'a reserved protocol', packet: v4('001c', '0000', 'ff', '0001000200080000'), want: { protocol: UNKNOWN } },
    {
      name: 'an echo request',
      packet: v4('001c', '0000', '01', '0800000000000001'),
      want: { protocol: 1, icmpType: 8, isEchoRequest: true, isEchoReply: false },
    },
    {
      name: 'half an echo request',
      packet: v4('0018', '0000', '01', '08000000'),
      want: { protocol: 1, icmpType: -1, isEchoRequest: false },
    },
    {
      name: 'an echo reply over IPv6',
      packet: v6('0008', '3a', '8100000000000001'),
      want: { protocol: 58, isEchoReply: true, isIcmpError: false },
    },
    {
      name: 'ICMPv4 over IPv6',
      packet: v6('0008', '01', '0000000000000001'),
      want: { protocol: 1, icmpType: -1, isEchoReply: false },
    },
    { name: 'an error', packet: v4('001c', '0000', '01', '0301000000000001'), want: { isIcmpError: true } },
    {
      name: 'version 5',
      packet: v4('001c', '0000', '11', '0001000200080000').replace('45', '55'),
      want: { version: 0, protocol: UNKNOWN },
    },
    { name: 'nothing', packet: '', want: { version: 0, protocol: UNKNOWN, length: 0 } },
  ]
  const h = new PacketHeader()
  for (const { name, packet, want } of rows) {
    h.read(bytes(packet))
    for (const [key, value] of Object.entries(want))
      assert.equal(h[key as keyof PacketHeader], value, `${name}: ${key}`)
  }
})

test('where a packet lies in its buffer makes no difference, nor what was read before', () => {
  const used = new PacketHeader()
  for (const packet of PACKETS) {
    const fresh = new PacketHeader()
    const alone = bytes(packet)
    fresh.read(alone)
    const arena = new Uint8Array(alone.length + 200).fill(0xa5)
    arena.set(alone, 77)
    used.read(arena, 77, alone.length)
    const { at, transport, ...rest } = fieldsOf(used)
    const want = fieldsOf(fresh)
    assert.deepEqual({ at: (at as number) - 77, transport: (transport as number) - 77, ...rest }, want, packet)
    assert.deepEqual(decodeTsmp(arena, used), decodeTsmp(alone, fresh), packet)
  }
})

test('any bytes are read, of any length, and nothing behind them', () => {
  const start = fc.constantFrom(...PACKETS.filter((p) => p.length >= 40))
  const change = fc.tuple(fc.nat(60), fc.nat(255))
  const h = new PacketHeader()
  fc.assert(
    fc.property(
      start,
      fc.array(change, { maxLength: 4 }),
      fc.nat(70),
      fc.uint8Array({ maxLength: 64 }),
      (hex, changes, keep, tail) => {
        const packet = bytes(hex)
        for (const [at, value] of changes) if (at < packet.length) packet[at] = value
        const length = Math.min(keep, packet.length)
        const arena = new Uint8Array([...packet.subarray(0, length), ...tail])
        h.read(arena, 0, length)
        const message = decodeTsmp(arena, h)
        const seen = fieldsOf(h)
        assert.ok(h.total <= length && h.transport <= length)
        assert.ok(h.protocol === UNKNOWN || h.version === 4 || h.version === 6)
        // The same with other bytes behind.
        arena.fill(0x11, length)
        h.read(arena, 0, length)
        assert.deepEqual(fieldsOf(h), seen)
        assert.deepEqual(decodeTsmp(arena, h), message)
      },
    ),
    { numRuns: 5000, seed: 3 },
  )
})

/** The checksum over the pseudo header and the transport part, which is 0 if the packet's own is right. */
function transportSum(packet: Uint8Array, h: PacketHeader): number {
  const view = new DataView(packet.buffer, packet.byteOffset)
  const [from, to] = h.version === 4 ? [12, 20] : [8, 40]
  const length = h.total - h.transport
  let sum = length + h.protocol
  for (let i = from; i < to; i += 2) sum += view.getUint16(i)
  for (let i = h.transport; i < h.total; i++)
    sum += (i - h.transport) % 2 === 0 ? (packet[i] as number) << 8 : (packet[i] as number)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}

test('other addresses leave right checksums right', () => {
  const sumAt = new Map([
    [6, 16],
    [17, 6],
    [58, 2],
  ])
  const shape = fc.record({
    family: fc.constantFrom(4, 6),
    protocol: fc.constantFrom(6, 17, 58),
    body: fc.uint8Array({ minLength: 20, maxLength: 64 }),
    src: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    dst: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    address: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    isSource: fc.boolean(),
  })
  fc.assert(
    fc.property(shape, ({ family, protocol, body, src, dst, address, isSource }) => {
      if (family === 4 && protocol === 58) return
      const n = family === 4 ? 4 : 16
      const header = bytes(family === 4 ? v4('0000', '0000', '00', '') : v6('0000', '00', ''))
      const packet = new Uint8Array([...header, ...body])
      const view = new DataView(packet.buffer)
      if (family === 4) view.setUint16(2, packet.length)
      else view.setUint16(4, body.length)
      packet[family === 4 ? 9 : 6] = protocol
      packet.set(src.subarray(0, n), header.length - 2 * n)
      packet.set(dst.subarray(0, n), header.length - n)
      if (family === 4) view.setUint16(10, ipv4HeaderSum(packet))
      const h = new PacketHeader()
      h.read(packet)
      const at = h.transport + (sumAt.get(protocol) as number)
      view.setUint16(at, 0)
      const sum = transportSum(packet, h)
      view.setUint16(at, protocol === 17 && sum === 0 ? 0xffff : sum)

      const before = packet.slice()
      const rewrite = isSource ? rewriteSource : rewriteDestination
      rewrite(packet, h, address.subarray(0, n))
      const place = header.length - (isSource ? 2 : 1) * n
      assert.deepEqual(packet.slice(place, place + n), address.slice(0, n))
      assert.ok([0, 0xffff].includes(transportSum(packet, h)))
      if (protocol === 17) assert.notEqual(view.getUint16(at), 0)
      if (family === 4) {
        const own = view.getUint16(10)
        view.setUint16(10, 0)
        // Zero has two forms in this arithmetic.
        assert.ok(own === ipv4HeaderSum(packet) || own % 0xffff === ipv4HeaderSum(packet) % 0xffff)
        view.setUint16(10, own)
      }
      const read = new PacketHeader()
      read.read(packet)
      assert.deepEqual(fieldsOf(read), fieldsOf(h))
      const old = before.slice(place, place + n)
      rewrite(packet, h, old)
      assert.deepEqual(packet.slice(place, place + n), old)
    }),
    { numRuns: 600, seed: 4 },
  )
})

test('a UDP checksum never comes to zero, which says that there is none', () => {
  const packet = bytes(v4('001c', '0000', '11', '0001000200081234'))
  const h = new PacketHeader()
  h.read(packet)
  const sums = new Set<number>()
  for (let n = 0; n <= 0xffff; n++) {
    rewriteSource(packet, h, Uint8Array.of(1, 2, n >>> 8, n & 0xff))
    sums.add(((packet[26] as number) << 8) | (packet[27] as number))
  }
  assert.equal(sums.has(0), false)
  assert.equal(sums.has(0xffff), true)
})

test('what has no checksum gets none by another address', () => {
  const address = Uint8Array.of(1, 2, 3, 4)
  const rows = [
    { name: 'UDP without a checksum', packet: v4('001c', '0000', '11', '0001000200080000') },
    { name: 'a later fragment', packet: v4('001c', '000a', '11', '0001000200081234') },
    { name: 'another protocol', packet: v4('001c', '0000', '2f', '0001000200081234') },
    { name: 'ICMPv4', packet: v4('001c', '0000', '01', '0800123400000000') },
  ]
  for (const { name, packet } of rows) {
    const got = bytes(packet)
    const h = new PacketHeader()
    h.read(got)
    rewriteSource(got, h, address)
    assert.deepEqual(got.slice(12, 16), address, name)
    assert.deepEqual(got.slice(20), bytes(packet).slice(20), name)
  }
  const unreadable = bytes(v4('00ff', '0000', '11', '0001000200080000'))
  const h = new PacketHeader()
  h.read(unreadable)
  const before = unreadable.slice()
  rewriteDestination(unreadable, h, address)
  assert.deepEqual(unreadable, before)
})
