/** Checksums against a plain twin; cutting and joining against each other, and against hostile lengths. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { add, fold, isRight, TCP, UDP } from './checksum.ts'
import { cut } from './cut.ts'
import { Joiner, RUN_BYTES } from './join.ts'
import { memoryOf } from './memory.ts'
import type { Memory } from './memory.ts'
import { GSO_TCPV4, GSO_TCPV6, GSO_UDP, NEEDS_CHECKSUM, VNET_HEADER, writeGsoHeader } from './vnet-header.ts'

/** RFC 1071 read aloud: 16-bit words in network order, carries added back. */
function plainChecksum(bytes: Uint8Array): number {
  let sum = 0
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] as number) << 8) | (bytes[i + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x1_0000)
  return sum
}

const swapped = (value: number) => ((value & 0xff) << 8) | (value >> 8)

test('a sum is the same at every place, for every length', () => {
  const memory = memoryOf(new ArrayBuffer(70_000))
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), fc.nat(40), (bytes, at) => {
      memory.bytes.set(bytes, at)
      assert.equal(swapped(fold(add(memory, at, bytes.length))), plainChecksum(bytes))
    }),
  )
  memory.bytes.fill(0xff)
  assert.equal(fold(add(memory, 4, 65_535)), fold(add(memory, 5, 65_535)))
  assert.equal(fold(add(memory, 0, 65_534)), 0xffff)
})

interface Flow {
  readonly isV6: boolean
  readonly protocol: number
  readonly port: number
  /** TCP options, in bytes. */
  readonly options: number
}

/** A packet whose checksums are right, made byte by byte. */
function packetOf(
  flow: Flow,
  seq: number,
  data: Uint8Array,
  change: { flags?: number; id?: number; ttl?: number } = {},
) {
  const { isV6, protocol, port, options } = flow
  const start = isV6 ? 40 : 20
  const own = protocol === TCP ? 20 + options : 8
  const packet = new Uint8Array(start + own + data.length)
  const view = new DataView(packet.buffer)
  if (isV6) {
    view.setUint32(0, 0x6003_0000)
    view.setUint16(4, own + data.length)
    packet[6] = protocol
    packet[7] = change.ttl ?? 64
    packet.fill(0xfd, 8, 24)
    packet.fill(0xfe, 24, 40)
  } else {
    view.setUint16(0, 0x4500)
    view.setUint16(2, packet.length)
    view.setUint16(4, change.id ?? 0)
    view.setUint16(6, 0x4000)
    packet[8] = change.ttl ?? 64
    packet[9] = protocol
    view.setUint32(12, 0x6440_0001)
    view.setUint32(16, 0x6440_0002)
    view.setUint16(10, ~plainChecksum(packet.subarray(0, 20)) & 0xffff)
  }
  view.setUint16(start, port)
  view.setUint16(start + 2, 5201)
  if (protocol === TCP) {
    view.setUint32(start + 4, seq)
    view.setUint32(start + 8, 77)
    packet[start + 12] = (own / 4) << 4
    packet[start + 13] = change.flags ?? 0x10
    view.setUint16(start + 14, 501)
    packet.fill(1, start + 20, start + own)
  } else view.setUint16(start + 4, own + data.length)
  packet.set(data, start + own)
  const pseudo = new Uint8Array(4)
  new DataView(pseudo.buffer).setUint16(0, protocol)
  new DataView(pseudo.buffer).setUint16(2, own + data.length)
  const addresses = packet.subarray(isV6 ? 8 : 12, start)
  const sum = ~plainChecksum(new Uint8Array([...addresses, ...pseudo, ...packet.subarray(start)])) & 0xffff
  view.setUint16(start + (protocol === TCP ? 16 : 6), sum === 0 && protocol === UDP ? 0xffff : sum)
  return packet
}

const SCRATCH = 1 << 17

/** Cuts what stands in memory; gives copies of the packets. */
function cutAll(memory: Memory, at: number, length: number): Uint8Array[] {
  const packets: Uint8Array[] = []
  let to = SCRATCH
  const made = cut(memory, at, length, {
    place: () => to,
    take: (place, size) => {
      packets.push(memory.bytes.slice(place, place + size))
      to = (place + size + 3) & ~3
    },
  })
  assert.equal(made, packets.length)
  return packets
}

/** Joins packets; gives copies of what is written, virtio header included. */
function joinAll(packets: readonly Uint8Array[], flows = 4, joinsUdp = true): Uint8Array[] {
  const written: Uint8Array[] = []
  const memory = memoryOf(new ArrayBuffer(flows * RUN_BYTES + SCRATCH))
  const joiner = new Joiner(memory, 0, flows, joinsUdp, (at, length) =>
    written.push(memory.bytes.slice(at, at + length)),
  )
  for (const packet of packets) {
    memory.bytes.set(packet, flows * RUN_BYTES + 12)
    joiner.push(flows * RUN_BYTES + 12, packet.length)
  }
  joiner.flush()
  return written
}

