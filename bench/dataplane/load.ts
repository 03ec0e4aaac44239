/** Loads a tunnel with iperf3 and ping, and says what went through and what processor time its daemons took. */

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { LabProcess } from '../../test/lab/process.ts'
import type { Tunnel } from './tunnels.ts'

/** Of `/proc/PID/stat`. */
const TICKS_PER_SECOND = 100
const DATAGRAM = 1200
/** Where the search for the highest rate of datagrams begins, in Mbit/s, and how far it goes at all. */
const RATE_LEAST = 100
const RATE_MOST = 6400
/** It ends when the highest rate that went and the lowest that did not are this close. */
const RATE_STEP = 1.08
/** A rate did not go when it failed this often, one after the other: a moment in which nobody ran is no verdict. */
const TRIES = 2
const LOSS_MOST = 0.01

export interface Transfer {
  readonly megabits: number
  /** Of both daemons together, in cores. */
  readonly cores: number
}

export function iperfMissing(): string | false {
  try {
    execFileSync('iperf3', ['--version'], { stdio: 'ignore' })
    return false
  } catch {
    return 'there is no iperf3 (Debian: iperf3)'
  }
}

/** Has `b` listen. */
export async function listen({ b }: Tunnel): Promise<void> {
  await b.spawn('iperf3', ['-s', '--forceflush']).waitFor(/Server listening/)
}

export interface Tcp {
  readonly streams: number
  readonly seconds: number
  /** Both directions at once. */
  readonly both?: boolean
}

export async function tcp(tunnel: Tunnel, { streams, seconds, both = false }: Tcp): Promise<Transfer> {
  const args = ['-P', String(streams), ...(both ? ['--bidir'] : [])]
  const { end, cores } = await iperf(tunnel, seconds, args)
  const bits = end.sum_received.bits_per_second + (both ? (end.sum_received_bidir_reverse?.bits_per_second ?? 0) : 0)
  return { megabits: bits / 1e6, cores }
}

export interface Datagrams {
  /** The highest rate at which less than a hundredth was lost; 0 when not even the lowest went. */
  readonly megabits: number
  /** Of both daemons at the lowest rate. */
  readonly coresAt100: number
}

/** Searches by doubling, then by halving the gap. */
export async function datagrams(tunnel: Tunnel, seconds: number): Promise<Datagrams> {
  let coresAt100 = NaN
  /** What went at this rate; `undefined` when too much was lost. */
  const offer = async (rate: number): Promise<number | undefined> => {
    for (let tries = 0; tries < TRIES; tries++) {
      const { end, cores } = await iperf(tunnel, seconds, ['-u', '-b', `${rate}M`, '-l', String(DATAGRAM), '-w', '2M'])
      if (rate === RATE_LEAST) coresAt100 = cores
      const { packets = 0, lost_packets: lost = 0, bits_per_second: sent } = end.sum
      if (lost <= packets * LOSS_MOST) return Math.min(rate, sent / 1e6)
    }
    return undefined
  }
  let [went, failed] = [0, Infinity]
  for (let rate = RATE_LEAST; rate <= RATE_MOST && failed / Math.max(went, 1) > RATE_STEP;) {
    const sent = await offer(Math.round(rate))
    if (sent === undefined) failed = rate
    else went = sent
    // Not even the lowest went, or the sender does not get to its rate: there is no more to be seen.
    if (went === 0 || (sent !== undefined && sent < rate * 0.9)) break
    rate = failed === Infinity ? 2 * rate : Math.sqrt(went * failed)
  }
  return { megabits: went, coresAt100 }
}

/** The mean round trip of a hundred pings, in ms. */
export async function ping({ a, host }: Tunnel): Promise<number> {
  const said = await a.exec('ping', ['-q', '-c', '100', '-i', '0.01', host])
  return Number(/= [\d.]+\/([\d.]+)\//.exec(said)?.[1])
}

interface Report {
  readonly end: {
    readonly sum: {
      readonly bits_per_second: number
      readonly packets?: number
      readonly lost_packets?: number
    }
    readonly sum_received: { readonly bits_per_second: number }
    readonly sum_received_bidir_reverse?: { readonly bits_per_second: number }
  }
}

async function iperf(tunnel: Tunnel, seconds: number, args: readonly string[]): Promise<Report & { cores: number }> {
  const [before, began] = [used(tunnel.daemons), performance.now()]
  const said = await tunnel.a.exec('iperf3', ['-c', tunnel.host, '-t', String(seconds), '-J', ...args])
  const cores = (used(tunnel.daemons) - before) / ((performance.now() - began) / 1000)
  return { ...(JSON.parse(said) as Report), cores }
}

/** Processor seconds that these processes have taken. */
function used(daemons: readonly LabProcess[]): number {
  return daemons.reduce((sum, { child }) => {
    const fields = readFileSync(`/proc/${child.pid}/stat`, 'latin1').replace(/.*\) /s, '').split(' ')
    return sum + (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
  }, 0)
}
