/**
 * What a node costs, and how long its traffic waits: our daemon from the built package, between real kernels.
 *
 *   node bench/node.ts [--rounds 5] [--seconds 20] [--only paths,idle,large] [--clone] [--json]
 *
 * Everything shares this machine's cores. Times are medians of the rounds. `--clone` measures this clone as it stands in
 * place of a build. Beside them stands what official clients took on such a machine. The exit code is 1 where a figure
 * misses what is asked.
 */

import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { tunMissing } from '../test/lab/available.ts'
import { build } from './node/built.ts'
import { measurePaths } from './node/paths.ts'
import type { PathFigures } from './node/paths.ts'
import { measureIdle, measureLarge } from './node/standing.ts'

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '20' },
    only: { type: 'string', default: 'paths,idle,large' },
    clone: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})

const PEERS = 50
const MANY_PEERS = 10_000

interface Row {
  readonly what: string
  readonly unit: string
  readonly limit: number
  /** As measured; the median counts. */
  readonly values: readonly number[]
  /** What official clients took on two cores in November 2026. */
  readonly official?: string
}

const PATHS: readonly (Omit<Row, 'values'> & { readonly of: keyof PathFigures })[] = [
  { of: 'up', what: 'fresh `sett up` to first echo', unit: 'ms', limit: 1000, official: '2300 to 7800' },
  { of: 'restart', what: 'daemon restarted to first echo', unit: 'ms', limit: 700, official: '1700 to 6200' },
  { of: 'blocked', what: 'UDP blocked: without packets', unit: 'ms', limit: 1000, official: '3700 to 4500' },
  { of: 'letThrough', what: 'UDP let through: direct after', unit: 'ms', limit: 1000, official: '5100' },
  { of: 'relayed', what: 'bytes by relay while direct', unit: '%', limit: 1 },
]

const missing = tunMissing()
if (missing !== false) console.error(`The node is not measured: ${missing}`)
else await main()

async function main(): Promise<void> {
  using built = flags.clone ? undefined : await build()
  const machines = built === undefined ? {} : { settd: built.settd, sett: built.sett }
  const wanted = flags.only.split(',')
  const rows: Row[] = []
  if (wanted.includes('paths')) {
    const figures = await measurePaths(machines, Number(flags.rounds))
    rows.push(...PATHS.map(({ of, ...row }) => ({ ...row, values: figures.map((each) => each[of]) })))
  }
  if (wanted.includes('idle')) {
    const { megabytes, cpu } = await measureIdle(machines, PEERS, Number(flags.seconds))
    rows.push(
      { what: `memory, idle with ${PEERS} peers`, unit: 'MB', limit: 120, values: [megabytes], official: '46 to 64' },
      { what: 'processor time a second', unit: 'ms', limit: 2, values: [cpu], official: 'at most 1' },
    )
  }
  if (wanted.includes('large')) {
    const { kilobytesAPeer, patch, peer } = await measureLarge(machines, MANY_PEERS)
    rows.push(
      { what: `memory a peer, of ${MANY_PEERS}`, unit: 'kB', limit: 32, values: [kilobytesAPeer] },
      { what: 'processor time for a peer that moved', unit: 'ms', limit: 2, values: [patch] },
      { what: 'processor time for a peer told anew', unit: 'ms', limit: 2, values: [peer] },
    )
  }
  const missed = rows.filter((row) => median(row.values) > row.limit)
  if (flags.json) console.log(JSON.stringify(rows.map((row) => ({ ...row, measured: median(row.values) }))))
  else print(rows, missed)
  if (missed.length > 0) process.exitCode = 1
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN
}

function print(rows: readonly Row[], missed: readonly Row[]): void {
  const table = new Table({
    head: ['', 'unit', 'median', 'from', 'to', 'at most', 'official'],
    style: { head: [], border: [] },
    colAligns: ['left', 'left', 'right', 'right', 'right', 'right', 'right'],
  })
  const text = (n: number): string => (n < 10 ? n.toFixed(2) : n.toFixed(0))
  for (const row of rows) {
    const { what, unit, limit, values, official = '' } = row
    const ends = values.length > 1 ? [text(Math.min(...values)), text(Math.max(...values))] : ['', '']
    table.push([
      what,
      unit,
      text(median(values)),
      ...ends,
      `${limit}${missed.includes(row) ? ': missed' : ''}`,
      official,
    ])
  }
  console.log(table.toString())
}
