/** The compiled filter and its plain twin say the same of every packet. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { sized } from '../../../test/support/size.ts'
import { parseIp, prefix } from '../../base/ip.ts'
import type { Ip } from '../../base/ip.ts'
import { ipBytes } from '../../wire/ip-bytes.ts'
import { PacketHeader } from '../../wire/ip-packet.ts'
import { readFilterRule } from '../../wire/filter-rule.ts'
import { bindCapabilities } from './capabilities.ts'
import { compile } from './compile.ts'
import { evaluateInbound, evaluateOutbound } from './evaluate.ts'
import { FlowTable } from './flows.ts'
import { keyOf, PlainFilter } from './plain.ts'
import type { PlainPacket } from './plain.ts'
import { nameOfVerdict } from './verdict.ts'

/** Few enough that rules, local nets and packets meet. */
const ADDRESSES = [
  ['100.64.0.1', '100.64.0.2', '100.64.0.3', '100.64.0.4', '100.64.1.7', '10.1.2.3', '10.1.3.0', '10.2.0.1', '8.8.8.8'],
  ['fd7a:115c:a1e0::1', 'fd7a:115c:a1e0::2', 'fd7a:115c:a1e0::3', 'fd7a:115c:a1e0:1::', 'fd00:1::5', '2001:db8::1'],
  ['169.254.169.254', '169.254.1.1', '224.0.0.251', '0.0.0.0', '255.255.255.255'],
  ['fe80::1', 'ff02::fb', '::', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '::ffff:1.2.3.4', 'fd00:1:0:0:8000::'],
].flat()
const RANGES = [
  ['*', '0.0.0.0/0', '::/0', '100.64.0.0/10', '100.64.0.0/30', '100.64.0.2/31', '10.0.0.0/8', '10.1.0.0/16'],
  [
    '10.1.2.0/24',
    '128.0.0.0/1',
    'fd7a:115c:a1e0::/48',
    'fd7a:115c:a1e0::/126',
    'fd00:1::/64',
    'fd00:1::/32',
    '8000::/1',
  ],
  ['100.64.0.2-100.64.1.0', '10.1.2.3-10.1.2.3', 'fd7a:115c:a1e0::2-fd7a:115c:a1e0:1::', '0.0.0.0-255.255.255.255'],
].flat()
const NONSENSE = ['', '100.64.0.1/10', '100.64.0.3-100.64.0.2', '10.0.0.1-::1', 'nope', 'cap', '**']
const LOCAL = [
  '100.64.0.1/32',
  'fd7a:115c:a1e0::1/128',
  '10.1.0.0/16',
  '10.1.3.0/32',
  'fd00:1::/64',
  '0.0.0.0/0',
  '::/0',
]

const address = fc.constantFrom(...ADDRESSES)
const mostly = (...some: string[]): fc.Arbitrary<string> => fc.oneof(fc.constantFrom(...some), address)
const text = fc.oneof(
  { weight: 5, arbitrary: address },
  { weight: 5, arbitrary: fc.constantFrom(...RANGES) },
  { weight: 1, arbitrary: fc.constantFrom(...NONSENSE) },
)
const source = fc.oneof({ weight: 3, arbitrary: text }, fc.constantFrom('cap:x', 'cap:x', 'cap:y', 'cap:z', 'cap:'))
const protocol = fc.constantFrom(6, 17, 132, 1, 58, 47, 50, 2, 99, 254)
const port = fc.constantFrom(0, 1, 3, 22, 53, 54, 55, 80, 65534, 65535)
const ports = fc.oneof(fc.record({ First: port, Last: port }), fc.constant({ First: 0, Last: 65535 }))
const rule = fc
  .record(
    {
      SrcIPs: fc.array(source, { maxLength: 4 }),
      IPProto: fc.array(fc.oneof(protocol, fc.constantFrom(-1, 256, 0)), { maxLength: 3 }),
      DstPorts: fc.array(fc.record({ IP: text, Ports: ports }), { maxLength: 4 }),
    },
    { requiredKeys: ['SrcIPs'] },
  )
  .map((json) => readFilterRule(json, 'rule'))
