/** The filter as a whole, in tables that read like node.md §2. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listOf } from '../../base/go-json.ts'
import { parseIp, prefix } from '../../base/ip.ts'
import type { Ip } from '../../base/ip.ts'
import { ipBytes } from '../../wire/ip-bytes.ts'
import { PacketHeader } from '../../wire/ip-packet.ts'
import { readFilterRule } from '../../wire/filter-rule.ts'
import type { FilterRule } from '../../wire/filter-rule.ts'
import { decodeTsmp } from '../../wire/tsmp.ts'
import { bindCapabilities } from './capabilities.ts'
import { compile } from './compile.ts'
import { evaluateInbound, evaluateOutbound } from './evaluate.ts'
import { FlowTable } from './flows.ts'
import type { FilterProgram } from './program.ts'
import { rejectFor } from './reject.ts'
import { ABSENT, admitsAny, filterSet, forgetsFlows } from './settings.ts'
import type { FilterInputs } from './settings.ts'
import { nameOfVerdict, VERDICT, VerdictCounts } from './verdict.ts'
import type { VerdictName } from './verdict.ts'

const ip = (text: string): Ip => parseIp(text) as Ip
const rulesOf = (json: unknown): readonly FilterRule[] => listOf(readFilterRule)(json, 'rules')
const LOCAL = ['100.64.0.1/32', 'fd7a:115c:a1e0::1/128'].map(prefix)
const ALL = { First: 0, Last: 65535 }
const EVERYTHING = rulesOf([{ SrcIPs: ['*'], DstPorts: [{ IP: '*', Ports: ALL }] }])
const SSH_FOR_ADMINS = rulesOf([
  { SrcIPs: ['cap:admin'], DstPorts: [{ IP: '100.64.0.1', Ports: { First: 22, Last: 22 } }] },
])

/** A TCP SYN, or another flags byte, or UDP where `flags` is left out. */
function packet(src: string, dst: string, port: number, flags?: number): Uint8Array<ArrayBuffer> {
  const isTcp = flags !== undefined
  const body = new Uint8Array(20)
  new DataView(body.buffer).setUint16(0, 4000)
  new DataView(body.buffer).setUint16(2, port)
  if (isTcp) body[13] = flags
  const [from, to] = [ipBytes(ip(src)), ipBytes(ip(dst))]
  const head =
    from.length === 4
      ? [0x45, 0, 0, 40, 0, 0, 0, 0, 64, isTcp ? 6 : 17, 0, 0]
      : [0x60, 0, 0, 0, 0, 20, isTcp ? 6 : 17, 64]
  return new Uint8Array([...head, ...from, ...to, ...body])
}

function read(bytes: Uint8Array): PacketHeader {
  const h = new PacketHeader()
  h.read(bytes)
  return h
}

const SYN = 0x02
const inbound = (program: FilterProgram, bytes: Uint8Array, flows = new FlowTable()): VerdictName =>
  nameOfVerdict(evaluateInbound(program, flows, read(bytes)))
const outbound = (program: FilterProgram, bytes: Uint8Array, flows = new FlowTable()): VerdictName =>
  nameOfVerdict(evaluateOutbound(program, flows, read(bytes)))

const inputs = (more: Partial<FilterInputs>): FilterInputs => ({
  rules: EVERYTHING,
  localNets: LOCAL,
  peers: [],
  limitedPeers: [],
  isShieldsUp: false,
  peerApi: [],
  ...more,
})

const SYN_IN = packet('100.64.0.2', '100.64.0.1', 22, SYN)
const UDP_OUT = packet('100.64.0.1', '100.64.0.2', 4000)
const UDP_IN = packet('100.64.0.2', '100.64.0.1', 4000)

