/**
 * What carrying packets costs: our pumps beside wireguard-go and the bare cable, alternating in one run.
 *
 *   node bench/dataplane.ts [--rounds 3] [--seconds 2] [--pairs 1] [--json]
 *
 * Two kernels on this machine (network namespaces) with a cable between them, MTU 1280 in the tunnels, load by iperf3;
 * everything shares the machine's cores. Our pumps run with fixed keys, a filter, replay windows and counters.
 * Figures are medians of the rounds; the ratio to wireguard-go is what counts. The exit code is 1 where it is below
 * what is asked: 1.2 times per core of both daemons with TCP, three times the datagrams, half the processor time at
 * 100 Mbit/s of them, and no longer pings.
 */

import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { tunMissing } from '../test/lab/available.ts'
import { Lab } from '../test/lab/lab.ts'
import { datagrams, iperfMissing, listen, ping, tcp } from './dataplane/load.ts'
import { bareCable, ours, wireguard } from './dataplane/tunnels.ts'
import type { Tunnel } from './dataplane/tunnels.ts'
import { wireguardGo } from './dataplane/wireguard-go.ts'

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '2' },
    pairs: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
})
const ROUNDS = Number(flags.rounds)
const SECONDS = Number(flags.seconds)

/** One figure a round each. */
const COLUMNS = {
  tcp: 'TCP, 1 stream, Mbit/s',
  tcpPerCore: 'per core of both daemons',
  tcp4: '4 streams, Mbit/s',
  tcp4PerCore: 'per core',
  both: 'both ways, Mbit/s',
  bothPerCore: 'per core',
  udp: 'UDP below 1 % loss, Mbit/s',
  udpCores: 'cores at 100 Mbit/s of UDP',
  ping: 'ping, ms',
} as const
type Column = keyof typeof COLUMNS
const NAMES = Object.keys(COLUMNS) as Column[]

/** What our figure divided by wireguard-go's has to be. */
const ASKED: Partial<Record<Column, { readonly least?: number; readonly most?: number }>> = {
  tcpPerCore: { least: 1.2 },
  tcp4PerCore: { least: 1.2 },
  udp: { least: 3 },
  udpCores: { most: 0.5 },
  ping: { most: 1 },
}

const missing = tunMissing() || iperfMissing()
if (missing !== false) console.error(`The data plane is not measured: ${missing}`)
else await main()

async function main(): Promise<void> {
  await using lab = await Lab.open()
  const program = await wireguardGo()
  const own = await ours(lab, 'ours', { pairs: Number(flags.pairs), plain: false })
  const theirs = program === undefined ? undefined : await wireguard(lab, program)
  const tunnels = [await bareCable(lab), own, ...(theirs === undefined ? [] : [theirs])]
  const figures = new Map(tunnels.map((tunnel) => [tunnel, new Map<Column, number[]>(NAMES.map((name) => [name, []]))]))
  for (const tunnel of tunnels) {
    await listen(tunnel)
    // Warm: compiled, neighbours found, handshake made.
    await tcp(tunnel, { streams: 1, seconds: 1 })
  }
  for (let round = 0; round < ROUNDS; round++)
    for (const tunnel of tunnels)
      for (const [column, figure] of Object.entries(await measure(tunnel)))
        figures
          .get(tunnel)
          ?.get(column as Column)
          ?.push(figure)

  const medians = tunnels.map((tunnel) => ({
    name: tunnel.name,
    ...Object.fromEntries(NAMES.map((name) => [name, median(figures.get(tunnel)?.get(name) ?? [])])),
  })) as ({ readonly name: string } & Record<Column, number>)[]
  const [mine, other] = [medians[1], medians[2]]
  const ratios = mine && other && Object.fromEntries(NAMES.map((name) => [name, mine[name] / other[name]]))
  const missed = NAMES.filter((name) => {
    const { least = -Infinity, most = Infinity } = ASKED[name] ?? {}
    const ratio = ratios?.[name] ?? NaN
    return ratio < least || ratio > most
  })
  if (flags.json) console.log(JSON.stringify({ rounds: ROUNDS, seconds: SECONDS, medians, ratios, missed }))
  else print(medians, ratios, missed)
  if (missed.length > 0) process.exitCode = 1
}

async function measure(tunnel: Tunnel): Promise<Record<Column, number>> {
  const one = await tcp(tunnel, { streams: 1, seconds: SECONDS })
  const four = await tcp(tunnel, { streams: 4, seconds: SECONDS })
  const both = await tcp(tunnel, { streams: 1, seconds: SECONDS, both: true })
  // Without a daemon there is nothing to compare.
  const udp = tunnel.daemons.length > 0 ? await datagrams(tunnel, SECONDS / 2) : { megabits: NaN, coresAt100: NaN }
  return {
    tcp: one.megabits,
    tcpPerCore: one.megabits / one.cores,
    tcp4: four.megabits,
    tcp4PerCore: four.megabits / four.cores,
    both: both.megabits,
    bothPerCore: both.megabits / both.cores,
    udp: udp.megabits,
    udpCores: udp.coresAt100,
    ping: await ping(tunnel),
  }
}

function median(figures: readonly number[]): number {
  const sorted = [...figures].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? NaN
}

function print(
  medians: readonly ({ readonly name: string } & Record<Column, number>)[],
  ratios: Record<string, number> | undefined,
  missed: readonly Column[],
): void {
  const table = new Table({
    head: ['', ...medians.map(({ name }) => name), 'ours : wireguard-go', 'asked'],
    style: { head: [], border: [] },
    colAligns: ['left', ...medians.map(() => 'right' as const), 'right', 'right'],
  })
  const text = (n: number): string => (Number.isFinite(n) ? (n < 10 ? n.toFixed(2) : n.toFixed(0)) : '–')
  for (const name of NAMES) {
    const { least, most } = ASKED[name] ?? {}
    const asked = least === undefined ? (most === undefined ? '' : `at most ${most}`) : `at least ${least}`
    const verdict = asked === '' || ratios === undefined ? asked : `${asked}${missed.includes(name) ? ': missed' : ''}`
    table.push([COLUMNS[name], ...medians.map((m) => text(m[name])), text(ratios?.[name] ?? NaN), verdict])
  }
  console.log(table.toString())
}