function cutWritten(written: Uint8Array): Uint8Array[] {
  const memory = memoryOf(new ArrayBuffer(1 << 19))
  memory.bytes.set(written, 2)
  return cutAll(memory, 2, written.length)
}

const flow = fc.record({
  isV6: fc.boolean(),
  protocol: fc.constantFrom(TCP, UDP),
  port: fc.integer({ min: 1, max: 65_535 }),
  options: fc.constantFrom(0, 12, 40),
})

describe('joining and cutting', () => {
  test('what one flow sends comes out as it went in, in fewer writes', () => {
    const plan = fc.tuple(
      flow,
      fc.integer({ min: 1, max: 1400 }),
      fc.integer({ min: 2, max: 44 }),
      fc.nat(1399),
      fc.nat(),
    )
    fc.assert(
      fc.property(plan, ([flow, piece, count, last, seed]) => {
        const seq = (seed * 7919) >>> 0
        const packets = Array.from({ length: count }, (_, i) => {
          const size = i === count - 1 ? 1 + (last % piece) : piece
          const data = new Uint8Array(size).map((_, j) => (seed + i * 31 + j) & 0xff)
          const flags = i === count - 1 ? 0x18 : 0x10
          return packetOf(flow, (seq + i * piece) >>> 0, data, { flags, id: i })
        })
        const written = joinAll(packets)
        assert.equal(written.length, 1)
        assert.deepEqual(written.flatMap(cutWritten).map(hex), packets.map(hex))
      }),
      { numRuns: 60 },
    )
  })

  test('flows side by side keep their own order, and do not break each other’s runs', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(5), fc.constantFrom(0x10, 0x18, 0x11, 0x02), fc.nat(2)), { maxLength: 60 }),
        (sent) => {
          const seqs = [0, 0, 0, 0, 0, 0]
          const packets = sent.map(([port, flags, kind], i) => {
            const data = new Uint8Array(kind === 0 ? 0 : 100 * kind).fill(i)
            const seq = seqs[port] as number
            seqs[port] = seq + data.length
            return packetOf({ isV6: port % 2 === 0, protocol: TCP, port: port + 1, options: 0 }, seq, data, {
              flags,
              id: 0,
            })
          })
          const out = joinAll(packets, 3).flatMap(cutWritten)
          const byFlow = (all: readonly Uint8Array[], port: number) =>
            all.filter(
              (p) => new DataView(p.buffer, p.byteOffset).getUint16((p[0] as number) >> 4 === 6 ? 40 : 20) === port,
            )
          assert.equal(out.length, packets.length)
          for (let port = 1; port <= 6; port++)
            assert.deepEqual(byFlow(out, port).map(withoutId), byFlow(packets, port).map(withoutId))
        },
      ),
    )
    const two = Array.from({ length: 20 }, (_, i) =>
      packetOf({ isV6: false, protocol: TCP, port: 1 + (i % 2), options: 0 }, (i >> 1) * 500, new Uint8Array(500)),
    )
    assert.equal(joinAll(two).length, 2)
  })

  const tcp: Flow = { isV6: false, protocol: TCP, port: 9, options: 0 }
  const udp: Flow = { isV6: true, protocol: UDP, port: 9, options: 0 }
  const piece = (n: number, change: Parameters<typeof packetOf>[3] = {}) =>
    packetOf(tcp, n * 100, new Uint8Array(100).fill(n), change)
  const bent = (packet: Uint8Array, at: number) => packet.map((byte, i) => (i === at ? byte ^ 0x40 : byte))
  const datagram = (size: number) => packetOf(udp, 0, new Uint8Array(size).fill(size))
  const rows: readonly { name: string; packets: Uint8Array[]; writes: number; joinsUdp?: boolean }[] = [
    { name: 'two that follow on each other', packets: [piece(0), piece(1)], writes: 1 },
    { name: 'a gap', packets: [piece(0), piece(2)], writes: 2 },
    { name: 'a repetition', packets: [piece(0), piece(0)], writes: 2 },
    { name: 'a wrong checksum', packets: [piece(0), bent(piece(1), 60), piece(2)], writes: 3 },
    { name: '"push" ends a run', packets: [piece(0, { flags: 0x18 }), piece(1)], writes: 2 },
    { name: 'another time to live', packets: [piece(0), piece(1, { ttl: 63 })], writes: 2 },
    { name: 'the end of a connection', packets: [piece(0), piece(1, { flags: 0x11 })], writes: 2 },
    {
      name: 'datagrams of one size, a shorter one last',
      packets: [datagram(90), datagram(90), datagram(50)],
      writes: 1,
    },
    { name: 'a longer datagram', packets: [datagram(50), datagram(90)], writes: 2 },
    { name: 'behind a shorter one nothing follows', packets: [datagram(90), datagram(50), datagram(50)], writes: 2 },
    {
      name: 'datagrams where the device wants single ones',
      packets: [datagram(90), datagram(90)],
      writes: 2,
      joinsUdp: false,
    },
  ]
  for (const { name, packets, writes, joinsUdp = true } of rows)
    test(`${name}: ${writes} written`, () => {
      const written = joinAll(packets, 4, joinsUdp)
      assert.equal(written.length, writes)
      assert.deepEqual(written.flatMap(cutWritten).map(withoutId), packets.map(withoutId))
    })

  test('no run grows beyond what the kernel takes', () => {
    const packets = Array.from({ length: 200 }, (_, i) => packetOf(tcp, i * 1448, new Uint8Array(1448)))
    const written = joinAll(packets)
    assert.ok(written.length > 1 && written.every(({ length }) => length - VNET_HEADER <= 65_535))
    assert.equal(written.flatMap(cutWritten).length, 200)
  })
})

