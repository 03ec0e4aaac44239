/**
 * Measures one policy on one tailnet: compiled in steps, then changed node by node, each change paid for until the
 * rules of everybody whom it concerns are written anew as JSON, and compressed as for a map. Times are medians.
 */

import { compress } from '../../src/coord/io/compress.ts'
import { Engine } from '../../src/policy/engine.ts'
import type { Policy } from '../../src/policy/policy.ts'
import type { PolicyNode } from '../../src/policy/tailnet.ts'
import { makeNode, makeWorld, readPolicy } from './world.ts'
import type { World } from './world.ts'

export interface Size {
  readonly nodes: number
  readonly rules: number
}

/** `quiet`: something that no rule asks for, such as an attribute. */
export const KINDS = ['join', 'leave', 'retag', 'quiet'] as const
export type Kind = (typeof KINDS)[number]

/** What one change costs, by the median. */
export interface Cost {
  /** Until the engine has followed, and knows whom it concerns. */
  readonly setMs: number
  /** From there until the rules of all of those are there as JSON. */
  readonly rulesMs: number
  /** From there until they are compressed, one by one. */
  readonly packMs: number
  readonly totalMs: number
  /** The same without compression. */
  readonly policyMs: number
  /** Nodes with other rules. */
  readonly told: number
  /** Nodes that see the changed one anew, or no more. */
  readonly pairs: number
  /** Rules of all who are told, as JSON, and compressed. */
  readonly bytes: number
  readonly packedBytes: number
}
export type Costs = Readonly<Record<Kind, Cost>>

export interface WorldFigures {
  readonly size: Size
  readonly readMs: number
  readonly compileMs: number
  /** The longest step of a compilation, in the middle one and in the worst. */
  readonly longestStepMs: number
  readonly worstStepMs: number
  readonly firstFilterMs: number
  /** What the engine keeps alive beyond policy and nodes. */
  readonly engineBytes: number
  readonly peakBytes: number
  readonly costs: Costs
}

type Sized = Size & { readonly costs: Costs }

export interface Growth {
  readonly small: Sized
  readonly large: Sized
  readonly visible: number
  /** What a change costs in the large one, as a multiple of what it costs in the small one. */
  readonly ratio: Readonly<Record<Kind, number>>
  /** The same without compression. */
  readonly policyRatio: Readonly<Record<Kind, number>>
}

export interface Enrolment {
  readonly nodes: number
  readonly tags: number
  readonly cpuMs: number
}

const COMPILATIONS = 7
/** Changes end when this time is over, but not before some were made. */
const CHANGES_MS = 4000
const ROUNDS = { least: 1, most: 200 } as const
/** One team has 51 nodes, each of which sees the 50 others. */
const VISIBLE = 50
const GROWTH_NODES = [1000, 10_000] as const
const GROWTH_ROUNDS = 600
const AT_ONCE = 100
const ENROLMENT = { nodes: 650, tags: 20 } as const

export function measureWorld(size: Size): WorldFigures {
  const world = makeWorld(size.nodes, size.rules)
  const reading = performance.now()
  const policy = readPolicy(world)
  const readMs = performance.now() - reading
  const before = usedBytes()
  const runs = Array.from({ length: COMPILATIONS }, () => timed(policy, world))
  const { engine } = compile(policy, world)
  const engineBytes = usedBytes() - before
  const asking = performance.now()
  engine.filter(0)
  const firstFilterMs = performance.now() - asking
  const longest = runs.map(({ longestStepMs }) => longestStepMs)
  return {
    size,
    readMs,
    compileMs: median(runs.map(({ totalMs }) => totalMs)),
    longestStepMs: median(longest),
    worstStepMs: Math.max(...longest),
    firstFilterMs,
    engineBytes,
    // Texts for thousands of nodes, which changes come to, would not be held at once by a server.
    peakBytes: process.resourceUsage().maxRSS * 1024,
    costs: costsOf(engine, world),
  }
}

function costsOf(engine: Engine, world: World): Costs {
  const ledger = new Ledger()
  const end = performance.now() + CHANGES_MS
  for (let i = 0; i < ROUNDS.least || (i < ROUNDS.most && performance.now() < end); i++)
    for (const sample of changeRound(engine, world, i)) ledger.add(sample)
  return ledger.costs()
}

/** Both tailnets in turn, so that what else the machine does falls on both. */
export function measureGrowth(): Growth {
  const sides = GROWTH_NODES.map((about) => {
    const teams = Math.floor(about / (VISIBLE + 1))
    const size = { nodes: teams * (VISIBLE + 1), rules: teams * 4 }
    const world = makeWorld(size.nodes, size.rules)
    const { engine } = compile(readPolicy(world), world)
    for (const { slot } of world.nodes) {
      // Everybody has a map, as in a tailnet that is up.
      engine.filter(slot)
      if (engine.visible(slot).size !== VISIBLE) throw new Error(`node ${slot} sees ${engine.visible(slot).size}`)
    }
    return { size, engine, world, ledger: new Ledger() }
  })
  for (let i = 0; i < GROWTH_ROUNDS; i++)
    for (const { engine, world, ledger } of i % 2 === 0 ? sides : sides.toReversed())
      for (const sample of changeRound(engine, world, i)) ledger.add(sample)
  const [small, large] = sides.map(({ size, ledger }) => ({ ...size, costs: ledger.costs() })) as [Sized, Sized]
  const ratios = (what: 'totalMs' | 'policyMs'): Growth['ratio'] =>
    Object.fromEntries(
      KINDS.map((kind) => [kind, large.costs[kind][what] / small.costs[kind][what]]),
    ) as Growth['ratio']
  return { small, large, visible: VISIBLE, ratio: ratios('totalMs'), policyRatio: ratios('policyMs') }
}

