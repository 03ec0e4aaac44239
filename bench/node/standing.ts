/**
 * What a node costs that only stands there: with fifty peers that it does not speak with, and in a tailnet of ten
 * thousand while single peers change.
 */

import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Lab } from '../../test/lab/lab.ts'
import { Machine } from '../../test/lab/machine.ts'
import type { MachineOptions } from '../../test/lab/machine.ts'
import { Tailnet } from '../../test/lab/tailnet.ts'

const QUIET_PEERS = fileURLToPath(new URL('./quiet-peers.ts', import.meta.url))
const LARGE_TAILNET = fileURLToPath(new URL('./large-tailnet.ts', import.meta.url))
const SERVER = '198.51.100.1'
/** First maps, compilation and the first look around are over by then. */
const SETTLE_MS = 8000
const CHANGES = 300

export interface IdleFigures {
  readonly megabytes: number
  /** Milliseconds of processor time a second. */
  readonly cpu: number
}

export async function measureIdle(machines: MachineOptions, peers: number, seconds: number): Promise<IdleFigures> {
  await using tailnet = await Tailnet.open({ machines })
  const { url, key } = await tailnet.login()
  await tailnet.home.exec(process.execPath, [QUIET_PEERS, url, key, String(peers)], { timeoutMs: 60_000 })
  const [node] = (await tailnet.join('idle')) as [Machine]
  await node.until('it knows all', ({ Peer }) => Object.keys(Peer ?? {}).length === peers)
  await wait(SETTLE_MS)
  const before = node.cpu()
  await wait(seconds * 1000)
  return { cpu: (node.cpu() - before) / seconds, megabytes: node.memory() / 1e6 }
}

export interface LargeFigures {
  /** What each peer adds to the daemon's memory. */
  readonly kilobytesAPeer: number
  /** Processor time of the whole daemon for one peer's move, and for one peer told anew, in milliseconds. */
  readonly patch: number
  readonly peer: number
}

export async function measureLarge(machines: MachineOptions, peers: number): Promise<LargeFigures> {
  const few = await standing(machines, 1)
  const many = await standing(machines, peers)
  return { kilobytesAPeer: (many.bytes - few.bytes) / 1000 / (peers - 1), patch: many.patch, peer: many.peer }
}

async function standing(
  machines: MachineOptions,
  peers: number,
): Promise<{ readonly bytes: number; readonly patch: number; readonly peer: number }> {
  await using lab = await Lab.open()
  const net = await lab.segment()
  const [home, where] = [await lab.namespace('server'), await lab.namespace('node')]
  await lab.plug(home, net, `${SERVER}/24`)
  await lab.plug(where, net, '198.51.100.10/24')
  const server = home.spawn(process.execPath, [LARGE_TAILNET, SERVER, String(peers)], { name: 'large-tailnet' })
  const [, url = ''] = await server.waitFor(/listening (\S+)/)
  const node = new Machine(where, machines)
  await node.start()
  // Without a relay it is never quite up; its map is all that matters.
  await node.sett('up', `--login-server=${url}`, '--auth-key=tskey-auth-any', '--timeout=3s').catch(() => '')
  await node.until('it knows all', ({ Peer }) => Object.keys(Peer ?? {}).length === peers)
  await wait(SETTLE_MS)
  const bytes = node.memory()
  let rounds = 0
  const cost = async (what: string): Promise<number> => {
    const before = node.cpu()
    server.write(`${what} ${CHANGES}\n`)
    await server.waitFor(new RegExp(`(done[^]*){${(rounds += 1)}}`), 60_000)
    await wait(1000)
    return (node.cpu() - before) / CHANGES
  }
  // Once to warm up.
  await cost('patch')
  return { bytes, patch: await cost('patch'), peer: await cost('peer') }
}
