/**
 * A machine of the lab with our daemon on it: its life, its command line, what it says of itself, and what it has
 * changed of its machine. Which machines there are and how they are wired is tailnet.ts.
 */

import { readdirSync, readFileSync } from 'node:fs'
import { request } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { SETT } from '../support/server.ts'
import type { Namespace } from './namespace.ts'
import type { LabProcess } from './process.ts'

const SETTD = fileURLToPath(new URL('../../bin/settd', import.meta.url))
/** Of a daemon's UDP sockets, so that tests can say where it is. */
export const PORT = 41_641

/** What `sett status --json` says, as far as tests look at it. */
export interface Status {
  readonly BackendState: string
  readonly AuthURL: string
  readonly Health: readonly string[]
  readonly Self: {
    readonly TailscaleIPs: readonly string[] | null
    readonly Online: boolean
    readonly Addrs: readonly string[] | null
  }
  readonly Peer: { readonly [key: string]: PeerStatus } | null
}

export interface PeerStatus {
  readonly HostName: string
  readonly TailscaleIPs: readonly string[] | null
  readonly Online: boolean
  readonly Expired?: boolean
  readonly PeerAPIURL?: readonly string[] | null
  /** Where packets go, where they go directly; else empty. */
  readonly CurAddr: string
  readonly RxBytes: number
  readonly TxBytes: number
}

export interface MachineOptions {
  /** The daemon, where it is not this clone's. */
  readonly settd?: string
  readonly sett?: string
  readonly env?: Readonly<Record<string, string>>
}

export class Machine {
  readonly where: Namespace
  readonly socket: string
  readonly #options: MachineOptions
  daemon: LabProcess | undefined

  constructor(where: Namespace, options: MachineOptions = {}) {
    this.where = where
    this.socket = `${where.dir}/settd.sock`
    this.#options = options
  }

  get name(): string {
    return this.where.name
  }

  /** Starts the daemon; resolves when it answers. */
  async start(): Promise<void> {
    const { where, socket } = this
    const { settd = SETTD, env } = this.#options
    const args = ['--statedir', `${where.dir}/state`, '--socket', socket, '--port', String(PORT)]
    // A namespace has no certificates of the machine's own to offer.
    this.daemon = where.spawn(settd, args, { name: 'settd', env: { NODE_EXTRA_CA_CERTS: '', ...env } })
    await this.daemon.waitFor(/answers on/)
  }

  /** Ends the daemon as its service manager does; rejects when that takes force. */
  async stop(): Promise<void> {
    if ((await this.daemon?.stop('SIGTERM')) === false)
      throw new Error(`${this.name}: the daemon did not end; it said last:\n${this.daemon?.output.slice(-3000)}`)
  }

  /** As a power failure ends it. */
  async kill(): Promise<void> {
    await this.daemon?.stop('SIGKILL')
  }

  sett(...args: string[]): Promise<string> {
    return this.where.exec(this.#options.sett ?? SETT, ['--socket', this.socket, ...args], { timeoutMs: 60_000 })
  }

  /** Begins a command that waits for something. */
  begin(...args: string[]): LabProcess {
    const all = ['--socket', this.socket, ...args]
    return this.where.spawn(this.#options.sett ?? SETT, all, { name: `sett ${args[0] ?? ''}` })
  }

  /** Joins a network under the machine's own name. */
  async up(login: { readonly url: string; readonly key: string }, ...more: string[]): Promise<void> {
    const flags = [`--login-server=${login.url}`, `--auth-key=${login.key}`, `--hostname=${this.name}`, '--timeout=40s']
    await this.sett('up', ...flags, ...more).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${this.daemon?.output.slice(-3000)}`)
    })
  }

  /** Asked over the daemon's socket: a poll must not cost a process each time. */
  async status(): Promise<Status> {
    return JSON.parse(await this.local('GET', 'status')) as Status
  }

  /** A request to the daemon's own API. */
  local(method: 'GET' | 'POST', path: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const headers = { host: 'local-tailscaled.sock' }
      const url = { socketPath: this.socket, method, path: `/localapi/v0/${path}`, headers }
      const call = request({ ...url, agent: false, timeout: 10_000 }, (answer) => {
        let text = ''
        answer.setEncoding('utf8')
        answer.on('data', (piece: string) => (text += piece))
        answer.on('error', reject)
        answer.on('end', () => {
          if (answer.statusCode === 200 || answer.statusCode === 204) resolve(text)
          else reject(new Error(`${this.name}: ${path}: ${answer.statusCode} ${text}`))
        })
      })
      call.on('timeout', () => call.destroy(new Error(`${this.name}: no answer in 10 s`)))
      call.on('error', reject)
      call.end()
    })
  }

  /** Its own addresses in the tailnet. */
  async addresses(): Promise<{ readonly four: string; readonly six: string }> {
    const [four = '', six = ''] = (await this.status()).Self.TailscaleIPs ?? []
    return { four, six }
  }

  /** What it says of a peer; `undefined` where it knows of none. */
  async peer(hostName: string): Promise<PeerStatus | undefined> {
    return Object.values((await this.status()).Peer ?? {}).find(({ HostName }) => HostName === hostName)
  }

  /** Resolves once the status is as wanted. */
  async until(what: string, holds: (status: Status) => boolean): Promise<Status> {
    let last: Status | undefined
    for (const end = performance.now() + 15_000; performance.now() < end; await wait(50)) {
      last = await this.status()
      if (holds(last)) return last
    }
    throw new Error(`${this.name}: never ${what}: ${JSON.stringify(last)}\n${this.daemon?.output.slice(-3000)}`)
  }

  /** What starts it turns into it: there is one process. */
  get pid(): number {
    const { child } = this.daemon ?? {}
    if (child?.pid === undefined) throw new Error(`${this.name}: no daemon runs`)
    return child.pid
  }

  /** Memory that the daemon occupies, in bytes. */
  memory(): number {
    const pages = Number(readFileSync(`/proc/${this.pid}/statm`, 'latin1').split(' ')[1])
    return pages * PAGE_BYTES
  }

  /** Processor time that the daemon has taken, in milliseconds. */
  cpu(): number {
    // In nanoseconds, by thread; the ticks of `stat` are too coarse for one that does next to nothing.
    const threads = `/proc/${this.pid}/task`
    return readdirSync(threads).reduce((sum, thread) => {
      const [ns = '0'] = readFileSync(`${threads}/${thread}/schedstat`, 'latin1').split(' ')
      return sum + Number(ns) / 1e6
    }, 0)
  }

  /** What a node changes of its machine, as the kernel shows it. */
  async traces(): Promise<string> {
    const { where } = this
    const [rules4, rules6, routes4, routes6, nft] = await Promise.all([
      where.ip('-4', 'rule', 'show'),
      where.ip('-6', 'rule', 'show'),
      where.ip('-4', 'route', 'show', 'table', 'all'),
      where.ip('-6', 'route', 'show', 'table', 'all'),
      where.exec('nft', ['list', 'ruleset']),
    ])
    // What the kernel makes by itself for a device that is there belongs to nobody.
    const own = (routes: string): string[] => routes.split('\n').filter((line) => !/dev (sett0|eth0)/.test(line))
    return JSON.stringify([rules4, rules6, own(routes4), own(routes6), nft], undefined, 1)
  }
}

/** Of x64 and of most arm64 machines. */
const PAGE_BYTES = 4096
