/**
 * A server and machines with our daemon on one switch, joined or not: what most tests of whole nodes begin with.
 * The machines stand at 198.51.100.10 and up, in the order of their names; behind routers they are put by `behind`.
 */

import { TestServer } from '../support/server.ts'
import type { KeyOptions, ServerOptions } from '../support/server.ts'
import { Lab } from './lab.ts'
import type { Cable, Nat, Segment } from './lab.ts'
import { Machine } from './machine.ts'
import type { MachineOptions } from './machine.ts'
import type { Namespace } from './namespace.ts'

const NET = '198.51.100'
const SERVER = `${NET}.1`
const FIRST_MACHINE = 10

export interface TailnetOptions {
  readonly machines?: MachineOptions
  readonly server?: Partial<ServerOptions>
}

export class Tailnet {
  readonly lab: Lab
  readonly net: Segment
  readonly server: TestServer
  /** Where the server runs. */
  readonly home: Namespace
  readonly machines = new Map<string, Machine>()
  readonly cables = new Map<string, Cable>()
  readonly #options: TailnetOptions
  #key: string | undefined
  #hosts = FIRST_MACHINE
  #routers = 0

  private constructor(lab: Lab, net: Segment, home: Namespace, server: TestServer, options: TailnetOptions) {
    this.lab = lab
    this.net = net
    this.home = home
    this.server = server
    this.#options = options
  }

  static async open(options: TailnetOptions = {}): Promise<Tailnet> {
    const lab = await Lab.open()
    try {
      const net = await lab.segment()
      const home = await lab.namespace('server')
      await lab.plug(home, net, `${SERVER}/24`)
      const server = await TestServer.start({
        dir: `${home.dir}/coord`,
        host: SERVER,
        namespace: home,
        ...options.server,
      })
      return new Tailnet(lab, net, home, server, options)
    } catch (error) {
      await lab.close()
      throw error
    }
  }

  /** A machine on the server's own switch, its daemon not started. */
  async machine(name: string): Promise<Machine> {
    // Taken before anything is waited for: of several that are made at once, the first named has the first address.
    const address = `${NET}.${this.#hosts++}/24`
    const where = await this.lab.namespace(name)
    this.cables.set(name, await this.lab.plug(where, this.net, address))
    return this.#made(where)
  }

  /** A machine behind a router of its own, as at home. */
  async behind(nat: Nat, name: string): Promise<Machine> {
    const lan = `10.0.${(this.#routers += 1)}`
    const outside = `${NET}.${this.#hosts++}/24`
    const { inside } = await this.lab.router(`${name}-router`, this.net, outside, `${lan}.1/24`, nat)
    const where = await this.lab.namespace(name)
    this.cables.set(name, await this.lab.plug(where, inside, `${lan}.2/24`, { gateway: `${lan}.1` }))
    return this.#made(where)
  }

  /** What a machine joins with. */
  async login(options: KeyOptions = {}): Promise<{ readonly url: string; readonly key: string }> {
    if (Object.keys(options).length > 0)
      return { url: this.server.url, key: (await this.server.createKey(options)).key }
    this.#key ??= (await this.server.createKey({ reusable: true })).key
    return { url: this.server.url, key: this.#key }
  }

  /** Machines on the server's switch that have joined and know of each other. */
  async join(...names: string[]): Promise<Machine[]> {
    const machines = await Promise.all(names.map((name) => this.machine(name)))
    await this.bring(machines)
    return machines
  }

  /** Starts these machines' daemons and has them join, until each knows of all others that did. */
  async bring(machines: readonly Machine[]): Promise<void> {
    const login = await this.login()
    await Promise.all(
      machines.map(async (machine) => {
        await machine.start()
        await machine.up(login)
      }),
    )
    const known = [...this.machines.values()].filter(({ daemon }) => daemon !== undefined).length - 1
    await Promise.all(
      machines.map((machine) =>
        machine.until('it sees the others', ({ Peer }) => Object.keys(Peer ?? {}).length >= known),
      ),
    )
  }

  /** Closes the lab with all that is in it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab.close()
  }

  #made(where: Namespace): Machine {
    const machine = new Machine(where, this.#options.machines)
    this.machines.set(where.name, machine)
    return machine
  }
}
