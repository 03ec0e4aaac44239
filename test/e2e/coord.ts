/**
 * A real `sett coord` on free ports of the loopback, with the ways in that a test needs: the admin socket, plain HTTP,
 * and the database file beside it.
 */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import type { IncomingHttpHeaders, RequestOptions } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Program, SETT } from './program.ts'
import type { End } from './program.ts'

/** What the server prints for whoever wants to join. */
const READY = /tailscale up --login-server (\S+) --auth-key (\S+)/

export interface CoordOptions {
  readonly level?: 'trace' | 'debug' | 'info'
  readonly format?: 'json' | 'text'
  /** Further flags of `sett coord`. */
  readonly args?: readonly string[]
  /** Where its data is, when not in a folder of its own that goes with it. */
  readonly data?: string
  readonly command?: string
  readonly env?: Readonly<Record<string, string | undefined>>
}

export interface Told {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

export interface Asking {
  /** An API token. */
  readonly token?: string | undefined
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** A record of the database, as text. */
export interface DumpedRecord {
  readonly tailnet: number
  readonly kind: string
  readonly id: string
  readonly value: string
}

/** `args`, and before them the usual flags that they do not say themselves. */
export function withUsual(usual: Readonly<Record<string, string>>, args: readonly string[]): string[] {
  const missing = Object.entries(usual).filter(([name]) => !args.includes(`--${name}`))
  return [...missing.flatMap(([name, value]) => [`--${name}`, value]), ...args]
}

export class Coord {
  readonly folder: string
  /** Where its keys, database and socket are. */
  readonly data: string
  readonly #options: CoordOptions
  #ports: readonly string[] = ['127.0.0.1:0', '127.0.0.1:0', '127.0.0.1:0,127.0.0.1:0']
  program!: Program
  url = ''
  /** The key that it offered when it was last started. */
  offeredKey = ''
  relayPort = 0
  stunPorts: readonly number[] = []
  /** What earlier processes on this folder logged. */
  #logBefore = ''

  private constructor(options: CoordOptions) {
    this.#options = options
    this.folder = mkdtempSync(join(tmpdir(), 'sett-e2e-'))
    this.data = options.data ?? join(this.folder, 'data')
  }

  static async start(options: CoordOptions = {}): Promise<Coord> {
    const coord = new Coord(options)
    try {
      await coord.start()
    } catch (error) {
      await coord.remove()
      throw error
    }
    return coord
  }

  /** Starts it, again if need be, on its folder and its ports; resolves when it offers a key to join with. */
  async start(): Promise<void> {
    const { level = 'info', format = 'json', command = SETT, args = [], env = {} } = this.#options
    if (this.program !== undefined) this.#logBefore += this.program.err
    const [listen = '', relay = '', stun = ''] = this.#ports
    const usual = { data: this.data, listen, 'relay-listen': relay, 'stun-listen': stun }
    const flags = withUsual({ ...usual, 'log-level': level, 'log-format': format }, args)
    this.program = new Program(command, ['coord', ...flags], { env })
    const offer = await this.program.says(READY)
    this.url = offer[1] ?? ''
    this.offeredKey = offer[2] ?? ''
    const said = format === 'json' ? /"relay":(\d+),"stun":\[(\d+),(\d+)\]/ : / relay=(\d+) stun=\[(\d+),(\d+)\]/
    const [, relayPort, stun1, stun2] = await this.program.says(said, { in: 'err' })
    this.relayPort = Number(relayPort)
    this.stunPorts = [Number(stun1), Number(stun2)]
    this.#ports = [
      `127.0.0.1:${new URL(this.url).port}`,
      `127.0.0.1:${relayPort}`,
      `127.0.0.1:${stun1},127.0.0.1:${stun2}`,
    ]
  }

  get socket(): string {
    return join(this.data, 'admin.sock')
  }

  get port(): number {
    return Number(new URL(this.url).port)
  }

  /** The relay's certificate, PEM. */
  get certificate(): string {
    const pem = readFileSync(join(this.data, 'relay-certificate.pem'), 'utf8')
    return /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/.exec(pem)?.[0] ?? ''
  }

  /** Everything that it has logged since its first start. */
  get log(): string {
    return this.#logBefore + this.program.err
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<End> {
    return await this.program.end(signal)
  }

  /** Ends it, if it still runs, and removes its folder. */
  async remove(): Promise<void> {
    if (this.program?.alive) await this.stop('SIGKILL')
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** One request over TCP. `path` is whole. */
  http(method: string, path: string, asking: Asking = {}): Promise<Told> {
    return ask({ host: '127.0.0.1', port: this.port, method, path }, asking)
  }

  /** One call of the REST API by the server's administrator; `path` is below `/api/v2`. Throws when refused. */
  async admin<T = Record<string, unknown>>(method: string, path: string, body?: unknown): Promise<T> {
    const told = await ask({ socketPath: this.socket, method, path: `/api/v2${path}` }, { body })
    if (told.status !== 200) throw new Error(`${method} ${path}: ${told.status} ${told.text}`)
    return (told.text === '' ? undefined : JSON.parse(told.text)) as T
  }

  async createKey(tailnet = '-', create: object = { reusable: true }, more: object = {}): Promise<string> {
    const body = { capabilities: { devices: { create } }, ...more }
    return (await this.admin<{ key: string }>('POST', `/tailnet/${tailnet}/keys`, body)).key
  }

  async createToken(tailnet = '-', more: object = {}): Promise<string> {
    return (await this.admin<{ key: string }>('POST', `/sett/tailnet/${tailnet}/tokens`, more)).key
  }

  /** All records in its SQLite database, read beside it. */
  dump(): DumpedRecord[] {
    const sql = 'SELECT tailnet, kind, id, value FROM records ORDER BY tailnet, kind, id'
    return this.#read((db) => db.prepare(sql).all()) as unknown as DumpedRecord[]
  }

  /** The number of a tailnet's last change. */
  head(tailnet: number): number {
    return this.#read((db) => Number(db.prepare('SELECT seq FROM heads WHERE tailnet = ?').get(tailnet)?.['seq'] ?? 0))
  }

  #read<T>(look: (db: DatabaseSync) => T): T {
    const db = new DatabaseSync(join(this.data, 'sett.db'), { readOnly: true })
    try {
      return look(db)
    } finally {
      db.close()
    }
  }

  /** One sample of its metrics; 0 when there is none of that name. */
  async metric(name: string): Promise<number> {
    const { text } = await this.http('GET', '/metrics')
    const line = text.split('\n').find((each) => each.startsWith(`${name} `))
    return Number(line?.slice(name.length + 1) ?? 0)
  }

  /** Resident memory now, in bytes. */
  memory(): number {
    const status = readFileSync(`/proc/${this.program.pid}/status`, 'utf8')
    return Number(/^VmRSS:\s*(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024
  }
}

/** One request on a connection of its own. */
export function ask(where: RequestOptions, { token, body, headers = {} }: Asking = {}): Promise<Told> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body)
    const all = {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(text === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) }),
      ...headers,
    }
    const call = request({ ...where, headers: all, agent: false, timeout: 20_000 }, (answer) => {
      let said = ''
      answer.setEncoding('utf8')
      answer.on('data', (piece: string) => (said += piece))
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text: said }))
      answer.on('error', reject)
    })
    call.on('timeout', () => call.destroy(new Error(`${where.method} ${where.path}: no answer`)))
    call.on('error', reject)
    call.end(text)
  })
}
