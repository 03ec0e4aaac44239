/**
 * What policies cost: compiled whole, and followed change by change.
 *
 *   node bench/policy.ts [--nodes 100,1000,10000] [--rules 10,100,1000] [--json]
 *
 * Every size is measured in a process of its own, with tailnets of teams as policy/world.ts makes them; what is
 * measured how is policy/measure.ts, and for reading policy/reading.ts. The largest is held against the requirements, and a change among 10,000 nodes
 * against one among 1,000 that see as many others. No other server has these figures on their own: Headscale's
 * CPU for enrolling the same number of nodes, all of whom see each other, stands beside the row that it can be
 * compared with.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { KINDS, measureEnrolment, measureGrowth, measureWorld, median } from './policy/measure.ts'
import type { Cost, Enrolment, Growth, Size, WorldFigures } from './policy/measure.ts'
import { measureReading, TEXTS } from './policy/reading.ts'
import type { Reading, Text } from './policy/reading.ts'

/** What is asked for at 10,000 nodes and 1,000 rules, and of a change in a larger tailnet. */
const REFERENCE: Size = { nodes: 10_000, rules: 1000 }
const COMPILE_MAX_MS = 500
const STEP_MAX_MS = 50
/** A process reads only once for the first time. */
const READINGS = 3
const MEMORY_MAX_MB = 300
const GROWTH_MAX = 1.2
/** Server CPU for enrolling 650 nodes, everything included, on two cores. */
const HEADSCALE_ENROLMENT_MS = 413_000

interface Limit {
  readonly what: string
  readonly unit: string
  readonly limit: number | undefined
  readonly measured: number
  readonly headscale?: number
  readonly passed: boolean
}

type Job =
  | { readonly kind: 'world'; readonly size: Size }
  | { readonly kind: 'growth' }
  | { readonly kind: 'enrolment' }
  | { readonly kind: 'reading'; readonly text: Text }

if (process.send === undefined) await main()
else {
  const [job] = (await once(process, 'message')) as [Job]
  process.send(await measured(job))
  process.disconnect?.()
}

async function measured(job: Job): Promise<unknown> {
  switch (job.kind) {
    case 'world':
      return measureWorld(job.size)
    case 'growth':
      return measureGrowth()
    case 'enrolment':
      return measureEnrolment()
    case 'reading':
      return await measureReading(job.text)
  }
}

async function main(): Promise<void> {
  const { values: flags } = parseArgs({
    options: {
      nodes: { type: 'string', default: '100,1000,10000' },
      rules: { type: 'string', default: '10,100,1000' },
      json: { type: 'boolean', default: false },
    },
  })
  const worlds: WorldFigures[] = []
  for (const nodes of numbers(flags.nodes))
    for (const rules of numbers(flags.rules)) {
      console.error(`${nodes} nodes, ${rules} rules`)
      worlds.push((await inProcess({ kind: 'world', size: { nodes, rules } })) as WorldFigures)
    }
  console.error('the same change in a small and a large tailnet')
  const growth = (await inProcess({ kind: 'growth' })) as Growth
  console.error('enrolment')
  const enrolment = (await inProcess({ kind: 'enrolment' })) as Enrolment
  const readings: Reading[] = []
  for (const text of TEXTS) {
    console.error(`reading ${text}`)
    for (let i = 0; i < READINGS; i++) readings.push((await inProcess({ kind: 'reading', text })) as Reading)
  }
  const limits = limitsOf(worlds, growth, enrolment, readings)
  if (flags.json) console.log(JSON.stringify({ worlds, growth, enrolment, readings, limits }))
  else print(worlds, growth, limits)
  if (limits.some(({ passed }) => !passed)) process.exitCode = 1
}

async function inProcess(job: Job): Promise<unknown> {
  const child = spawn(process.execPath, ['--expose-gc', import.meta.filename], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  child.send(job)
  const [figures] = (await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => Promise.reject(new Error(`Cannot measure: the process for ${job.kind} ended`))),
  ])) as [unknown]
  return figures
}

function numbers(text: string): number[] {
  return text.split(',').map((one) => {
    if (!/^[1-9]\d{0,5}$/.test(one)) throw new Error(`want a whole number, got "${one}"`)
    return Number(one)
  })
}

