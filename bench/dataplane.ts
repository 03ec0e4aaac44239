/**
 * What carrying packets costs: our pumps beside wireguard-go, official tailscaled and the bare cable, alternating in
 * one run.
 *
 *   node bench/dataplane.ts [--rounds 5] [--seconds 2] [--pairs 1] [--only ours,wireguard-go] [--json]
 *
 * Two kernels on this machine (network namespaces without a way out) with a cable between them, MTU 1280 in the
 * tunnels, load by iperf3; everything shares the machine's cores. Our pumps run with fixed keys, a filter, replay
 * windows and counters; tailscaled is on a server of ours. Figures are medians of the rounds; what counts is the ratio
 * to the others, and the exit code is 1 where one is not what is asked (dataplane/figures.ts).
 */

import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { tunMissing } from '../test/lab/available.ts'
import { Lab } from '../test/lab/lab.ts'
import { median, NAMES, ratiosOf, tableOf } from './dataplane/figures.ts'
import type { Figures, Measured } from './dataplane/figures.ts'
import { datagrams, iperfMissing, listen, ping, tcp } from './dataplane/load.ts'
import type { Transfer } from './dataplane/load.ts'
import { tailscale } from './dataplane/tailscaled.ts'
import { bareCable, ours, wireguard } from './dataplane/tunnels.ts'
import type { Tunnel } from './dataplane/tunnels.ts'
import { wireguardGo } from './dataplane/wireguard-go.ts'

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    pairs: { type: 'string', default: '1' },
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})
const ROUNDS = Number(flags.rounds)
const SECONDS = Number(flags.seconds)
const OWN = 'ours'

const missing = tunMissing() || iperfMissing()
if (missing !== false) console.error(`The data plane is not measured: ${missing}`)
else await main()

async function main(): Promise<void> {
  await using lab = await Lab.open()
  const tunnels = await open(lab)
  const figures = new Map<Tunnel, Figures[]>(tunnels.map((tunnel) => [tunnel, []]))
  for (const tunnel of tunnels) {
    await listen(tunnel)
    // Warm: compiled, neighbours found, handshake made.
    await tcp(tunnel, { streams: 1, seconds: 1 })
  }
  for (let round = 0; round < ROUNDS; round++)
    for (const tunnel of tunnels) figures.get(tunnel)?.push(await measure(tunnel))

  const all = tunnels.map((tunnel): Measured => {
    const rounds = figures.get(tunnel) ?? []
    const medians = Object.fromEntries(NAMES.map((name) => [name, median(rounds.map((round) => round[name]))]))
    return { name: tunnel.name, medians: medians as Figures }
  })
  const own = all.find(({ name }) => name === OWN)
  const others = all.filter(({ name }, i) => name !== OWN && (tunnels[i]?.daemons.length ?? 0) > 0)
  const ratios = own === undefined ? [] : ratiosOf(own, others)
  if (flags.json) {
    const rows = ratios.filter(({ limit }) => limit !== undefined)
    const rounds = Object.fromEntries(tunnels.map((tunnel) => [tunnel.name, figures.get(tunnel)]))
    console.log(JSON.stringify({ seconds: SECONDS, pairs: Number(flags.pairs), medians: all, rounds, rows }))
  } else {
    const { head, rows } = tableOf(all, ratios)
    const right = head.map((_, i) => (i === 0 ? ('left' as const) : ('right' as const)))
    const table = new Table({ head, style: { head: [], border: [] }, colAligns: right })
    table.push(...rows)
    console.log(table.toString())
  }
  if (ratios.some(({ passed }) => !passed)) process.exitCode = 1
}

async function open(lab: Lab): Promise<Tunnel[]> {
  const wanted = flags.only?.split(',')
  const openers: Readonly<Record<string, () => Promise<Tunnel | undefined>>> = {
    'bare veth': () => bareCable(lab),
    [OWN]: () => ours(lab, OWN, { pairs: Number(flags.pairs), plain: false }),
    'wireguard-go': async () => {
      const program = await wireguardGo()
      return program === undefined ? undefined : wireguard(lab, program)
    },
    tailscaled: () => tailscale(lab),
  }
  const tunnels: Tunnel[] = []
  for (const [name, make] of Object.entries(openers)) {
    const tunnel = wanted === undefined || wanted.includes(name) ? await make() : undefined
    if (tunnel !== undefined) tunnels.push(tunnel)
  }
  return tunnels
}

async function measure(tunnel: Tunnel): Promise<Figures> {
  const one = await tcp(tunnel, { streams: 1, seconds: SECONDS })
  const four = await tcp(tunnel, { streams: 4, seconds: SECONDS })
  const both = await tcp(tunnel, { streams: 1, seconds: SECONDS, both: true })
  // Without a daemon there is nothing to compare.
  const udp =
    tunnel.daemons.length > 0 ? await datagrams(tunnel, Math.ceil(SECONDS / 2)) : { megabits: NaN, coresAt100: NaN }
  const perCore = ({ megabits, cores }: Transfer): number => megabits / cores
  const cost = ({ megabits, cores }: Transfer): number => (cores === 0 ? NaN : (1000 * cores) / megabits)
  return {
    tcp: one.megabits,
    tcpPerCore: perCore(one),
    tcpCost: cost(one),
    tcp4: four.megabits,
    tcp4PerCore: perCore(four),
    tcp4Cost: cost(four),
    both: both.megabits,
    bothPerCore: perCore(both),
    bothCost: cost(both),
    udp: udp.megabits,
    udpCores: udp.coresAt100,
    ping: await ping(tunnel),
  }
}
