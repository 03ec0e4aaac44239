/**
 * WireGuard machines that talk to each other in simulated time, over a network that loses, delays, repeats and reorders
 * as a seed says. Everything that was asked of the surroundings is kept, with its time.
 */

import { later, NEVER } from '../../src/base/clock.ts'
import type { Mono, Wall } from '../../src/base/clock.ts'
import { PrivateKey } from '../../src/base/keys.ts'
import type { NodeKey } from '../../src/base/keys.ts'
import { nodePrimitives } from '../../src/crypto/io/node-primitives.ts'
import { generateKey, nodeKeyFor } from '../../src/crypto/primitives.ts'
import type { Primitives } from '../../src/crypto/primitives.ts'
import type { Action } from '../../src/node/wireguard/actions.ts'
import { kindOf } from '../../src/node/wireguard/messages.ts'
import { WireGuard } from '../../src/node/wireguard/wireguard.ts'
import type { WireGuardOptions } from '../../src/node/wireguard/wireguard.ts'
import { seededDice } from './relay-world.ts'
import { seeded } from './seeded.ts'

export interface From {
  readonly host: string
  readonly port: number
}

export type Happened = Action<From> & { readonly at: Mono }

/** What the network does to datagrams, in percent and milliseconds. */
export interface Faults {
  readonly loss?: number
  readonly twice?: number
  readonly delayMs?: number
  readonly jitterMs?: number
}

const START = 1_000_000 as Mono
const WALL = Date.UTC(2026, 0, 1)

export class Machine {
  readonly name: string
  readonly key: NodeKey
  readonly happened: Happened[] = []
  readonly peers = new Set<NodeKey>()
  wg: WireGuard<From>
  readonly #make: (machine: Machine) => WireGuard<From>

  constructor(name: string, key: NodeKey, make: (machine: Machine) => WireGuard<From>) {
    this.name = name
    this.key = key
    this.#make = make
    this.wg = make(this)
  }

  /** A new process with the same key: all sessions are gone. */
  restart(): void {
    this.wg = this.#make(this)
  }

  of<K extends Happened['kind']>(kind: K): Extract<Happened, { kind: K }>[] {
    return this.happened.filter((h) => h.kind === kind) as Extract<Happened, { kind: K }>[]
  }

  /** Times, in milliseconds after `since`, of messages of a kind that were sent. */
  sent(kind: ReturnType<typeof kindOf>, since = 0 as Mono): number[] {
    return this.of('send')
      .filter((h) => kindOf(h.bytes) === kind && h.at >= since)
      .map((h) => h.at - since)
  }

  /** How often things were dropped, by reason. */
  drops(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {}
    for (const { why } of this.of('dropped')) counts[why] = (counts[why] ?? 0) + 1
    return counts
  }

  packets(): string[] {
    return this.of('packet').map((h) => textOf(h.packet))
  }
}

interface Flying {
  readonly at: Mono
  readonly number: number
  readonly to: Machine
  readonly from: From
  readonly bytes: Uint8Array
}

export class WireGuardWorld {
  now = START
  /** How far the calendar is off, by machine. */
  readonly wallOff = new Map<Machine, number>()
  faults: Faults
  /** Sees every datagram before it flies; `false` loses it. */
  passes: (from: Machine, to: Machine, bytes: Uint8Array) => boolean = () => true
  readonly machines: Machine[] = []
  readonly p: Primitives
  readonly #below: (n: number) => number
  #flying: Flying[] = []
  #number = 0

  constructor(seed: number, faults: Faults = {}) {
    this.p = { ...nodePrimitives, random: seededDice(seed) }
    this.#below = seeded(seed ^ 0x5eed)
    this.faults = faults
  }

  add(name: string, options: Partial<WireGuardOptions> = {}): Machine {
    const privateKey = generateKey(this.p.random)
    const key = nodeKeyFor(this.p, privateKey)
    const machine = new Machine(name, key, (machine) => {
      return new WireGuard<From>({
        primitives: this.p,
        privateKey: new PrivateKey(privateKey.reveal()),
        isPeer: (peer) => machine.peers.has(peer),
        isSourceOf: () => true,
        mtu: 1280,
        wall: this.wall(machine),
        now: this.now,
        ...options,
      })
    })
    this.machines.push(machine)
    return machine
  }

