/**
 * How much the control plane costs: simulated nodes against a real server process, on the cores that both share.
 *
 *   node bench/control.ts [--nodes 650,3000] [--policy tags] [--join-rate 30] [--json] [--profile FOLDER]
 *
 * The first size is held against the requirements, each further one against the first, edge by edge. With `--policy`
 * as many nodes as in the first size join once more, under a policy by which nodes of the same tag see each other. Every
 * node's map is checked against what all others said of themselves; a wrong map ends the run. `--profile` has the server
 * write CPU profiles for Chrome's tools, which costs some speed. What is measured how is control/measure.ts.
 */

import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { measure, measureEnrolment } from './control/measure.ts'
import type { Enrolment, Figures, Plan } from './control/measure.ts'
import { compare, compareTags, edgeCosts, growth, quantile, REFERENCE_NODES } from './control/requirements.ts'
import type { Row } from './control/requirements.ts'
import { MeasuredServer } from './control/server.ts'
import { byTag, TAGS } from './control/sight.ts'

const { values: flags } = parseArgs({
  options: {
    nodes: { type: 'string', default: `${REFERENCE_NODES},3000` },
    policy: { type: 'string' },
    'join-rate': { type: 'string', default: '30' },
    json: { type: 'boolean', default: false },
    profile: { type: 'string' },
  },
})
const sizes = flags.nodes.split(',').map(wholeNumber)
const joinsPerSecond = wholeNumber(flags['join-rate'])

// For the servers that are started from here on, not for this process.
if (flags.profile !== undefined) process.env['NODE_OPTIONS'] = `--cpu-prof --cpu-prof-dir=${flags.profile}`

if (flags.policy !== undefined && flags.policy !== 'tags') throw new Error(`want --policy tags, got "${flags.policy}"`)

const all: Figures[] = []
for (const nodes of sizes) all.push(await onServer(nodes, measure))
const [first, ...larger] = all as [Figures, ...Figures[]]
const tagged =
  flags.policy === undefined
    ? undefined
    : await onServer(first.nodes, (server, plan, say) => measureEnrolment(server, plan, byTag(), say))
const held = {
  nodes: first.nodes,
  rows: [...compare(first, { joinsPerSecond }), ...(tagged === undefined ? [] : compareTags(first, tagged))],
}
const grown = larger.map((figures) => ({ nodes: figures.nodes, rows: growth(first, figures) }))

if (flags.json) console.log(JSON.stringify({ ...summary(), held, grown }))
else print()
if ([held, ...grown].some(({ rows }) => rows.some(({ passed }) => !passed))) process.exitCode = 1

/** Measures something on a server of its own. */
async function onServer<T>(
  nodes: number,
  run: (server: MeasuredServer, plan: Plan, say: (line: string) => void) => Promise<T>,
): Promise<T> {
  const server = await MeasuredServer.start()
  try {
    const plan = { nodes, joinsPerSecond, repeats: 10, changesPerSecond: 20, changeSeconds: 15 }
    return await run(server, plan, (line) =>
      console.error(`${nodes} nodes: ${line}; server's peak so far ${(server.peakBytes() / 1e6).toFixed(0)} MB`),
    )
  } finally {
    await server.close()
  }
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new Error(`want a whole number, got "${text}"`)
  return Number(text)
}

function summary() {
  const spread = (values: readonly number[]) => [0.5, 0.9, 0.99, 1].map((q) => quantile(values, q))
  return {
    runs: all.map((figures) => {
      const { registerToMap, streamLags, ...rest } = figures
      return {
        ...rest,
        registerToMap: spread(registerToMap),
        streamLags: spread(streamLags),
        edges: edgeCosts(figures),
      }
    }),
    ...(tagged === undefined ? {} : { tagged: { ...tagged, registerToMap: spread(tagged.registerToMap) } }),
  }
}

function print(): void {
  const shown = (value: number | undefined) =>
    value === undefined ? '' : value >= 100 ? value.toFixed(0) : value.toPrecision(3)
  const rowsOf = (rows: readonly Row[]) =>
    rows.map(({ what, unit, limit, headscale, measured, median, passed }) => [
      `${what}, ${unit}`,
      shown(limit),
      shown(measured),
      shown(median),
      shown(headscale),
      passed ? 'PASS' : 'FAIL',
    ])
  const tables = [{ title: `${held.nodes} nodes`, rows: held.rows }]
  for (const { nodes, rows } of grown) tables.push({ title: `${nodes} nodes, against ${held.nodes}`, rows })
  for (const { title, rows } of tables) {
    const table = new Table({
      head: [title, 'limit', 'measured', 'median', 'Headscale', ''],
      style: { head: [], border: [] },
    })
    table.push(...rowsOf(rows))
    console.log(table.toString())
  }
  if (tagged !== undefined) {
    const told = ({ enrolCpuMs, enrolBytes }: Enrolment) =>
      `${shown(enrolCpuMs / 1000)} s of server CPU, ${shown(enrolBytes / 1e6)} MB`
    console.log(`${first.nodes} nodes, to enrol: ${told(tagged)} with ${TAGS} tags, ${told(first)} where all see all`)
  }
  for (const figures of all) {
    const costs = Object.entries(edgeCosts(figures)).map(([what, cost]) => `  ${what}: ${shown(cost)}`)
    console.log(`${figures.nodes} nodes, cost of an edge:\n${costs.join('\n')}`)
  }
}