const packet = fc.record({
  isOut: fc.boolean(),
  /** Goes back the way of the packet before. */
  isAnswer: fc.boolean(),
  src: mostly('100.64.0.2', '100.64.0.3', 'fd7a:115c:a1e0::2'),
  dst: mostly('100.64.0.1', 'fd7a:115c:a1e0::1', '10.1.2.3'),
  protocol,
  srcPort: port,
  dstPort: port,
  flags: fc.constantFrom(0x02, 0x02, 0x12, 0x10, 0xc2, 0x03, 0),
  icmpType: fc.constantFrom(0, 3, 5, 8, 11, 12, 18, 1, 2, 4, 128, 129, 135),
  icmpCode: fc.constantFrom(0, 0, 1),
})
type Packet = typeof packet extends fc.Arbitrary<infer T> ? T : never

function answered(p: Packet, i: number, all: readonly Packet[]): Packet {
  const q = all[i - 1]
  if (!p.isAnswer || q === undefined) return p
  return { ...q, isOut: !q.isOut, src: q.dst, dst: q.src, srcPort: q.dstPort, dstPort: q.srcPort }
}

const ip = (of: string): Ip => parseIp(of) as Ip

/** The packet in bytes; both addresses of the destination's family. */
function bytesOf(p: Packet): Uint8Array {
  const [src, dst] = [ipBytes(ip(p.src)), ipBytes(ip(p.dst))]
  const body = new Uint8Array(24)
  const view = new DataView(body.buffer)
  if (p.protocol === 1 || p.protocol === 58) body.set([p.icmpType, p.icmpCode])
  else {
    view.setUint16(0, p.srcPort)
    view.setUint16(2, p.dstPort)
    body[13] = p.flags
  }
  const header = dst.length === 4 ? new Uint8Array(20) : new Uint8Array(40)
  header[0] = dst.length === 4 ? 0x45 : 0x60
  if (dst.length === 4) {
    header.set([0, 44], 2)
    header[9] = p.protocol
    header.set(src, 12)
    header.set(dst, 16)
  } else {
    header.set([0, 24, p.protocol], 4)
    header.set(src, 8)
    header.set(dst, 24)
  }
  return new Uint8Array([...header, ...body])
}

function plainOf(p: Packet): PlainPacket {
  const isPortless = ![6, 17, 132].includes(p.protocol)
  return {
    src: ip(p.src),
    dst: ip(p.dst),
    protocol: p.protocol,
    ...(!isPortless && { srcPort: p.srcPort, dstPort: p.dstPort }),
    isSyn: (p.flags & 0x12) === 0x02,
    icmpType: p.icmpType,
    icmpCode: p.icmpCode,
  }
}

const HOLDERS = [
  { address: '100.64.0.2', capabilities: ['x', 'other'] },
  { address: 'fd7a:115c:a1e0::2', capabilities: ['x', 'other'] },
  { address: '100.64.0.3', capabilities: ['y', 'x', ''] },
  { address: '8.8.8.8', capabilities: [''] },
]

