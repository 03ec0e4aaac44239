/**
 * A machine of the simulated tailnet: its place on the internet, its clocks, its disk, and the node that runs on it,
 * if it runs. A machine may be moved, cut off, put to sleep, have its calendar set, and have its node killed.
 */

import type { Bytes } from '../../../src/base/bytes.ts'
import type { Mono, Wall } from '../../../src/base/clock.ts'
import { lockKeyOf } from '../../../src/base/keys.ts'
import type { LockKey, NodeKey, PrivateKey } from '../../../src/base/keys.ts'
import { Secret } from '../../../src/base/secret.ts'
import { generateKey } from '../../../src/crypto/primitives.ts'
import type { NatKind } from '../net/nat.ts'
import type { Host, Place } from '../net/internet.ts'
import { Program } from './program.ts'
import type { SimTailnet } from './tailnet.ts'

/** Clocks of machines don't begin at zero. */
const BOOT_MS = 1_000_000
export const START = Date.UTC(2026, 10, 24, 6, 0, 0)

/** What a node keeps over its restarts. */
export interface Disk {
  readonly machineKey: PrivateKey
  readonly lockKey: LockKey
  nodeKey?: PrivateKey
  oldNodeKey?: NodeKey
  map?: Bytes
}

/** Ticks, and how many of them had nothing to do. */
export interface TickCounts {
  session: number
  engine: number
  relays: number
}

export class SimMachine {
  readonly index: number
  readonly tag: string
  readonly world: SimTailnet
  readonly host: Host
  readonly disk: Disk
  readonly ticks: TickCounts = { session: 0, engine: 0, relays: 0 }
  place: Place
  program: Program | undefined
  /** Taken off the tailnet for good. */
  isGone = false
  #asleepSince: number | undefined
  #slept = 0
  #calendarOff = 0
  #onWake: (() => void)[] = []

  constructor(world: SimTailnet, index: number, tag: string, place: Place) {
    this.world = world
    this.index = index
    this.tag = tag
    this.place = place
    const { random } = world.primitives
    this.disk = { machineKey: generateKey(random), lockKey: lockKeyOf(random(32)) }
    this.host = world.internet.host(
      { datagram: (from, _to, bytes) => this.program?.tunnel?.plane.fromUdp(from, bytes) },
      place,
    )
  }

  get name(): string {
    return `m${this.index}`
  }

  /** Stands still while the machine sleeps. */
  mono(): Mono {
    return (BOOT_MS + (this.#asleepSince ?? this.world.now) - this.#slept) as Mono
  }

  wall(): Wall {
    return Math.floor(START + this.world.now + this.#calendarOff) as Wall
  }

  get hasSlept(): boolean {
    return this.#slept > 0
  }

  get isAwake(): boolean {
    return this.#asleepSince === undefined
  }

  /** Is it behind a router that gives each destination another port, or which kind? */
  get natKind(): NatKind | 'none' {
    return this.host.attachment.nat?.kind ?? 'none'
  }

  /** When this machine's clock says so; a machine that sleeps does it when it wakes. */
  at(mono: Mono, act: () => void): void {
    const wait = Math.max(0, mono - this.mono())
    this.world.internet.clock.after(wait, () => {
      if (!this.isAwake) this.#onWake.push(() => this.at(mono, act))
      else if (this.mono() < mono) this.at(mono, act)
      else act()
    })
  }

  // What happens to it.

  start(): void {
    this.program ??= new Program(this, this.world.authKeyOf(this.tag))
  }

  kill(): void {
    this.program?.end()
    this.program = undefined
  }

  /** Logs in again, with another node key. */
  renewKey(): void {
    const authKey = new Secret(this.world.authKeyOf(this.tag), 'auth key')
    if (this.isAwake) this.program?.run((session, now) => session.login({ authKey, anew: true }, now))
  }

  moveTo(place: Place): void {
    this.place = place
    this.host.moveTo(place)
    if (this.isAwake) this.program?.networkChanged()
    else this.#onWake.push(() => this.program?.networkChanged())
  }

  sleep(): void {
    if (!this.isAwake) return
    this.#asleepSince = this.world.now
    this.host.isOnline = false
  }

  wake(): void {
    if (this.#asleepSince === undefined) return
    this.#slept += this.world.now - this.#asleepSince
    this.#asleepSince = undefined
    this.host.isOnline = true
    for (const act of this.#onWake.splice(0)) act()
  }

  setCalendar(offMs: number): void {
    this.#calendarOff = offMs
  }
}
