/**
 * A real `bin/sett coord` for tests: started, asked over its admin socket, stopped, killed and started again.
 *
 * It runs in a namespace of a lab or, without one, on this machine's loopback. What a test expects of it is the
 * test's matter.
 */
import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { request } from 'node:http'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import type { Namespace } from '../lab/namespace.ts'
import { LabProcess } from '../lab/process.ts'

const run = promisify(execFile)

/** The command that a clone offers to people. */
export const SETT = fileURLToPath(new URL('../../bin/sett', import.meta.url))

/** What the server prints for whoever wants to join: the address and a fresh key. */
const READY = /tailscale up --login-server[ =](\S+) --auth-key[ =](\S+)/

export type KeyOptions = {
  readonly reusable?: boolean
  readonly ephemeral?: boolean
  readonly preauthorized?: boolean
  readonly tags?: readonly string[]
  readonly expiry?: string
  readonly user?: string
}

/** Keys and devices as API v2 shows them (api-v2.md §6), as far as tests look at them. */
export type Key = { readonly id: string; readonly key: string }
export type Device = {
  readonly id: string
  readonly nodeId: string
  readonly name: string
  readonly hostname: string
  readonly user: string
  readonly addresses: readonly string[]
  readonly nodeKey: string
  readonly machineKey: string
  readonly authorized: boolean
  readonly isEphemeral: boolean
  readonly connectedToControl?: boolean
  readonly keyExpiryDisabled: boolean
  readonly expires: string
  readonly tags?: readonly string[]
}

export type ServerOptions = {
  readonly dir: string
  /** The address that clients reach it at, without scheme and port. */
  readonly host?: string
  /** The address that it listens on, where that is not `host`. */
  readonly listen?: string
  readonly port?: number
  /** What clients are told, where that is not `http://host:port`, as behind a proxy. */
  readonly url?: string
  readonly relayPort?: number
  readonly stunPorts?: readonly [number, number]
  /** Further flags of `sett coord`. */
  readonly args?: readonly string[]
  readonly namespace?: Namespace
  readonly log?: string
}

export class TestServer {
  readonly url: string
  readonly socket: string
  readonly #options: ServerOptions
  #process: LabProcess | undefined
  /** The key that the server offered when it was last started. */
  offeredKey = ''

  private constructor(options: ServerOptions) {
    this.#options = options
    this.url = options.url ?? `http://${options.host ?? '127.0.0.1'}:${options.port ?? 8080}`
    this.socket = `${options.dir}/admin.sock`
  }

  static async start(options: ServerOptions): Promise<TestServer> {
    await mkdir(options.dir, { recursive: true, mode: 0o700 })
    const made = new TestServer(options)
    await made.start()
    return made
  }

  /** Starts the server on its data folder and resolves once it offers a key to join with. */
  async start(): Promise<void> {
    const {
      dir,
      host = '127.0.0.1',
      port = 8080,
      relayPort = 8443,
      stunPorts = [3478, 3479],
      namespace,
    } = this.#options
    const at = this.#options.listen ?? host
    const args = ['coord', '--listen', `${at}:${port}`, '--data', dir, '--url', this.url, '--log-format', 'json']
    args.push(
      '--relay-listen',
      `${host}:${relayPort}`,
      '--stun-listen',
      stunPorts.map((each) => `${at}:${each}`).join(','),
    )
    args.push(...(this.#options.args ?? []))
    // A namespace has no certificates of the machine's own to offer.
    const env = { NODE_EXTRA_CA_CERTS: '' }
    const options = { name: 'sett-coord', env, log: this.#options.log ?? `${dir}/coord.log` }
    this.#process = namespace === undefined ? new LabProcess(SETT, args, options) : namespace.spawn(SETT, args, options)
    const offer = await this.#process.waitFor(READY)
    this.offeredKey = offer[2] ?? ''
  }

  get output(): string {
    return this.#process?.output ?? ''
  }

  get pid(): number {
    return this.#process?.child.pid ?? -1
  }

  get alive(): boolean {
    return this.#process?.alive ?? false
  }

  /** Asks the server to end and waits until it has; rejects when it does not within ten seconds. */
  async stop(): Promise<void> {
    const willing = await this.#process?.stop('SIGTERM')
    if (willing === false)
      throw new Error(`the server did not end on SIGTERM; it said last:\n${this.output.slice(-2000)}`)
  }

  /** Ends the server with SIGKILL, as a power failure would. */
  async kill(): Promise<void> {
    await this.#process?.stop('SIGKILL')
  }

  /** `sett admin …` over the socket in the data folder; returns what it prints. */
  async admin(...args: string[]): Promise<string> {
    return (await run(SETT, ['admin', '--socket', this.socket, ...args], { timeout: 20_000 })).stdout
  }

  /** `sett admin … --json`, parsed. */
  async adminJson<T>(...args: string[]): Promise<T> {
    const text = await this.admin(...args, '--json')
    try {
      return JSON.parse(text) as T
    } catch (cause) {
      throw new Error(`sett admin ${args.join(' ')} --json printed no JSON: ${text.slice(0, 300)}`, { cause })
    }
  }

  /** Approves the login behind the link that a client shows. */
  async approveLogin(url: string, user: string): Promise<void> {
    await this.admin('login', 'approve', new URL(url).pathname.split('/').at(-1) ?? '', '--user', user)
  }

  async createKey(options: KeyOptions = {}): Promise<Key> {
    const args = ['keys', 'create']
    if (options.reusable === true) args.push('--reusable')
    if (options.ephemeral === true) args.push('--ephemeral')
    if (options.preauthorized === true) args.push('--preauthorized')
    if (options.tags !== undefined) args.push('--tags', options.tags.join(','))
    if (options.expiry !== undefined) args.push('--expiry', options.expiry)
    if (options.user !== undefined) args.push('--user', options.user)
    return this.adminJson<Key>(...args)
  }

  /** All devices, asked over the REST API: a poll must not cost a process each time. */
  async devices(): Promise<readonly Device[]> {
    const answer = await this.api<{ devices: Device[] }>('GET', '/api/v2/tailnet/-/devices?fields=all')
    return answer.devices
  }

  /** The one device whose short name (or reported host name, where `by` says so) is `name`. */
  async device(name: string, by: 'name' | 'hostname' = 'name'): Promise<Device> {
    const all = await this.devices()
    const found = all.filter((each) => (by === 'name' ? each.name.split('.')[0] : each.hostname) === name)
    if (found.length !== 1 || found[0] === undefined) {
      throw new Error(
        `want one device ${name}, there are ${found.length} among ${all.map((each) => each.name).join(' ')}`,
      )
    }
    return found[0]
  }

  /** One call of the REST API over the admin socket; throws with status and body when refused. */
  async api<T>(method: string, path: string, body?: unknown): Promise<T> {
    const { status, text } = await new Promise<{ status: number; text: string }>((resolve, reject) => {
      const headers = {
        accept: 'application/json',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      }
      const call = request(
        { socketPath: this.socket, method, path, headers, agent: false, timeout: 10_000 },
        (answer) => {
          let text = ''
          answer.setEncoding('utf8')
          answer.on('data', (piece: string) => (text += piece))
          answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }))
          answer.on('error', reject)
        },
      )
      call.on('timeout', () => call.destroy(new Error(`${method} ${path}: no answer in 10 s`)))
      call.on('error', reject)
      call.end(body === undefined ? undefined : JSON.stringify(body))
    })
    if (status < 200 || status > 299) throw new Error(`${method} ${path}: ${status} ${text}`)
    return (text === '' ? undefined : JSON.parse(text)) as T
  }
}