test('what the node knows makes the filter', () => {
  const rows: readonly { name: string; of: FilterInputs; syn: VerdictName; jailed: VerdictName; problem?: string }[] = [
    { name: 'rules', of: inputs({}), syn: 'tcp', jailed: 'noRule' },
    { name: 'no map yet', of: inputs({ rules: undefined }), syn: 'noFilter', jailed: 'noFilter' },
    { name: 'no rules', of: inputs({ rules: [] }), syn: 'noRule', jailed: 'noRule' },
    { name: 'shields up', of: inputs({ isShieldsUp: true }), syn: 'noRule', jailed: 'noRule' },
    {
      name: 'obsolete rules',
      of: inputs({ rules: [...EVERYTHING, ...rulesOf([{ SrcIPs: ['*'], SrcBits: [8] }])] }),
      syn: 'noRule',
      jailed: 'noRule',
      problem: 'obsolete-rules',
    },
    {
      name: 'a peer that tailnet lock limits is let in',
      of: inputs({ limitedPeers: [prefix('100.64.0.9/32')] }),
      syn: 'noRule',
      jailed: 'noRule',
      problem: 'invalid-packet-filter',
    },
    {
      name: 'another address is limited',
      of: inputs({
        rules: rulesOf([{ SrcIPs: ['100.64.0.2'], DstPorts: [{ IP: '*', Ports: ALL }] }]),
        limitedPeers: [prefix('100.64.0.9/32')],
      }),
      syn: 'tcp',
      jailed: 'noRule',
    },
  ]
  for (const { name, of, syn, jailed, problem } of rows) {
    const set = filterSet(of)
    assert.equal(inbound(set.program, SYN_IN), syn, name)
    assert.equal(inbound(set.jailed, SYN_IN), jailed, `${name}: jailed`)
    assert.equal(set.problem, problem, name)
  }
})

test('a rule that only grants capabilities lets nobody in, so no limited peer either', () => {
  const grant = rulesOf([{ SrcIPs: ['*'], CapGrant: [{ Dsts: ['0.0.0.0/0'], Caps: ['x'] }] }])
  assert.equal(admitsAny(grant, [prefix('100.64.0.9/32')]), false)
  assert.equal(inbound(compile(grant, LOCAL).program, SYN_IN), 'noRule')
})

test('texts that mean nothing are left out and named', () => {
  const rules = rulesOf([
    {
      SrcIPs: ['100.64.0.2', '100.64.0.2/10'],
      DstPorts: [
        { IP: 'cap:x', Ports: ALL },
        { IP: '*', Ports: ALL },
      ],
    },
  ])
  const { program, refused } = filterSet(inputs({ rules }))
  assert.deepEqual(refused, ['100.64.0.2/10', 'cap:x'])
  assert.equal(inbound(program, SYN_IN), 'tcp')
})

test('flows outlive rules, but not that shields go up', () => {
  const rows = [
    { name: 'first', before: undefined, after: inputs({ isShieldsUp: true }), want: false },
    { name: 'new rules', before: inputs({}), after: inputs({ rules: [] }), want: false },
    { name: 'shields go up', before: inputs({}), after: inputs({ isShieldsUp: true }), want: true },
    {
      name: 'shields stay up',
      before: inputs({ isShieldsUp: true }),
      after: inputs({ isShieldsUp: true }),
      want: false,
    },
    { name: 'shields go down', before: inputs({ isShieldsUp: true }), after: inputs({}), want: false },
  ]
  for (const { name, before, after, want } of rows) assert.equal(forgetsFlows(before, after), want, name)

  const flows = new FlowTable()
  const [open, shut] = [filterSet(inputs({})).program, filterSet(inputs({ isShieldsUp: true })).program]
  assert.equal(inbound(shut, UDP_IN, flows), 'noRule')
  assert.equal(outbound(open, UDP_OUT, flows), 'outbound')
  assert.equal(inbound(shut, UDP_IN, flows), 'flow')
})

test('capabilities are those of the peers of now', () => {
  const { program } = compile(SSH_FOR_ADMINS, LOCAL)
  const admin = { addresses: [ip('100.64.0.2'), ip('fd7a:115c:a1e0::2')], capabilities: ['other', 'admin'] }
  assert.equal(inbound(program, SYN_IN), 'noRule')
  const bound = bindCapabilities(program, [admin])
  assert.equal(inbound(bound, SYN_IN), 'tcp')
  assert.equal(inbound(bound, packet('100.64.0.3', '100.64.0.1', 22, SYN)), 'noRule')
  assert.equal(inbound(bound, packet('100.64.0.2', '100.64.0.1', 23, SYN)), 'noRule')
  assert.equal(inbound(bindCapabilities(bound, [{ ...admin, capabilities: ['other'] }]), SYN_IN), 'noRule')
  // Each rule that names it counts, whatever other sources it has.
  const web = { SrcIPs: ['cap:admin', '100.64.0.9'], DstPorts: [{ IP: '100.64.0.1', Ports: { First: 80, Last: 80 } }] }
  const both = bindCapabilities(compile([...SSH_FOR_ADMINS, ...rulesOf([web])], LOCAL).program, [admin])
  const ports = [22, 80, 81].map((port) => inbound(both, packet('100.64.0.2', '100.64.0.1', port, SYN)))
  assert.deepEqual(ports, ['tcp', 'tcp', 'noRule'])
  // Without rules that name capabilities there is nothing to bind.
  const plain = compile(EVERYTHING, LOCAL).program
  assert.equal(bindCapabilities(plain, [admin]), plain)
})

