/** What may happen to a simulated tailnet, drawn from its seed, and how all of it ends. */

import { GOOD_LINE } from '../net/internet.ts'
import type { Host, Place } from '../net/internet.ts'
import type { NatKind } from '../net/nat.ts'
import type { SimMachine } from './machine.ts'
import { TAGS } from './policy.ts'
import type { SimTailnet } from './tailnet.ts'

const PLACES: readonly (NatKind | 'none')[] = [
  'none',
  'none',
  'full-cone',
  'restricted',
  'port-restricted',
  'symmetric',
]
const FIREWALLS = ['open', 'no-udp', 'no-udp-out', 'no-udp-in'] as const
/** Of the nine pairs of tags, those of these rows. */
const POLICIES = [
  ['a>a', 'a>b', 'b>a', 'c>a', 'b>c'],
  ['a>b', 'b>b', 'c>b', 'b>a'],
  ['a>a', 'b>b', 'c>c', 'a>c', 'c>a'],
  ['c>a', 'c>b', 'c>c'],
] as const
const LINES = [
  { delayMs: 5, jitterMs: 0, loss: 0, duplication: 0 },
  { delayMs: 20, jitterMs: 40, loss: 0.05, duplication: 0.05 },
  { delayMs: 60, jitterMs: 100, loss: 0.2, duplication: 0.2 },
] as const

export class Turmoil {
  readonly #world: SimTailnet
  readonly #random: (below: number) => number
  readonly #most: number
  /** Halves of the internet, when it is split. */
  #halves: WeakSet<Host> | undefined

  /** @param most machines that there may be */
  constructor(world: SimTailnet, most: number) {
    this.#world = world
    this.#random = world.internet.random
    this.#most = most
    world.internet.isSplit = (a, b) => this.#halves !== undefined && this.#halves.has(a) !== this.#halves.has(b)
  }

  place(): Place {
    return { nat: this.#one(PLACES), ipv6: this.#random(4) === 0 }
  }

  tag(): string {
    return this.#one(TAGS)
  }

  /** So many things happen, while everybody speaks to anybody. */
  async rage(things: number): Promise<void> {
    for (let i = 0; i < things; i++) {
      this.#one(ACTS)(this, this.#world, this.#one(this.#world.members))
      for (let k = 0; k < 3; k++) this.speak()
      await this.#world.run([0, 10, 300, 1500, 4000, 20_000][this.#random(6)] as number)
    }
  }

  /** Somebody sends something to somebody. */
  speak(): void {
    const [from, to] = [this.#one(this.#world.members), this.#one(this.#world.members)]
    if (from !== to) this.#world.say(from, to)
  }

  /** All that is broken is whole again. */
  heal(): void {
    const { internet, server, relays, members } = this.#world
    internet.line = { ...GOOD_LINE }
    this.#halves = undefined
    if (!server.isUp) server.restart()
    for (const relay of relays) if (!relay.isUp) relay.start()
    for (const machine of members) {
      machine.wake()
      machine.host.isOnline = true
      machine.host.firewall = 'open'
      machine.setCalendar(0)
      machine.start()
    }
  }

  /** The internet falls in two: some machines, perhaps with relays, and the rest. */
  split(): void {
    const halves = new WeakSet<Host>()
    for (const { host } of [...this.#world.machines, ...this.#world.relays]) if (this.#random(3) === 0) halves.add(host)
    this.#halves = halves
  }

  mend(): void {
    this.#halves = undefined
  }

  get mayJoin(): boolean {
    return this.#world.members.length < this.#most
  }

  one<T>(of: readonly T[]): T {
    return this.#one(of)
  }

  number(below: number): number {
    return this.#random(below)
  }

  #one<T>(of: readonly T[]): T {
    return of[this.#random(of.length)] as T
  }
}

type Act = (turmoil: Turmoil, world: SimTailnet, machine: SimMachine) => void

const ACTS: readonly Act[] = [
  (turmoil, { internet }) => {
    internet.line = turmoil.one(LINES)
  },
  (turmoil, _, machine) => machine.moveTo(turmoil.place()),
  (turmoil, _, machine) => machine.moveTo(turmoil.place()),
  (turmoil, _, { host }) => {
    host.firewall = turmoil.one(FIREWALLS)
  },
  (_, __, machine) => {
    if (machine.isAwake) machine.host.isOnline = !machine.host.isOnline
  },
  (turmoil) => turmoil.split(),
  (turmoil) => turmoil.mend(),
  (_, __, machine) => {
    machine.kill()
    machine.start()
  },
  (_, __, machine) => (machine.program === undefined ? machine.start() : machine.kill()),
  (_, { server }) => {
    if (server.isUp) server.stop()
    else server.restart()
  },
  (_, { server }) => {
    if (server.isUp) server.stop()
    server.restart()
  },
  (turmoil, { relays }) => {
    const relay = turmoil.one(relays)
    if (relay.isUp) relay.stop()
    else relay.start()
  },
  (_, { relays }) => {
    for (const relay of relays)
      if (relay.isUp) {
        relay.stop()
        relay.start()
      }
  },
  (turmoil, _, machine) => machine.setCalendar([-3_600_000, 86_400_000 * 3, 0, -500][turmoil.number(4)] as number),
  (_, __, machine) => (machine.isAwake ? machine.sleep() : machine.wake()),
  (_, __, machine) => machine.renewKey(),
  (turmoil, world) => {
    if (turmoil.mayJoin) world.join(turmoil.place(), turmoil.tag())
  },
  (_, world, machine) => {
    if (world.members.length > 3 && world.server.isUp) world.remove(machine)
  },
  (turmoil, world) => {
    if (world.server.isUp) world.setPolicy(turmoil.one(POLICIES))
  },
]
