/** One node of a try: its daemon on its machine, driven by the same command line that a person would type. */

import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { MeshError } from '../../base/errors.ts'
import { LocalClient } from '../../sdk/local-client.ts'
import { here } from '../node/here.ts'
import { main as runSett } from '../node/main.ts'
import { socketTransport } from '../node/socket-transport.ts'
import { Child } from './child.ts'
import type { Machine } from './machines.ts'

const LOOK_EVERY_MS = 50

export class Node {
  readonly machine: Machine
  readonly daemon: Child
  readonly socket: string
  /** In the tailnet; empty until it is up. */
  address = ''

  /** @param settd the command that is the daemon */
  constructor(machine: Machine, settd: readonly string[]) {
    this.machine = machine
    this.socket = join(machine.folder, 'settd.sock')
    const flags = ['--statedir', join(machine.folder, 'state'), '--socket', this.socket]
    this.daemon = new Child(`settd on ${machine.name}`, machine.on([...settd, ...flags]))
  }

  get name(): string {
    return this.machine.name
  }

  async ready(within: number): Promise<void> {
    await this.daemon.says(/ answers on /, within)
  }

  /** @returns its IPv4 address */
  async up(server: string, key: string, within: number): Promise<string> {
    const flags = [`--login-server=${server}`, `--auth-key=${key}`, `--hostname=${this.name}`, `--timeout=${within}ms`]
    await this.sett(['up', ...flags])
    this.address = (await this.sett(['ip', '-4'])).out.trim()
    return this.address
  }

  /** Resolves once its network map has so many peers. */
  async seesOthers(count: number, within: number): Promise<void> {
    const client = new LocalClient(socketTransport(this.socket))
    const late = performance.now() + within
    for (;;) {
      const { Peer } = await client.status()
      if (Object.keys(Peer ?? {}).length >= count) return
      if (performance.now() > late) throw this.daemon.failure(`does not see ${count} other nodes`)
      await pause(LOOK_EVERY_MS)
    }
  }

  /** @returns how the last answer came: `pong from ben (…) via 192.168.77.11:41641 in 1ms` */
  async ping(peer: string): Promise<string> {
    const { out } = await this.sett(['ping', '--timeout=500ms', '-c', '20', peer])
    return out.trim().split('\n').at(-1) ?? ''
  }

  /**
   * A command line of `sett`, run in this process.
   *
   * @throws MeshError `system/refused` with what it said, when it failed
   */
  async sett(args: readonly string[]): Promise<{ readonly out: string }> {
    let [out, err] = ['', '']
    const at = {
      ...here(),
      out: { write: (text: string) => void (out += text) },
      err: { write: (text: string) => void (err += text) },
      env: {},
      isTerminal: { err: false, inOut: false },
      // Whoever interrupts ends all of this process.
      interrupted: () => new AbortController().signal,
    }
    const code = await runSett(['--socket', this.socket, ...args], at)
    if (code === 0) return { out }
    const said = `${out}${err}`.trim()
    throw new MeshError(
      'system/refused',
      `"sett ${args[0]}" on ${this.name} failed: ${said}.${this.daemon.lastWords()}`,
    )
  }
}
