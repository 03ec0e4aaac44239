/**
 * Hears of changes in the machine's network: one `ip monitor` for as long as the daemon runs. What they are is looked
 * up anew by whoever is told; what we do ourselves is not told.
 */

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { TABLE } from '../../routes/host-plan.ts'

export type NetworkChange =
  /** Addresses, routes or devices of others. */
  | 'network'
  /** Somebody has deleted policy rules, maybe ours. */
  | 'rules'

export interface MonitorOptions {
  /** The TUN device, whose changes are ours. */
  readonly device: string
  readonly on: (change: NetworkChange) => void
  /** Changes come in flocks; they are told when it has been quiet for so long, or four times as long has passed. */
  readonly settleMs?: number
}

/** How long others have to finish what they do to rules, before it is repaired. (node.md §4.1) */
const SETTLE_MS = 250
const RESTART_MS = 1000

/** What a line of `ip -o monitor` tells, if anything. */
export function changeIn(line: string, device: string): NetworkChange | undefined {
  const isDeleted = line.startsWith('Deleted ')
  // Rules are the only lines that begin with their priority.
  const rule = /^(?:Deleted )?\d+:\s+(?:not )?from /.test(line)
  if (rule) return isDeleted ? 'rules' : undefined
  if (line.trim() === '' || line.startsWith(' ') || line.startsWith('\t')) return undefined
  if (new RegExp(String.raw`\btable ${TABLE}\b`).test(line)) return undefined
  const name = device.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
  return new RegExp(String.raw`(?:^|\s)(?:dev )?${name}(?:[:\s@]|$)`).test(line) ? undefined : 'network'
}

export class NetworkMonitor {
  readonly #device: string
  readonly #on: (change: NetworkChange) => void
  readonly #settleMs: number
  readonly #heard = new Set<NetworkChange>()
  #child: ChildProcess | undefined
  #settling: NodeJS.Timeout | undefined
  #restarting: NodeJS.Timeout | undefined
  #firstAt = 0
  #closed = false

  constructor({ device, on, settleMs = SETTLE_MS }: MonitorOptions) {
    this.#device = device
    this.#on = on
    this.#settleMs = settleMs
    this.#start()
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#settling)
    clearTimeout(this.#restarting)
    this.#child?.kill('SIGKILL')
  }

  #start(): void {
    const child = spawn('ip', ['-o', 'monitor', 'link', 'address', 'route', 'rule'], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin`, LC_ALL: 'C' },
    })
    this.#child = child
    child.once('error', () => this.#startAgain())
    child.once('exit', () => this.#startAgain())
    // With no file descriptors left there is no pipe, and no program at its end.
    const { stdout } = child as Partial<typeof child>
    if (stdout === undefined) return
    createInterface({ input: stdout }).on('line', (line) => this.#hear(changeIn(line, this.#device)))
  }

  /** It ends when its buffer overflows, for one; what it has missed then is anybody's guess. */
  #startAgain(): void {
    if (this.#closed || this.#restarting !== undefined) return
    this.#restarting = setTimeout(() => {
      this.#restarting = undefined
      this.#start()
      this.#hear('network')
      this.#hear('rules')
    }, RESTART_MS)
  }

  #hear(change: NetworkChange | undefined): void {
    if (change === undefined || this.#closed) return
    const now = performance.now()
    if (this.#heard.size === 0) this.#firstAt = now
    this.#heard.add(change)
    const left = this.#firstAt + 4 * this.#settleMs - now
    clearTimeout(this.#settling)
    this.#settling = setTimeout(() => this.#tell(), Math.max(0, Math.min(this.#settleMs, left)))
  }

  #tell(): void {
    const heard = [...this.#heard]
    this.#heard.clear()
    for (const change of heard) this.#on(change)
  }
}