  /** Two machines that know each other. */
  pair(a: Partial<WireGuardOptions> = {}, b: Partial<WireGuardOptions> = {}): [Machine, Machine] {
    const pair: [Machine, Machine] = [this.add('a', a), this.add('b', b)]
    this.acquaint(...pair)
    return pair
  }

  acquaint(a: Machine, b: Machine): void {
    a.peers.add(b.key)
    b.peers.add(a.key)
  }

  /** Sets a machine's calendar by so much, and tells it. */
  setClock(machine: Machine, byMs: number): void {
    this.wallOff.set(machine, (this.wallOff.get(machine) ?? 0) + byMs)
    machine.wg.setWall(this.wall(machine), this.now)
  }

  wall(machine: Machine): Wall {
    return (WALL + (this.now - START) + (this.wallOff.get(machine) ?? 0)) as Wall
  }

  send(from: Machine, to: Machine, text: string): void {
    this.did(from, from.wg.seal(to.key, ipPacket(text), this.now))
  }

  /** A datagram arrives, from wherever is said. */
  deliver(to: Machine, bytes: Uint8Array, from: From): void {
    this.did(to, to.wg.receive(bytes, from, this.now))
  }

  did(machine: Machine, actions: readonly Action<From>[]): void {
    for (const action of actions) {
      machine.happened.push({ ...action, at: this.now })
      if (action.kind === 'send') this.#fly(machine, action.peer, action.bytes)
      if (action.kind === 'reply') this.#fly(machine, action.to.host, action.bytes)
    }
  }

  /** Lets time pass. */
  run(ms: number): void {
    const end = later(this.now, ms)
    for (;;) {
      const next = Math.min(this.#next(), end) as Mono
      this.now = next > this.now ? next : this.now
      for (const machine of this.machines)
        if (machine.wg.deadline() <= this.now) this.did(machine, machine.wg.tick(this.now))
      const arriving = this.#flying.filter((f) => f.at <= this.now).sort((a, b) => a.at - b.at || a.number - b.number)
      this.#flying = this.#flying.filter((f) => f.at > this.now)
      for (const f of arriving) this.deliver(f.to, f.bytes, f.from)
      if (this.now >= end && this.#next() > end) return
    }
  }

  /** Lets time pass until something is so, but at most so long. */
  until(what: () => boolean, mostMs: number): boolean {
    for (let ms = 0; ms < mostMs && !what(); ms += 10) this.run(10)
    return what()
  }

  #next(): Mono {
    let next: number = NEVER
    for (const { wg } of this.machines) next = Math.min(next, wg.deadline())
    for (const { at } of this.#flying) next = Math.min(next, at)
    return next as Mono
  }

  #fly(from: Machine, to: string, bytes: Uint8Array): void {
    const receiver = this.machines.find((m) => m.key === to || m.name === to)
    if (receiver === undefined || !this.passes(from, receiver, bytes)) return
    const { loss = 0, twice = 0, delayMs = 10, jitterMs = 0 } = this.faults
    if (this.#below(100) < loss) return
    for (let copies = this.#below(100) < twice ? 2 : 1; copies > 0; copies--) {
      const at = later(this.now, delayMs + (jitterMs > 0 ? this.#below(jitterMs) : 0))
      this.#flying.push({ at, number: this.#number++, to: receiver, from: { host: from.name, port: 1 }, bytes })
    }
  }
}

/** An IPv4 packet that says something. */
export function ipPacket(text: string): Uint8Array<ArrayBuffer> {
  const words = new TextEncoder().encode(text)
  const packet = new Uint8Array(20 + words.length)
  packet[0] = 0x45
  new DataView(packet.buffer).setUint16(2, packet.length)
  packet.set(words, 20)
  return packet
}

function textOf(packet: Uint8Array): string {
  return new TextDecoder().decode(packet.subarray(20))
}