describe('cutting what the kernel hands over', () => {
  test('a checksum that was left open is made', () => {
    for (const protocol of [TCP, UDP]) {
      const whole = packetOf({ isV6: false, protocol, port: 5, options: 0 }, 1, new Uint8Array([1, 2, 3]))
      const memory = memoryOf(new ArrayBuffer(1 << 19))
      memory.bytes.set(whole, 12)
      // As the kernel leaves it: the pseudo-header's sum stands in the field.
      const field = 20 + (protocol === TCP ? 16 : 6)
      memory.view.setUint16(12 + field, 0)
      const pseudo = new Uint8Array([...whole.subarray(12, 20), 0, protocol, 0, whole.length - 20])
      memory.view.setUint16(12 + field, plainChecksum(pseudo))
      memory.bytes[2] = NEEDS_CHECKSUM
      memory.view.setUint16(8, 20, true)
      memory.view.setUint16(10, field - 20, true)
      assert.deepEqual(cutAll(memory, 2, VNET_HEADER + whole.length).map(hex), [hex(whole)])
    }
  })

  test('hostile headers and lengths make nothing, or packets that are right', () => {
    const memory = memoryOf(new ArrayBuffer(1 << 21))
    const u16 = fc.integer({ min: 0, max: 0xffff })
    const header = fc.record({
      type: fc.constantFrom(0, 1, 3, 4, 5, 0x81),
      flags: fc.nat(3),
      headers: u16,
      size: u16,
      start: fc.oneof(u16, fc.constantFrom(0, 20, 40)),
      offset: fc.oneof(u16, fc.constantFrom(6, 16)),
    })
    fc.assert(
      fc.property(
        flow,
        header,
        fc.nat(300),
        fc.nat(500),
        fc.uint8Array({ maxLength: 30 }),
        (flow, h, size, length, noise) => {
          memory.bytes.fill(0xee, 0, 4096)
          const packet = packetOf(flow, 1, new Uint8Array(size))
          packet.set(noise.subarray(0, Math.min(noise.length, packet.length)), 0)
          memory.bytes.set(packet, 12)
          writeGsoHeader(memory, 2, { type: h.type, size: h.size, start: h.start, headers: h.headers })
          memory.bytes[2] = h.flags
          memory.view.setUint16(10, h.offset, true)
          const most = Math.min(length, VNET_HEADER + packet.length)
          for (const made of cutAll(memory, 2, most)) assert.ok(made.length <= most)
        },
      ),
      { numRuns: 500 },
    )
    for (const type of [GSO_TCPV4, GSO_TCPV6, GSO_UDP]) {
      writeGsoHeader(memory, 2, { type, size: 100, start: 20, headers: 40 })
      for (let length = 0; length < 60; length++) cutAll(memory, 2, length)
    }
  })
})

test('a right checksum is told from a wrong one', () => {
  const packet = packetOf({ isV6: true, protocol: UDP, port: 3, options: 0 }, 0, new Uint8Array(33).fill(8))
  const memory = memoryOf(new ArrayBuffer(1024))
  memory.bytes.set(packet, 4)
  assert.ok(isRight(memory, 4, true, UDP, 44, packet.length - 40))
  for (let i = 8; i < packet.length; i++) {
    memory.bytes[4 + i] = (memory.bytes[4 + i] as number) ^ 1
    assert.ok(!isRight(memory, 4, true, UDP, 44, packet.length - 40), `byte ${i}`)
    memory.bytes[4 + i] = (memory.bytes[4 + i] as number) ^ 1
  }
})

function hex(bytes: Uint8Array): string {
  return bytes.toHex()
}

/** Without what numbers IPv4 packets, which the kernel counts anew. */
function withoutId(packet: Uint8Array): string {
  if ((packet[0] as number) >> 4 === 6) return packet.toHex()
  const copy = packet.slice()
  copy.fill(0, 4, 6)
  copy.fill(0, 10, 12)
  return copy.toHex()
}
