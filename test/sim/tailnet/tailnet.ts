/**
 * A whole tailnet in one process and in simulated time: our server, our relays and our nodes, on an internet that
 * does to them what a seed says. What every packet of the machines does is looked at as it arrives (`delivered`).
 */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { Wall } from '../../../src/base/clock.ts'
import { parsePrefix } from '../../../src/base/ip.ts'
import type { NodeKey } from '../../../src/base/keys.ts'
import { nodePrimitives } from '../../../src/crypto/io/node-primitives.ts'
import { nodeKeyFor } from '../../../src/crypto/primitives.ts'
import type { Primitives } from '../../../src/crypto/primitives.ts'
import type { Fetched } from '../../../src/node/control/actions.ts'
import type { RelayMeta } from '../../../src/node/relay/index.ts'
import { Internet } from '../net/internet.ts'
import type { Line, Place } from '../net/internet.ts'
import { Streams } from '../net/streams.ts'
import { seededDice } from '../../support/relay-world.ts'
import { SimMachine, START } from './machine.ts'
import { Policy, PORT, TAGS } from './policy.ts'
import { SimRelayServer } from './relay.ts'
import { SERVER_NAME, SimServer } from './server.ts'

export interface TailnetOptions {
  readonly seed: number
  readonly line?: Partial<Line>
  readonly regions?: number
}

/** A packet that a machine was given to send. */
interface Sent {
  readonly from: SimMachine
  readonly to: SimMachine
  readonly at: number
  readonly bytes: Uint8Array
  arrivedAt: number | undefined
}

const HEADERS = 28

export class SimTailnet {
  readonly internet: Internet
  readonly streams: Streams
  readonly primitives: Primitives
  readonly server: SimServer
  readonly relays: readonly SimRelayServer[]
  readonly machines: SimMachine[] = []
  readonly packets: Sent[] = []
  readonly policy = new Policy()
  readonly #authKeys = new Map<string, string>()
  readonly #trace = createHash('sha256')
  readonly #fastStarts: boolean

  private constructor({ seed, line, regions = 2 }: TailnetOptions) {
    this.internet = new Internet({ seed, ...(line && { line }) })
    this.internet.onArrival = (from, to, bytes) => {
      this.#trace.update(`${this.now} ${from} ${to} ${bytes.length} `)
      this.#trace.update(bytes)
    }
    this.streams = new Streams(this.internet)
    this.primitives = { ...nodePrimitives, random: seededDice(seed) }
    this.#fastStarts = seed % 2 === 0
    const { streams, primitives } = this
    this.relays = Array.from(
      { length: regions },
      (_, i) => new SimRelayServer(i + 1, { streams, primitives, realmOf: (key) => this.server.coord.realmOf(key) }),
    )
    this.server = new SimServer({
      streams,
      primitives,
      derpMap: { Regions: Object.fromEntries(this.relays.map((relay) => [relay.region, relay.definition])) },
      wall: () => Math.floor(START + this.now) as Wall,
      admissionChanged: () => {
        for (const relay of this.relays) relay.refresh()
      },
    })
  }

  static async start(options: TailnetOptions): Promise<SimTailnet> {
    const world = new SimTailnet(options)
    await world.server.start()
    for (const relay of world.relays) relay.start()
    await world.server.setPolicy(world.policy.text)
    for (const tag of TAGS) world.#authKeys.set(tag, await world.server.authKey([tag]))
    await world.server.settle()
    return world
  }

  get now(): number {
    return this.internet.clock.now
  }

  /** Of everything that has arrived anywhere so far, to the byte and in order. */
  get trace(): string {
    return this.#trace.copy().digest('hex')
  }

  authKeyOf(tag: string): string {
    return this.#authKeys.get(tag) as string
  }

  certificateOf(region: number): RelayMeta | undefined {
    return this.#fastStarts ? this.relays.find((relay) => relay.region === region)?.meta : undefined
  }

  /** A machine whose node begins to join. */
  join(place: Place = {}, tag: string = TAGS[0]): SimMachine {
    const machine = new SimMachine(this, this.machines.length, tag, place)
    this.machines.push(machine)
    machine.start()
    return machine
  }

  /** Machines that belong to the tailnet, whether or not they run now. */
  get members(): SimMachine[] {
    return this.machines.filter(({ isGone }) => !isGone)
  }

  /** An administrator takes a machine off the tailnet; its program ends. */
  remove(machine: SimMachine): void {
    machine.isGone = true
    const { nodeKey } = machine.disk
    machine.kill()
    if (nodeKey !== undefined) {
      const key = nodeKeyFor(this.primitives, nodeKey)
      this.server.do(() => this.server.remove(key))
    }
  }

  setPolicy(allowed: readonly string[]): void {
    this.policy.set(allowed, this.now)
    const { text } = this.policy
    this.server.do(() => this.server.setPolicy(text))
  }

