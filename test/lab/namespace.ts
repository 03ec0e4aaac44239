/**
 * One network namespace: programs run in it, its addresses, firewall and settings.
 *
 * Each has its own /etc with nobody to ask about names, so that a program that rewrites resolv.conf rewrites only
 * its own, and a name that is not in the lab fails at once instead of after a time-out.
 */
import { execFile } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { LabProcess, type RunOptions } from './process.ts'

const run = promisify(execFile)

/** Files of the machine's /etc that programs need to find users, protocols and the system's name. */
const KEPT_OF_ETC = ['passwd', 'group', 'nsswitch.conf', 'protocols', 'services', 'os-release', 'mime.types']

export class Namespace {
  readonly name: string
  /** The name that the kernel's tools know it by. */
  readonly id: string
  /** A folder for its programs' state and logs. */
  readonly dir: string
  readonly #etc: string
  readonly #processes = new Set<LabProcess>()

  private constructor(name: string, id: string, dir: string) {
    this.name = name
    this.id = id
    this.dir = dir
    this.#etc = join(dir, 'etc')
  }

  static async create(name: string, id: string, dir: string): Promise<Namespace> {
    await run('ip', ['netns', 'add', id])
    const made = new Namespace(name, id, dir)
    mkdirSync(made.#etc)
    for (const file of KEPT_OF_ETC) if (existsSync(`/etc/${file}`)) copyFileSync(`/etc/${file}`, join(made.#etc, file))
    // Without it, programs look for their time zone among all that there are, for 50 ms.
    symlinkSync('/usr/share/zoneinfo/Etc/UTC', join(made.#etc, 'localtime'))
    writeFileSync(join(made.#etc, 'resolv.conf'), '')
    writeFileSync(join(made.#etc, 'hostname'), `${name}\n`)
    writeFileSync(join(made.#etc, 'hosts'), `127.0.0.1 localhost ${name}\n`)
    await made.ip('link', 'set', 'lo', 'up')
    return made
  }

  /** Adds a line to this namespace's own /etc/hosts. */
  addHost(address: string, ...names: string[]): void {
    writeFileSync(join(this.#etc, 'hosts'), `${address} ${names.join(' ')}\n`, { flag: 'a' })
  }

  async ip(...args: string[]): Promise<string> {
    return (await run('ip', ['-n', this.id, ...args])).stdout
  }

  /** Loads `rules` (nft's own language) on top of what is there. */
  async nft(rules: string): Promise<void> {
    await this.exec('nft', [rules])
  }

  async setSysctl(path: string, value: string): Promise<void> {
    await this.exec('sh', ['-c', `echo ${value} > /proc/sys/${path}`])
  }

  /** Runs a program to its end and returns its standard output; rejects when it fails. */
  async exec(command: string, args: readonly string[] = [], options: { timeoutMs?: number } = {}): Promise<string> {
    const done = await run('nsenter', this.#inside(command, args), {
      timeout: options.timeoutMs ?? 30_000,
      maxBuffer: 32 << 20,
    })
    return done.stdout
  }

  /** Starts a program; it is killed when the lab closes and when this process dies. */
  spawn(
    command: string,
    args: readonly string[],
    options: RunOptions & { name?: string; onLine?: (line: string) => void } = {},
  ): LabProcess {
    const started = new LabProcess('setpriv', ['--pdeathsig', 'KILL', 'nsenter', ...this.#inside(command, args)], {
      name: `${this.name}: ${command}`,
      log: join(this.dir, `${options.name ?? command.replace(/.*\//, '')}.log`),
      ...options,
    })
    this.#processes.add(started)
    void started.ended.then(() => this.#processes.delete(started))
    return started
  }

  /** Drops all UDP on the cables (and between programs here), as strict firewalls do, until `allowUdp`. */
  async blockUdp(): Promise<void> {
    const drop = (which: string): string => `${which} { "eth0", "lo" } meta l4proto udp counter drop;`
    await this.nft(`
      table inet no_udp {
        chain out { type filter hook output priority -10; ${drop('oifname')} }
        chain in { type filter hook input priority -10; ${drop('iifname')} }
      }`)
  }

  async allowUdp(): Promise<void> {
    await this.nft('delete table inet no_udp')
  }

  async close(): Promise<void> {
    // All that runs here, and what that has started itself.
    const pids = (await run('ip', ['netns', 'pids', this.id])).stdout.split('\n').filter((pid) => pid !== '')
    for (const pid of pids) {
      try {
        process.kill(Number(pid), 'SIGKILL')
      } catch {
        // It ended between the listing and now.
      }
    }
    await Promise.all([...this.#processes].map((each) => each.stop('SIGKILL')))
    await run('ip', ['netns', 'delete', this.id])
  }

  #inside(command: string, args: readonly string[]): string[] {
    const mount = 'mount --bind "$0" /etc && exec "$@"'
    return [`--net=/run/netns/${this.id}`, 'unshare', '--mount', 'sh', '-c', mount, this.#etc, command, ...args]
  }
}
