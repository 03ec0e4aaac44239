/**
 * What the packet filter costs: one packet under 10, 1,000 and 10,000 rules, and compiling as many.
 *
 *   node bench/filter.ts [--seconds 0.1] [--json]
 *
 * Each rule lets one source, an address or a network, to one port of ours; packets come from all of them in turn, so
 * that tables are used as a whole. The numbers of rules take turns in short rounds, and the best round of each counts.
 * Reading the headers is in. The exit code is 1 where a packet under 10,000 rules costs more than four times what it
 * costs under 10: what larger tables cost in cache misses, and no more.
 */

import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { prefix } from '../src/base/ip.ts'
import { compile } from '../src/node/filter/compile.ts'
import { evaluateInbound, evaluateOutbound } from '../src/node/filter/evaluate.ts'
import { FLOWS, FlowTable } from '../src/node/filter/flows.ts'
import type { FilterProgram } from '../src/node/filter/program.ts'
import { VERDICT } from '../src/node/filter/verdict.ts'
import type { Verdict } from '../src/node/filter/verdict.ts'
import type { FilterRule } from '../src/wire/filter-rule.ts'
import { PacketHeader } from '../src/wire/ip-packet.ts'

const { values: flags } = parseArgs({
  options: { seconds: { type: 'string', default: '0.1' }, json: { type: 'boolean', default: false } },
})
const SECONDS = Number(flags.seconds)
const ROUNDS = 7
const BATCH = 8
const COUNTS = [10, 1000, 10_000]
const MOST_TIMES = 4
const LOCAL = ['100.127.0.1/32', 'fd7a:115c:a1e0::1/128'].map(prefix)
const PACKET_BYTES = 40
const [TCP, UDP] = [6, 17]
const [SYN, ACK] = [0x02, 0x10]

/** The `i`-th source: an address, every tenth a network of 16. Its packets come from its first address. */
const addressOf = (i: number): number => ((100 << 24) | (64 << 16)) + i * 16
const sourceOf = (i: number): string => `${dotted(addressOf(i))}${i % 10 === 9 ? '/28' : ''}`
const dotted = (a: number): string => [a >>> 24, (a >>> 16) & 255, (a >>> 8) & 255, a & 255].join('.')

function rulesFor(sources: readonly string[], port: (i: number) => number): FilterRule[] {
  return sources.map((source, i) => ({
    SrcIPs: [source],
    DstPorts: [{ IP: '*', Ports: { First: port(i), Last: port(i) } }],
    IPProto: [],
    CapGrant: [],
  }))
}

/** Packets one after the other, from each source in an order that is far from that of the addresses. @param most how many sources there are at most */
function arenaOf(count: number, protocol: number, flags: number, from: number, most = count): Uint8Array {
  const arena = new Uint8Array(count * PACKET_BYTES)
  const view = new DataView(arena.buffer)
  for (let n = 0; n < count; n++) {
    const [at, i] = [n * PACKET_BYTES, (n * 7919) % Math.min(count, most)]
    arena.set([0x45, 0, 0, PACKET_BYTES, 0, 0, 0, 0, 64, protocol], at)
    view.setUint32(at + 12, addressOf(i) + from)
    arena.set([100, 127, 0, 1], at + 16)
    view.setUint16(at + 20, 40_000)
    view.setUint16(at + 22, 1000 + (i % 50_000))
    arena[at + 33] = flags
  }
  return arena
}

interface Kind {
  readonly what: string
  readonly arena: (count: number) => Uint8Array
  readonly run: (program: FilterProgram, flows: FlowTable, h: PacketHeader) => Verdict
  readonly want: Verdict
}
const KINDS: readonly Kind[] = [
  {
    what: 'UDP that a rule lets in',
    arena: (n) => arenaOf(n, UDP, 0, 0),
    run: evaluateInbound,
    want: VERDICT.datagram,
  },
  {
    what: 'TCP SYN that a rule lets in',
    arena: (n) => arenaOf(n, TCP, SYN, 0),
    run: evaluateInbound,
    want: VERDICT.tcp,
  },
  {
    what: 'TCP SYN from no known source',
    arena: (n) => arenaOf(n, TCP, SYN, 0x0100_0000),
    run: evaluateInbound,
    want: VERDICT.noRule,
  },
  { what: 'TCP going on', arena: (n) => arenaOf(n, TCP, ACK, 0), run: evaluateInbound, want: VERDICT.tcpContinued },
  { what: 'UDP going out', arena: (n) => arenaOf(n, UDP, 0, 0, FLOWS), run: evaluateOutbound, want: VERDICT.outbound },
]