  /** `GET` outside of the control connection. */
  fetch(machine: SimMachine, url: string, timeoutMs: number, done: (result: Fetched) => void): void {
    const { clock, line } = this.internet
    const path = url.startsWith(`http://${SERVER_NAME}`) ? url.slice(`http://${SERVER_NAME}`.length) : ''
    const reaches = (): boolean => this.server.isUp && !this.internet.isBlocked(machine.host, this.server.host)
    clock.after(2 * line.delayMs, () => {
      const body = reaches() ? this.server.page(path) : undefined
      if (body !== undefined) return done({ status: 200, body })
      clock.after(reaches() ? 0 : timeoutMs, () => done({ failed: 'no answer' }))
    })
  }

  // Traffic.

  keyOf({ disk }: SimMachine): NodeKey | undefined {
    return disk.nodeKey && nodeKeyFor(this.primitives, disk.nodeKey)
  }

  /** What the server has given a machine; `undefined` while it is no member. */
  addressOf(machine: SimMachine): string | undefined {
    const key = this.keyOf(machine)
    return key === undefined ? undefined : this.server.nodeOf(key)?.ipv4
  }

  /** One UDP packet from a machine to another. Gives its number. */
  say(from: SimMachine, to: SimMachine, bytes = 40 + this.internet.random(1000)): number {
    const number = this.packets.length
    const [source, target] = [from.program?.tunnel && ownAddress(from), this.addressOf(to)]
    const size = HEADERS + Math.max(bytes, 8)
    const packet = new Uint8Array(size)
    const view = new DataView(packet.buffer)
    view.setUint32(0, 0x4500_0000 | size)
    packet.set([64, 17], 8)
    view.setUint32(12, source ?? 0)
    view.setUint32(16, target === undefined ? 0 : addressNumber(target))
    // A port of its own, so that no packet is an answer to another.
    view.setUint16(20, 1024 + (number % 60_000))
    view.setUint16(22, PORT)
    view.setUint16(24, size - 20)
    view.setUint32(HEADERS, number)
    for (let at = HEADERS + 4; at < size; at++) packet[at] = (number * 31 + at * 7) & 255
    this.packets.push({ from, to, at: this.now, bytes: packet, arrivedAt: undefined })
    if (source !== undefined && target !== undefined && from.isAwake) from.program?.tunnel?.plane.fromTun(packet)
    return number
  }

  /** A packet has come out of a machine's tunnel. */
  delivered(machine: SimMachine, packet: Uint8Array): void {
    const number = new DataView(packet.buffer, packet.byteOffset).getUint32(HEADERS)
    const sent = this.packets[number]
    assert.ok(sent !== undefined, 'a packet that nobody sent')
    const { from, to } = sent
    const what = `packet ${number} of ${from.name} for ${to.name}, sent at ${sent.at}, at ${machine.name} at ${this.now}`
    assert.equal(machine, to, what)
    assert.deepEqual(packet, sent.bytes, what)
    assert.equal(sent.arrivedAt, undefined, `${what}: a second time`)
    sent.arrivedAt = this.now
    const isAllowed = this.policy.mayHaveArrived(from.tag, to.tag, sent.at, this.now)
    assert.ok(isAllowed, `${what}: ${from.tag} may not speak to ${to.tag}`)
  }

  hasArrived(number: number): boolean {
    return this.packets[number]?.arrivedAt !== undefined
  }

  /** Milliseconds that a packet took. */
  tookMs(number: number): number {
    const packet = this.packets[number]
    return packet?.arrivedAt === undefined ? Infinity : packet.arrivedAt - packet.at
  }

  /** Does the map say that these two are to know of each other? */
  maySee(a: SimMachine, b: SimMachine): boolean {
    return this.policy.allows(a.tag, b.tag) || this.policy.allows(b.tag, a.tag)
  }

  // Time.

  async run(ms: number): Promise<void> {
    await this.#until(() => false, this.now + ms)
  }

  /** Simulated milliseconds until it is so; throws when it does not come to be. */
  async until(done: () => boolean, withinMs: number, what: string, state: () => string = () => ''): Promise<number> {
    const begin = this.now
    if (!(await this.#until(done, begin + withinMs)))
      throw new Error(`Not within ${withinMs} simulated ms (seed ${this.internet.seed}): ${what} ${state()}`)
    return this.now - begin
  }

  async #until(done: () => boolean, limit: number): Promise<boolean> {
    for (;;) {
      if (this.server.isTouched) await this.server.settle()
      if (done()) return true
      if (!this.internet.clock.step(limit)) {
        if (!this.server.isTouched) return done()
      }
    }
  }
}

function addressNumber(text: string): number {
  return text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
}

/** Of a machine, by its own map. */
function ownAddress({ program }: SimMachine): number | undefined {
  for (const text of program?.session.netmap?.fields.self.Addresses ?? []) {
    const ip = parsePrefix(text)?.ip
    if (ip?.family === 4) return Number(ip.value)
  }
  return undefined
}