test('compiled rules say of every packet what plain reading says', () => {
  const world = fc.record({
    rules: fc.array(rule, { maxLength: 12 }),
    local: fc.subarray(LOCAL),
    packets: fc.array(
      packet.filter((p) => ip(p.src).family === ip(p.dst).family),
      { minLength: 8, maxLength: 40 },
    ),
  })
  const seen = new Set<string>()
  fc.assert(
    fc.property(world, ({ rules, local, packets }) => {
      const nets = local.map(prefix)
      const plain = new PlainFilter(
        rules,
        nets,
        new Map(HOLDERS.map((h) => [keyOf(ip(h.address)), h.capabilities] as const)),
      )
      const program = bindCapabilities(
        compile(rules, nets).program,
        HOLDERS.map((h) => ({ addresses: [ip(h.address)], capabilities: h.capabilities })),
      )
      const [flows, h] = [new FlowTable(), new PacketHeader()]
      for (const p of packets.map(answered)) {
        h.read(bytesOf(p))
        const got = nameOfVerdict(p.isOut ? evaluateOutbound(program, flows, h) : evaluateInbound(program, flows, h))
        const want = p.isOut ? plain.outbound(plainOf(p)) : plain.inbound(plainOf(p))
        assert.equal(got, want, JSON.stringify(p))
        seen.add(got)
      }
    }),
    { numRuns: sized(400, 800), seed: 5 },
  )
  // What was drawn came to every verdict that rules have a say in.
  const wanted = ['tcp', 'datagram', 'flow', 'icmp', 'icmpResponse', 'otherProtocol', 'tsmp', 'tcpContinued', 'noRule']
  for (const name of [...wanted, 'noRuleForProtocol', 'notLocal', 'multicast', 'linkLocal', 'outbound'])
    assert.ok(seen.has(name), name)
})

test('a source that is in many lists at once gets what all of them give', () => {
  const many = fc.array(fc.tuple(fc.subarray(['100.64.0.2', '100.64.0.3', '10.0.0.0/8', '*']), port), {
    minLength: 6,
    maxLength: 40,
  })
  fc.assert(
    fc.property(
      many,
      fc.constantFrom('100.64.0.2', '100.64.0.3', '10.2.0.1', '8.8.8.8'),
      port,
      (lists, src, dstPort) => {
        // A text that means nothing makes each list one of its own.
        const rules = lists.map(([sources, open], i) => {
          const DstPorts = [{ IP: '100.64.0.1', Ports: { First: open, Last: open } }]
          return readFilterRule({ SrcIPs: [...sources, `not ${i}`], DstPorts }, 'rule')
        })
        const nets = [prefix('100.64.0.1/32')]
        const syn = { protocol: 6, srcPort: 1, flags: 2, icmpType: 0, icmpCode: 0 } as const
        const p: Packet = { ...syn, isOut: false, isAnswer: false, src, dst: '100.64.0.1', dstPort }
        const h = new PacketHeader()
        h.read(bytesOf(p))
        const got = nameOfVerdict(evaluateInbound(compile(rules, nets).program, new FlowTable(), h))
        assert.equal(got, new PlainFilter(rules, nets, new Map()).inbound(plainOf(p)))
      },
    ),
    { numRuns: 400, seed: 2 },
  )
})

test('more lists for each source than there is room to join are still all looked at', () => {
  const COUNT = 400
  const address = (k: number): string => `100.65.${k >> 8}.${k & 255}`
  const all = Array.from({ length: COUNT }, (_, k) => address(k))
  // List i has the first i addresses and opens port i.
  const rules = all.map((_, i) => {
    const DstPorts = [{ IP: '100.64.0.1', Ports: { First: i, Last: i } }]
    return readFilterRule({ SrcIPs: all.slice(0, i), DstPorts }, 'rule')
  })
  const { program } = compile(rules, [prefix('100.64.0.1/32')])
  const [flows, h] = [new FlowTable(), new PacketHeader()]
  const syn = { isOut: false, isAnswer: false, dst: '100.64.0.1', protocol: 6, srcPort: 1, flags: 2 } as const
  for (const k of [0, 1, 7, 200, 394, 398, 399])
    for (const i of [0, 1, 6, 7, 8, 199, 200, 201, 395, 399, 400]) {
      h.read(bytesOf({ ...syn, src: address(k), dstPort: i as 0, icmpType: 0, icmpCode: 0 }))
      const want = k < i && i < COUNT ? 'tcp' : 'noRule'
      assert.equal(nameOfVerdict(evaluateInbound(program, flows, h)), want, `address ${k}, port ${i}`)
    }
})
