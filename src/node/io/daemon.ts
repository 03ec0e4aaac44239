/**
 * The daemon's life: opens what a node needs, in the order in which each needs the other, and closes it in the opposite
 * one. What the node does in between is live-node.ts.
 */

import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { SECOND_MS } from '../../base/clock.ts'
import type { Clocks, Mono, Wall } from '../../base/clock.ts'
import { hex, utf8 } from '../../base/bytes.ts'
import { MeshError } from '../../base/errors.ts'
import { nodePrimitives } from '../../crypto/io/node-primitives.ts'
import { machineKeyFor } from '../../crypto/primitives.ts'
import { underCeiling } from '../ceiling/ceiling.ts'
import type { Backend } from '../local/backend.ts'
import { Bus } from '../local/bus.ts'
import { Health } from '../local/health.ts'
import { Profiles } from '../local/profiles.ts'
import { machineKeyIn } from '../local/state.ts'
import { openCeiling } from './ceiling-file.ts'
import { DaemonBackend } from './daemon-backend.ts'
import type { DaemonLog } from './daemon-backend.ts'
import { Host } from './host/host.ts'
import { NetworkMonitor } from './host/monitor.ts'
import { LiveNode } from './live-node.ts'
import { operatorUid } from './local-api-operator.ts'
import { openLocalApi } from './local-api.ts'
import type { LocalApiSocket } from './local-api.ts'
import { answerServer } from './server-requests.ts'
import { isInMemory, openState } from './state-file.ts'
import { lockFolder, lockStateFile } from './state-lock.ts'
import type { StateLock } from './state-lock.ts'
import { openTun } from './tun.ts'

export interface DaemonOptions {
  /** The state file; `mem:` for none. */
  readonly state: string
  /** Folder of what is kept beside it. */
  readonly stateDir: string
  readonly socket: string
  readonly tun: string
  /** Of the UDP sockets; 0: any. */
  readonly port: number
  readonly version: string
  readonly log: DaemonLog
  /** The ceiling's file; absent: where it is by default, if there is one. */
  readonly ceiling?: string
  /** Somebody has asked for the end over the local API. */
  readonly asked: () => void
}

export interface Daemon {
  /** Ends it; the machine is as it was. */
  close(): Promise<void>
}

/** How long a firewall that somebody flushed may be gone: each look starts a program. */
const FIREWALL_LOOK_MS = 15 * SECOND_MS

const clocks: Clocks = { mono: () => performance.now() as Mono, wall: () => Date.now() as Wall }

/**
 * Starts a daemon: it answers on its socket when this resolves, and comes up by itself if its owner wants it up.
 *
 * @throws MeshError with what could not be opened
 */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { log, version } = options
  const closers: (() => unknown)[] = []
  const close = async (): Promise<void> => {
    for (const each of closers.splice(0).reverse()) await each()
  }
  try {
    const ceiling = openCeiling(options.ceiling)
    if (ceiling.file !== '') log.write(`bounded by ${ceiling.file}: ${[...ceiling.forbids].join(', ') || 'c2n only'}`)
    // Before anything that another daemon may have is touched; let go last.
    for (const lock of await takeState(options)) closers.push(() => lock.close())
    const store = openState(options.state)
    const { random: dice } = nodePrimitives
    const machine = machineKeyIn(store.state, dice)
    store.write(machine.writes)
    const profiles = new Profiles(store.state, dice, (prefs) => underCeiling(ceiling, prefs))
    const tun = openTun({ name: options.tun })
    closers.push(() => tun.close())
    const host = await Host.open({ folder: options.stateDir, device: tun.name })
    const ownKey = machineKeyFor(nodePrimitives, machine.key)
    const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest()
    const node = new LiveNode({
      primitives: nodePrimitives,
      clocks,
      store,
      profiles,
      machineKey: machine.key,
      mapFile: join(options.stateDir, 'netmap.cache'),
      tun,
      host,
      port: options.port,
      version,
      // Public, and the same as long as the machine is.
      logId: hex(sha256(utf8(`log of ${ownKey}`))),
      ceiling,
      answerC2n: (request, timeoutMs) => {
        const failed = (error: unknown): void => log.write(`c2n: ${(error as Error).stack ?? String(error)}`)
        return answerServer({ backend, ceiling, random: dice, failed }, request, timeoutMs)
      },
      bus: new Bus(version),
      health: new Health(sha256),
      log: (line) => log.write(line),
    })
    closers.push(() => node.close())
    const backend: Backend = new DaemonBackend(node, log, options.asked)
    const api: LocalApiSocket = await openLocalApi({
      path: options.socket,
      backend,
      owners: () => {
        const operator = operatorUid(profiles.prefs.OperatorUser)
        return { ownUid: process.getuid?.() ?? 0, ...(operator === undefined ? {} : { operatorUid: operator }) }
      },
      failed: (error) => log.write(`local API: ${(error as Error).stack ?? String(error)}`),
    })
    closers.push(() => api.close())
    const monitor = new NetworkMonitor({
      device: tun.name,
      on: (change) => {
        if (change === 'network') node.networkChanged()
        else node.tunnel.rulesChanged().catch((error: unknown) => log.write(`rules: ${(error as Error).message}`))
      },
    })
    closers.push(() => monitor.close())
    const looking = setInterval(() => {
      node.tunnel.checkFirewall().catch((error: unknown) => log.write(`firewall: ${(error as Error).message}`))
    }, FIREWALL_LOOK_MS)
    closers.push(() => clearInterval(looking))
    node.resume()
    log.write(`settd ${version} answers on ${options.socket}; device ${tun.name}`)
    return { close }
  } catch (error) {
    await close()
    throw error
  }
}

/** @throws MeshError `store/unavailable` where another daemon has one of the two */
async function takeState({ state, stateDir }: DaemonOptions): Promise<readonly StateLock[]> {
  const busy = (what: string, flag: string): MeshError =>
    new MeshError(
      'store/unavailable',
      `Cannot start: another settd has state ${what}. Stop it, or give this one a ${flag} of its own`,
    )
  const folder = await lockFolder(stateDir)
  if (folder === undefined) throw busy(`folder ${stateDir}`, '--statedir')
  if (isInMemory(state)) return [folder]
  try {
    const file = await lockStateFile(state)
    if (file === undefined) throw busy(`file ${state}`, '--state')
    return [folder, file]
  } catch (error) {
    folder.close()
    throw error
  }
}