const programs = COUNTS.map((count) => {
  const sources = Array.from({ length: count }, (_, i) => sourceOf(i))
  return compile(
    rulesFor(sources, (i) => 1000 + (i % 50_000)),
    LOCAL,
  ).program
})
const packets = KINDS.map(measure)
const compiling = [
  measureCompile('rules of one source each', (n) =>
    rulesFor(
      Array.from({ length: n }, (_, i) => sourceOf(i)),
      () => 22,
    ),
  ),
  measureCompile('sources of one rule', (n) => {
    const [rule] = rulesFor(['*'], () => 22)
    return [{ ...(rule as FilterRule), SrcIPs: Array.from({ length: n }, (_, i) => dotted(addressOf(i))) }]
  }),
]
if (flags.json) console.log(JSON.stringify({ counts: COUNTS, packets, compiling }))
else print()
if (packets.some(({ ratio }) => ratio > MOST_TIMES)) process.exitCode = 1

function measure({ what, arena, run, want }: Kind): { what: string; ns: number[]; ratio: number } {
  const runs = programs.map((program, i) => {
    const bytes = arena(COUNTS[i] as number)
    const [flows, h] = [new FlowTable(), new PacketHeader()]
    return (): void => {
      for (let at = 0; at < bytes.length; at += PACKET_BYTES) {
        h.read(bytes, at, PACKET_BYTES)
        if (run(program, flows, h) !== want) throw new Error(`Another verdict for: ${what}`)
      }
    }
  })
  const ns = COUNTS.map(() => Infinity)
  for (let round = 0; round < ROUNDS; round++)
    for (const [i, all] of runs.entries())
      ns[i] = Math.min(ns[i] as number, milliseconds(all, SECONDS / ROUNDS) * (1e6 / (COUNTS[i] as number)))
  return { what, ns, ratio: (ns.at(-1) as number) / (ns[0] as number) }
}

function measureCompile(what: string, rules: (count: number) => readonly FilterRule[]): { what: string; ms: number[] } {
  const ms = COUNTS.map((count) => {
    const all = rules(count)
    let best = Infinity
    for (let round = 0; round < ROUNDS; round++)
      best = Math.min(
        best,
        milliseconds(() => void compile(all, LOCAL), SECONDS / ROUNDS),
      )
    return best
  })
  return { what, ms }
}

/** What one call takes of the processor, in the mean over a round: other work on the machine does not count. */
function milliseconds(call: () => void, seconds: number): number {
  const used = (): number => {
    const { user, system } = process.threadCpuUsage()
    return (user + system) / 1000
  }
  const began = used()
  let calls = 0
  let ms = 0
  while (ms < seconds * 1000) {
    // Asking for the time costs about a microsecond.
    for (let i = 0; i < BATCH; i++) call()
    calls += BATCH
    ms = used() - began
  }
  return ms / calls
}

function print(): void {
  const heads = COUNTS.map((count) => count.toLocaleString('en'))
  const style = { style: { head: [], border: [] }, colAligns: ['left' as const, ...heads.map(() => 'right' as const)] }
  const one = new Table({ head: ['one packet, ns; rules:', ...heads, '10,000 : 10'], ...style })
  for (const { what, ns, ratio } of packets) one.push([what, ...ns.map((n) => n.toFixed(0)), `${ratio.toFixed(1)}×`])
  console.log(one.toString())
  const all = new Table({ head: ['compiling, ms', ...heads], ...style })
  for (const { what, ms } of compiling) all.push([what, ...ms.map((n) => n.toFixed(2))])
  console.log(all.toString())
}
