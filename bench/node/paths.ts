/**
 * How long a node's traffic waits: for its first `sett up`, for its daemon to be started anew, for the relay when UDP
 * is blocked, for the direct way when it no longer is; and what goes by relay while there is a direct way. Two machines
 * on one switch, pings every 10 ms.
 */

import { setTimeout as wait } from 'node:timers/promises'
import { Capture } from '../../test/lab/capture.ts'
import { PORT } from '../../test/lab/machine.ts'
import type { Machine, MachineOptions } from '../../test/lab/machine.ts'
import { Tailnet } from '../../test/lab/tailnet.ts'
import { Pulse, serveEcho, transfer } from '../../test/lab/traffic.ts'

const EVERY_MS = 10
const MEGABYTES = 16

export interface PathFigures {
  /** Milliseconds. */
  readonly up: number
  readonly restart: number
  readonly blocked: number
  readonly letThrough: number
  /** Of all bytes that leave the machine for the other, in percent. */
  readonly relayed: number
}

export async function measurePaths(machines: MachineOptions, rounds: number): Promise<PathFigures[]> {
  await using tailnet = await Tailnet.open({ machines })
  const [anna] = (await tailnet.join('anna')) as [Machine]
  const { four } = await anna.addresses()
  const figures: PathFigures[] = []
  for (let round = 0; round < rounds; round++) {
    const ben = await tailnet.machine(`ben${round}`)
    const login = await tailnet.login()
    await ben.start()
    await using pulse = new Pulse(ben.where, four, EVERY_MS)
    const up = await since(async (began) => {
      const joined = ben.up(login)
      const at = await pulse.next(began)
      await joined
      return at
    })
    await ben.stop()
    const restart = await since(async (began) => {
      await ben.start()
      return pulse.next(began)
    })
    await direct(ben)
    const began = performance.now()
    await ben.where.blockUdp()
    // Until the last of what was on its way has come, and the first that came by relay.
    await ben.until('it is by relay', ({ Peer }) => peersOf(Peer).every(({ CurAddr }) => CurAddr === ''))
    await pulse.next()
    await wait(500)
    const blocked = pulse.longestGap(began)
    await using ways = await Capture.of(ben.where, {
      direct: { hook: 'output', match: `oifname "eth0" udp dport ${PORT}` },
      relayed: { hook: 'output', match: 'oifname "eth0" tcp dport 8443' },
    })
    const letThrough = await since(async () => {
      await ben.where.allowUdp()
      await direct(ben)
      return performance.now()
    })
    const before = await ways.counts()
    await using serving = await serveEcho(anna.where, four)
    const said = await transfer(ben.where, serving, MEGABYTES)
    if (said !== 'same') throw new Error('a transfer did not arrive as it was sent')
    const after = await ways.counts()
    const bytes = {
      direct: after.direct.bytes - before.direct.bytes,
      relayed: after.relayed.bytes - before.relayed.bytes,
    }
    figures.push({ up, restart, blocked, letThrough, relayed: (100 * bytes.relayed) / (bytes.direct + bytes.relayed) })
    await pulse.stop()
    await ben.stop()
  }
  return figures
}

const peersOf = <P>(peers: { readonly [key: string]: P } | null): readonly P[] => Object.values(peers ?? {})

async function direct(machine: Machine): Promise<void> {
  await machine.until('it is direct', ({ Peer }) => peersOf(Peer).some(({ CurAddr }) => CurAddr.endsWith(`:${PORT}`)))
}

/** Milliseconds from now to the moment that `work` gives. */
async function since(work: (began: number) => Promise<number>): Promise<number> {
  const began = performance.now()
  return (await work(began)) - began
}