/** Nodes with one of some tags join one by one; only nodes with the same tag see each other. */
export function measureEnrolment(): Enrolment {
  const { nodes, tags } = ENROLMENT
  const world = makeWorld(nodes, tags * 4)
  const engine = new Engine(readPolicy(world), [])
  const start = process.cpuUsage()
  for (const node of world.nodes) apply(engine, node.slot, tagged(node, world), 'join')
  const { user, system } = process.cpuUsage(start)
  return { nodes, tags, cpuMs: (user + system) / 1000 }
}

function tagged(node: PolicyNode, { teams }: World): PolicyNode {
  return { ...node, tags: [`tag:t${node.slot % teams}`] }
}

/** The same without the engine, which would be kept alive. */
function timed(policy: Policy, world: World): { totalMs: number; longestStepMs: number } {
  const { totalMs, longestStepMs } = compile(policy, world)
  return { totalMs, longestStepMs }
}

function compile(policy: Policy, { nodes }: World): { engine: Engine; totalMs: number; longestStepMs: number } {
  const steps = Engine.building(policy, nodes)
  let [totalMs, longestStepMs] = [0, 0]
  for (;;) {
    const start = performance.now()
    const step = steps.next()
    const took = performance.now() - start
    totalMs += took
    longestStepMs = Math.max(longestStepMs, took)
    if (step.done === true) return { engine: step.value, totalMs, longestStepMs }
  }
}

interface Sample {
  readonly kind: Kind
  readonly setMs: number
  readonly rulesMs: number
  readonly packMs: number
  readonly told: number
  readonly pairs: number
  readonly bytes: number
  readonly packedBytes: number
}

/** One node leaves, comes back, belongs elsewhere for a while, and has an attribute that nobody asks for. */
function changeRound(engine: Engine, { nodes, teams }: World, round: number): Sample[] {
  // One team after the other, in no order that memory is laid out in; of each the same members, however many teams.
  const place = (round % Math.ceil(nodes.length / teams)) * teams + ((round * 7919) % teams)
  const slot = place % nodes.length
  const node = nodes[slot] as PolicyNode
  const leave = apply(engine, slot, undefined, 'leave')
  const join = apply(engine, slot, node, 'join')
  const retag = apply(engine, slot, makeNode(slot, ((slot % teams) + 1) % teams, teams), 'retag')
  apply(engine, slot, node, 'retag')
  const quiet = apply(engine, slot, { ...node, attributes: new Map([['custom:round', round]]) }, 'quiet')
  return [leave, join, retag, quiet]
}

function apply(engine: Engine, slot: number, after: PolicyNode | undefined, kind: Kind): Sample {
  const start = performance.now()
  const { edges, rules } = engine.set(slot, after)
  const setMs = performance.now() - start
  let [rulesMs, packMs, told, bytes, packedBytes] = [0, 0, 0, 0, 0]
  const all = [...rules]
  // Some at a time: thousands of large texts are more than a server would hold at once.
  for (let from = 0; from < all.length; from += AT_ONCE) {
    const writing = performance.now()
    const texts: string[] = []
    for (const one of all.slice(from, from + AT_ONCE))
      texts.push(JSON.stringify([engine.filter(one), engine.sshRules(one)]))
    const packing = performance.now()
    for (const text of texts) packedBytes += compress(text).length
    packMs += performance.now() - packing
    rulesMs += packing - writing
    told += texts.length
    bytes += sum(texts.map(({ length }) => length))
  }
  return { kind, setMs, rulesMs, packMs, told, pairs: edges.size, bytes, packedBytes }
}

/** What was measured so far. */
class Ledger {
  readonly #all = new Map<Kind, Sample[]>(KINDS.map((kind) => [kind, []]))

  add(sample: Sample): void {
    this.#all.get(sample.kind)?.push(sample)
  }

  costs(): Costs {
    return Object.fromEntries([...this.#all].map(([kind, all]) => [kind, costOf(all)])) as Costs
  }
}

function costOf(samples: readonly Sample[]): Cost {
  const of = (value: (sample: Sample) => number): number => median(samples.map(value))
  return {
    setMs: of(({ setMs }) => setMs),
    rulesMs: of(({ rulesMs }) => rulesMs),
    packMs: of(({ packMs }) => packMs),
    totalMs: of(({ setMs, rulesMs, packMs }) => setMs + rulesMs + packMs),
    policyMs: of(({ setMs, rulesMs }) => setMs + rulesMs),
    told: of(({ told }) => told),
    pairs: of(({ pairs }) => pairs),
    bytes: of(({ bytes }) => bytes),
    packedBytes: of(({ packedBytes }) => packedBytes),
  }
}

function usedBytes(): number {
  globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] as number
}