function limitsOf(
  worlds: readonly WorldFigures[],
  growth: Growth,
  enrolment: Enrolment,
  readings: readonly Reading[],
): Limit[] {
  const limits: Limit[] = []
  const most = (what: string, unit: string, limit: number, measured: number): void => {
    limits.push({ what, unit, limit, measured, passed: measured <= limit })
  }
  const reference = worlds.find(({ size }) => size.nodes === REFERENCE.nodes && size.rules === REFERENCE.rules)
  if (reference !== undefined) {
    const at = `${REFERENCE.nodes} nodes, ${REFERENCE.rules} rules`
    most(`${at}: compile`, 'ms', COMPILE_MAX_MS, reference.compileMs)
    most(`${at}: longest step`, 'ms', STEP_MAX_MS, reference.longestStepMs)
    most(`${at}: memory, whole process at its peak`, 'MB', MEMORY_MAX_MB, reference.peakBytes / 1e6)
  }
  for (const text of TEXTS)
    most(
      `reading ${text}: longest step`,
      'ms',
      STEP_MAX_MS,
      median(readings.filter((reading) => reading.text === text).map(({ longestMs }) => longestMs)),
    )
  const known = (what: string, unit: string, measured: number, headscale?: number): void => {
    limits.push({
      what,
      unit,
      limit: undefined,
      measured,
      passed: true,
      ...(headscale === undefined ? {} : { headscale }),
    })
  }
  const sizes = `among ${growth.large.nodes} nodes against ${growth.small.nodes}`
  for (const kind of KINDS) most(`${kind}, ${sizes}`, 'times', GROWTH_MAX, growth.ratio[kind])
  for (const kind of KINDS) known(`${kind}, ${sizes}, without compression`, 'times', growth.policyRatio[kind])
  const { nodes, tags, cpuMs } = enrolment
  known(`${nodes} joins, ${tags} tags: CPU for rules`, 'ms', cpuMs, HEADSCALE_ENROLMENT_MS)
  return limits
}

function print(worlds: readonly WorldFigures[], growth: Growth, limits: readonly Limit[]): void {
  const look = { style: { head: [], border: [] }, chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' } }
  const shown = (value: number | undefined): string =>
    value === undefined ? '' : value >= 100 ? value.toFixed(0) : value.toPrecision(3)
  const compiled = new Table({
    head: [
      'nodes',
      'rules',
      'read ms',
      'compile ms',
      'longest step ms',
      'in the worst run',
      'engine MB',
      'process MB',
      'first filter ms',
    ],
    ...look,
  })
  for (const { size, readMs, compileMs, longestStepMs, worstStepMs, engineBytes, peakBytes, firstFilterMs } of worlds)
    compiled.push([
      size.nodes,
      size.rules,
      ...[readMs, compileMs, longestStepMs, worstStepMs, engineBytes / 1e6, peakBytes / 1e6, firstFilterMs].map(shown),
    ])
  console.log(compiled.toString())

  const changed = new Table({
    head: ['nodes', 'rules', 'change', 'set ms', 'rules ms', 'zstd ms', 'told', 'pairs', 'rules kB', 'zstd kB'],
    ...look,
  })
  const row = ({ nodes, rules }: Size, kind: string, cost: Cost): (string | number)[] => [
    nodes,
    rules,
    kind,
    ...[cost.setMs, cost.rulesMs, cost.packMs].map(shown),
    cost.told,
    cost.pairs,
    ...[cost.bytes / 1e3, cost.packedBytes / 1e3].map(shown),
  ]
  for (const { size, costs } of worlds) for (const kind of KINDS) changed.push(row(size, kind, costs[kind]))
  for (const one of [growth.small, growth.large])
    for (const kind of KINDS) changed.push(row(one, `${kind} (${growth.visible} visible)`, one.costs[kind]))
  console.log(changed.toString())

  const table = new Table({ head: ['', 'limit', 'measured', 'Headscale', ''], ...look })
  for (const { what, unit, limit, measured, headscale, passed } of limits)
    table.push([
      `${what}, ${unit}`,
      shown(limit),
      shown(measured),
      shown(headscale),
      limit === undefined ? '' : passed ? 'PASS' : 'FAIL',
    ])
  console.log(table.toString())
}
