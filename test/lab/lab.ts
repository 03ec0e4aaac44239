/**
 * A network of real kernels on one machine: namespaces, cables, switches and routers with NAT, for tests.
 *
 * Nothing in it has a way out: there is no route to the machine's own network, so a program that would call home
 * cannot. Everything goes when the lab closes, when the process ends, and, after a crash, when the next lab opens:
 * names carry the number of the process that owns them. What is done inside one namespace is namespace.ts.
 */
import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { Namespace } from './namespace.ts'
import { isAlive } from './process.ts'

const run = promisify(execFile)

/** `ip` with these arguments; the message of a failure names the command. */
export async function ip(...args: string[]): Promise<string> {
  return (await run('ip', args)).stdout
}

/** A switch: whatever is plugged into it hears each other. */
export type Segment = { readonly hub: Namespace; readonly bridge: string }

export type Cable = {
  /** Pulls the cable: both ends lose their carrier. */
  pull(): Promise<void>
  plug(): Promise<void>
}

/**
 * How a router hides what is behind it. Both drop what nobody inside asked for; `easy` keeps the port of a
 * connection where it can, `hard` picks a new one for each destination.
 */
export type Nat = 'easy' | 'hard'

const FOLDER = 'sett-lab-'

let labsOpened = 0

export class Lab {
  readonly #prefix: string
  readonly #namespaces = new Map<string, Namespace>()
  readonly #atExit: () => void
  readonly #onSignal: (signal: NodeJS.Signals) => void
  #cables = 0
  #segments = 0
  #open = true
  /** A folder of this lab's own for state and logs; it goes with the lab unless `keepFiles` was called. */
  readonly dir: string
  #keep = process.env['SETT_LAB_KEEP'] === '1'

  private constructor(dir: string) {
    this.dir = dir
    this.#prefix = `sett-${process.pid}-${(labsOpened += 1)}-`
    this.#atExit = () => this.#closeNow()
    this.#onSignal = (signal) => {
      this.#closeNow()
      process.kill(process.pid, signal)
    }
    process.once('exit', this.#atExit)
    process.once('SIGINT', this.#onSignal)
    process.once('SIGTERM', this.#onSignal)
  }

  /** Opens an empty lab, after clearing away what labs of processes that are gone have left. */
  static async open(): Promise<Lab> {
    await sweep()
    return new Lab(await mkdtemp(join(tmpdir(), `${FOLDER}${process.pid}-`)))
  }

  /** A new namespace with loopback and nothing else. */
  async namespace(name: string): Promise<Namespace> {
    const made = await Namespace.create(name, this.#prefix + name, mkdtempSync(join(this.dir, `${name}-`)))
    this.#namespaces.set(name, made)
    return made
  }

  /** A new switch. All switches of a lab live in one namespace of their own, which has no address. */
  async segment(): Promise<Segment> {
    const hub = this.#namespaces.get('hub') ?? (await this.namespace('hub'))
    const bridge = `br${(this.#segments += 1)}`
    await hub.ip('link', 'add', bridge, 'type', 'bridge')
    await hub.ip('link', 'set', bridge, 'up')
    return { hub, bridge }
  }

  /**
   * Plugs `member` into `segment` as its interface `device`, with an address such as '198.51.100.10/24', and with a
   * default route through `gateway` if one is given.
   */
  async plug(
    member: Namespace,
    segment: Segment,
    address: string,
    options: { device?: string; gateway?: string } = {},
  ): Promise<Cable> {
    const device = options.device ?? 'eth0'
    const port = `port${(this.#cables += 1)}`
    await ip('link', 'add', device, 'netns', member.id, 'type', 'veth', 'peer', 'name', port, 'netns', segment.hub.id)
    await segment.hub.ip('link', 'set', port, 'master', segment.bridge, 'up')
    await member.ip('address', 'add', address, 'dev', device)
    await member.ip('link', 'set', device, 'up')
    if (options.gateway !== undefined) await member.ip('route', 'add', 'default', 'via', options.gateway)
    return {
      pull: async () => void (await segment.hub.ip('link', 'set', port, 'down')),
      plug: async () => void (await segment.hub.ip('link', 'set', port, 'up')),
    }
  }

  /**
   * A router between `outside`, where it has the address `address`, and a new switch inside, where it is
   * `gateway` ('10.0.1.1/24'). Plug members into the switch it returns with that gateway.
   */
  async router(
    name: string,
    outside: Segment,
    address: string,
    gateway: string,
    nat: Nat,
  ): Promise<{ router: Namespace; inside: Segment }> {
    const router = await this.namespace(name)
    const inside = await this.segment()
    await this.plug(router, outside, address)
    await this.plug(router, inside, gateway, { device: 'lan0' })
    await router.setSysctl('net/ipv4/ip_forward', '1')
    // Unasked packets to the router itself are dropped before conntrack confirms them: it would remember the flow
    // and the masquerade would then have to pick another port for the same pair.
    await router.nft(`
      table ip lab {
        chain leaving { type nat hook postrouting priority srcnat; oifname "eth0" masquerade ${nat === 'hard' ? 'fully-random' : ''}; }
        chain itself { type filter hook input priority filter; iifname "eth0" ct state new drop; }
        chain through { type filter hook forward priority filter; iifname "eth0" ct state new drop; }
      }`)
    return { router, inside }
  }

  /** Leaves the lab's folder in place after close, for whoever looks into a failure. */
  keepFiles(): void {
    this.#keep = true
  }

  async close(): Promise<void> {
    if (!this.#open) return
    this.#open = false
    process.removeListener('exit', this.#atExit)
    process.removeListener('SIGINT', this.#onSignal)
    process.removeListener('SIGTERM', this.#onSignal)
    await Promise.all([...this.#namespaces.values()].map((each) => each.close()))
    if (!this.#keep) await rm(this.dir, { recursive: true, force: true, maxRetries: 5 })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #closeNow(): void {
    if (!this.#open) return
    this.#open = false
    for (const each of this.#namespaces.values()) removeNow(each.id)
    if (!this.#keep) rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** Removes the namespaces, with the processes in them, and the folders of test processes that are gone. */
async function sweep(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const owner = name.startsWith(FOLDER) ? /^\d+/.exec(name.slice(FOLDER.length))?.[0] : undefined
    if (owner !== undefined && !isAlive(owner)) await rm(join(tmpdir(), name), { recursive: true, force: true })
  }
  for (const line of (await ip('netns', 'list')).split('\n')) {
    const id = line.split(' ')[0] ?? ''
    const owner = /^sett-(\d+)-/.exec(id)?.[1]
    if (owner !== undefined && !isAlive(owner)) removeNow(id)
  }
}

function removeNow(id: string): void {
  const pids = spawnSync('ip', ['netns', 'pids', id], { encoding: 'utf8' }).stdout ?? ''
  for (const pid of pids.split('\n').filter((text) => text !== '')) {
    try {
      process.kill(Number(pid), 'SIGKILL')
    } catch {
      // It ended between the listing and now.
    }
  }
  spawnSync('ip', ['netns', 'delete', id])
}
