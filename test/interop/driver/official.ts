/** A machine with the official daemon on it: its life, its command line, and what it says of itself. */
import type { Namespace } from '../../lab/namespace.ts'
import type { LabProcess } from '../../lab/process.ts'
import { type Ran, ranIn } from './ran.ts'
import { type PeerStatus, type Status, until } from './tsclient.ts'
import type { World } from './world.ts'

export class Official {
  readonly where: Namespace
  readonly socket: string
  readonly #world: Pick<World, 'built' | 'clientEnv'>
  daemon: LabProcess | undefined

  constructor(where: Namespace, world: Pick<World, 'built' | 'clientEnv'>) {
    this.where = where
    this.socket = `${where.dir}/tailscaled.sock`
    this.#world = world
  }

  get name(): string {
    return this.where.name
  }

  /** Starts the daemon; resolves when it answers. */
  async start(): Promise<void> {
    const { where, socket } = this
    const daemon = where.spawn(
      this.#world.built.tailscaled,
      [
        '--tun=tailscale0',
        `--statedir=${where.dir}/state`,
        `--socket=${socket}`,
        '--port=41641',
        '--no-logs-no-support',
      ],
      { env: { ...this.#world.clientEnv, HOME: where.dir } },
    )
    this.daemon = daemon
    await until(`the daemon on ${this.name}`, async () => {
      if (!daemon.alive) throw new Error(`tailscaled has ended: ${daemon.output.slice(-2000)}`)
      return (await this.run('status', '--json')).code === 0
    })
  }

  /** `tailscale` with these arguments, to its end, whatever that is. */
  run(...args: readonly string[]): Promise<Ran> {
    return ranIn(this.where, this.#world.built.tailscale, [`--socket=${this.socket}`, ...args])
  }

  /** What `tailscale` prints; rejects when it fails. */
  async cli(...args: readonly string[]): Promise<string> {
    const { code, out, err } = await this.run(...args)
    if (code !== 0) throw new Error(`${this.name}: tailscale ${args.join(' ')}: exit ${code}\n${out}${err}`)
    return out
  }

  async up(login: { readonly url: string; readonly key: string }, ...more: readonly string[]): Promise<void> {
    const flags = [`--login-server=${login.url}`, `--auth-key=${login.key}`, `--hostname=${this.name}`, '--timeout=60s']
    await this.cli('up', ...flags, ...more)
  }

  async status(): Promise<Status> {
    return JSON.parse(await this.cli('status', '--json')) as Status
  }

  /** What it says of the peer of that host name. */
  async peer(hostName: string): Promise<PeerStatus | undefined> {
    return Object.values((await this.status()).Peer ?? {}).find(({ HostName }) => HostName === hostName)
  }

  async addresses(): Promise<{ readonly four: string; readonly six: string }> {
    const [four = '', six = ''] = (await this.status()).TailscaleIPs ?? []
    return { four, six }
  }
}