test('our own PeerAPI is reachable whatever the rules say', () => {
  const peerApi = [
    { ip: ip('100.64.0.1'), port: 1234 },
    { ip: ip('fd7a:115c:a1e0::1'), port: 4321 },
  ]
  const { program } = filterSet(inputs({ isShieldsUp: true, peerApi }))
  const rows = [
    { name: 'over IPv4', bytes: packet('100.64.0.2', '100.64.0.1', 1234, SYN), want: 'peerApi' },
    { name: 'over IPv6', bytes: packet('fd7a:115c:a1e0::2', 'fd7a:115c:a1e0::1', 4321, SYN), want: 'peerApi' },
    { name: 'the other family’s port', bytes: packet('100.64.0.2', '100.64.0.1', 4321, SYN), want: 'noRule' },
    { name: 'by UDP', bytes: packet('100.64.0.2', '100.64.0.1', 1234), want: 'noRule' },
    { name: 'at another address', bytes: packet('100.64.0.2', '100.64.0.3', 1234, SYN), want: 'notLocal' },
  ]
  for (const { name, bytes, want } of rows) assert.equal(inbound(program, bytes), want, name)
  assert.equal(inbound(ABSENT, packet('100.64.0.2', '100.64.0.1', 0, SYN)), 'noFilter')
  assert.equal(inbound(filterSet(inputs({ rules: [] })).program, packet('100.64.0.2', '100.64.0.1', 0, SYN)), 'noRule')
})

test('whoever opens a connection in vain is told, over IPv4', () => {
  const rows = [
    { name: 'refused', bytes: SYN_IN, isShieldsUp: false, want: 'acl' },
    { name: 'shields up', bytes: SYN_IN, isShieldsUp: true, want: 'shields' },
    { name: 'UDP', bytes: UDP_IN, isShieldsUp: false, want: undefined },
    {
      name: 'IPv6',
      bytes: packet('fd7a:115c:a1e0::2', 'fd7a:115c:a1e0::1', 22, SYN),
      isShieldsUp: false,
      want: undefined,
    },
  ]
  for (const { name, bytes, isShieldsUp, want } of rows) {
    const reject = rejectFor(bytes, read(bytes), isShieldsUp)
    const message = reject && decodeTsmp(reject, read(reject))
    assert.equal(message?.kind === 'reject' ? message.reason : undefined, want, name)
    if (message?.kind !== 'reject') continue
    assert.deepEqual(message.flow, {
      protocol: 6,
      src: { ip: ip('100.64.0.2'), port: 4000 },
      dst: { ip: ip('100.64.0.1'), port: 22 },
    })
  }
})

test('drops are counted under the reasons of official clients', () => {
  const counts = new VerdictCounts(new SharedArrayBuffer(VerdictCounts.BYTES))
  for (const verdict of [VERDICT.tcp, VERDICT.noRule, VERDICT.noRule, VERDICT.notLocal, VERDICT.multicast])
    counts.add(verdict)
  assert.equal(counts.of(VERDICT.noRule), 2)
  assert.deepEqual([...counts.dropped('inbound')], [['acl', 4]])
  assert.deepEqual(
    [...counts.dropped('outbound')],
    [
      ['multicast', 1],
      ['acl', 3],
    ],
  )
})

test('a program says the same in another thread', () => {
  const rules = [...SSH_FOR_ADMINS, ...rulesOf([{ SrcIPs: ['100.64.0.0/30'], DstPorts: [{ IP: '*', Ports: ALL }] }])]
  const program = structuredClone(compile(rules, LOCAL).program)
  assert.equal(inbound(program, SYN_IN), 'tcp')
  assert.equal(inbound(program, packet('100.64.0.4', '100.64.0.1', 22, SYN)), 'noRule')
})
