/**
 * The data plane of a simulated node: the real data path in both directions, by the plain cipher, with a host of the
 * simulated internet for its socket and a function for its TUN device. As pumps do, it tells nothing from within a
 * call (`DataPlane`). All nodes work in one memory, since nothing stays in it between two calls.
 */

import type { Bytes } from '../../../src/base/bytes.ts'
import type { Mono } from '../../../src/base/clock.ts'
import type { AddressPort } from '../../../src/base/ip.ts'
import { NodeInPlace } from '../../../src/crypto/io/node-in-place.ts'
import { Inbound } from '../../../src/node/data-path-inbound.ts'
import { Outbound, OUTBOUND_BYTES } from '../../../src/node/data-path-outbound.ts'
import { receivingSession, sendingSession } from '../../../src/node/data-path-session.ts'
import type { ReceivingSession } from '../../../src/node/data-path-session.ts'
import { SessionMemory } from '../../../src/node/data-path-session.ts'
import { DropCounts, Filter, routesOf } from '../../../src/node/data-path.ts'
import type { FilterTables, RouteTables } from '../../../src/node/data-path.ts'
import type { DataPlane, PlaneActivity, PlaneSource } from '../../../src/node/data-plane.ts'
import { FlowTable } from '../../../src/node/filter/flows.ts'
import { VerdictCounts } from '../../../src/node/filter/verdict.ts'
import { SessionBooks } from '../../../src/node/io/pump/sessions.ts'
import { aligned, memoryOf } from '../../../src/node/packet/memory.ts'
import { VNET_HEADER } from '../../../src/node/packet/vnet-header.ts'
import { addressOf, endpointOf, readEndpoint } from '../../../src/node/path/endpoint.ts'
import type { Endpoint } from '../../../src/node/path/index.ts'
import type { Route } from '../../../src/node/path/route.ts'
import type { Keypair } from '../../../src/node/wireguard/keypairs.ts'

/** The packet behind the virtio header stands at a multiple of four. */
const READ_AT = 2
const OWN_AT = aligned(READ_AT + 70_000)
const MEMORY = memoryOf(new ArrayBuffer(OWN_AT + OUTBOUND_BYTES))
const CIPHER = new NodeInPlace(MEMORY.bytes)
const MTU = 1280
/** As io/pump/pumps.ts. */
const REPORT_MS = 250
const [SENDS, OPENS] = [0, 1]

export interface PlaneEvents {
  unsealed(peer: number, packet: Bytes): void
  datagram(bytes: Bytes, from: PlaneSource): void
  relay(peer: number, message: Bytes): void
  /** A peer's packet that is not for the device. */
  forEngine(peer: number, packet: Bytes): void
  activity(activity: PlaneActivity, from?: PlaneSource): void
  /** A packet for this machine. */
  toTun(packet: Bytes): void
}

export interface PlaneOptions {
  readonly now: () => Mono
  /** Soon, in order, and not from within the call; not at all when the node has ended. */
  readonly soon: (act: () => void) => void
  /** In so many milliseconds. */
  readonly after: (ms: number, act: () => void) => void
  readonly send: (to: Endpoint, bytes: Bytes) => boolean
  readonly events: PlaneEvents
}

export class SimPlane implements DataPlane {
  readonly drops = new DropCounts()
  readonly verdicts = new VerdictCounts()
  readonly #o: PlaneOptions
  readonly #flows = [new FlowTable(), new FlowTable()] as const
  readonly #filter = new Filter(...this.#flows)
  readonly #outbound: Outbound
  readonly #inbound: Inbound
  readonly #books = new SessionBooks(1)
  readonly #routes = new Map<number, Route>()
  readonly #receiving = new Map<number, readonly ReceivingSession[]>()
  readonly #heardFrom = new Map<number, string>()
  #from: PlaneSource = { kind: 'relay', region: 0 }
  #reporting = false

  constructor(options: PlaneOptions) {
    this.#o = options
    const copy = (at: number, length: number): Bytes => MEMORY.bytes.slice(at, at + length)
    const { events, soon } = options
    const common = {
      memory: MEMORY,
      at: OWN_AT,
      cipher: CIPHER,
      filter: this.#filter,
      drops: this.drops,
      verdicts: this.verdicts,
    }
    this.#outbound = new Outbound({
      ...common,
      thread: SENDS,
      sink: {
        send: (peer, at, length, segment) => this.#send(peer, at, length, segment),
        unsealed: (peer, at, length) => {
          const packet = copy(at, length)
          soon(() => events.unsealed(peer, packet))
        },
        toEngine: () => {},
      },
    })
    this.#outbound.mtu = MTU
    this.#inbound = new Inbound({
      ...common,
      thread: OPENS,
      joins: false,
      joinsUdp: false,
      sink: {
        write: (at, length) => {
          const packet = copy(at + VNET_HEADER, length - VNET_HEADER)
          soon(() => events.toTun(packet))
        },
        stranger: (at, length) => {
          const [bytes, from] = [copy(at, length), this.#from]
          soon(() => events.datagram(bytes, from))
        },
        heard: (session) => this.#heard(session),
        forEngine: (peer, at, length) => {
          const packet = copy(at, length)
          soon(() => events.forEngine(peer, packet))
        },
      },
    })
  }

  /** Entries of all tables, for whoever looks whether they grow. */
  get size(): { readonly routes: number; readonly sessions: number; readonly heard: number } {
    const sessions = [...this.#receiving.values()].reduce((sum, all) => sum + all.length, 0)
    return { routes: this.#routes.size, sessions, heard: this.#heardFrom.size }
  }

  /** A packet of this machine's. */
  fromTun(packet: Bytes): void {
    MEMORY.bytes.fill(0, READ_AT, READ_AT + VNET_HEADER)
    MEMORY.bytes.set(packet, READ_AT + VNET_HEADER)
    this.#outbound.fromTun(READ_AT, VNET_HEADER + packet.length, this.#o.now())
    this.#outbound.flush()
  }

  /** A datagram came in. */
  fromUdp(from: string, bytes: Bytes): void {
    const address = readEndpoint(from)
    if (address !== undefined) this.#take(bytes, { kind: 'direct', address: addressOf(address) })
  }

  // As the engine tells.

  setRoutes(tables: RouteTables): void {
    this.#outbound.routes = this.#inbound.routes = routesOf(tables)
  }

  setFilter(tables: FilterTables): void {
    this.#filter.tables = tables
  }

  forgetFlows(): void {
    for (const flows of this.#flows) flows.clear()
  }

  setSessions(peer: number, sending: Keypair | undefined, receiving: readonly Keypair[]): void {
    const all = sending === undefined || receiving.includes(sending) ? receiving : [sending, ...receiving]
    const posted = this.#books.set(peer, all)
    const memoryOfPair = (pair: Keypair): SessionMemory =>
      new SessionMemory(2, posted.find(({ keypair }) => keypair === pair)?.memory)
    const before = this.#receiving.get(peer) ?? []
    const after = receiving.map(
      (pair) =>
        before.find(({ localIndex }) => localIndex === pair.localIndex) ??
        receivingSession(peer, pair, memoryOfPair(pair)),
    )
    for (const session of before)
      if (!after.includes(session)) {
        this.#inbound.removeSession(session.localIndex)
        this.#heardFrom.delete(session.localIndex)
      }
    for (const session of after) this.#inbound.addSession(session)
    if (after.length === 0) this.#receiving.delete(peer)
    else this.#receiving.set(peer, after)
    this.#outbound.setSession(peer, sending && sendingSession(sending, memoryOfPair(sending)))
    this.#report()
  }

  setEndpoint(peer: number, route: Route): void {
    if (route.kind === 'none') this.#routes.delete(peer)
    else this.#routes.set(peer, route)
  }

  removePeer(peer: number): void {
    this.setSessions(peer, undefined, [])
    this.#routes.delete(peer)
    this.#books.forget(peer)
  }

  seal(peer: number, keypair: Keypair, packet: Bytes): void {
    this.#o.soon(() => {
      this.#outbound.seal(peer, keypair.localIndex, packet, this.#o.now())
      this.#outbound.flush()
    })
  }

  receiveRelayed(message: Bytes, region: number): void {
    this.#o.soon(() => this.#take(message, { kind: 'relay', region }))
  }

  sendTo(to: AddressPort, bytes: Bytes): boolean {
    return this.#o.send(endpointOf(to), bytes)
  }

  #take(bytes: Bytes, from: PlaneSource): void {
    // A multiple of four, as pumps receive.
    const at = READ_AT + 2
    MEMORY.bytes.set(bytes, at)
    this.#from = from
    this.#inbound.fromPeer(at, bytes.length, bytes.length, this.#o.now())
    this.#inbound.flush()
  }

  #heard(session: ReceivingSession): void {
    const from = this.#from
    const text = from.kind === 'relay' ? String(from.region) : endpointOf(from.address)
    if (this.#heardFrom.get(session.localIndex) === text) return
    this.#heardFrom.set(session.localIndex, text)
    const activity = { localIndex: session.localIndex, receivedAt: this.#o.now() }
    this.#o.soon(() => this.#o.events.activity(activity, from))
  }

  #send(peer: number, at: number, length: number, segment: number): void {
    const route = this.#routes.get(peer)
    if (route === undefined) return this.drops.add('no-path')
    for (let i = 0; i < length; i += segment) {
      const message = MEMORY.bytes.slice(at + i, at + Math.min(length, i + segment))
      if ('region' in route) this.#o.soon(() => this.#o.events.relay(peer, message))
      if ('endpoint' in route && !this.#o.send(route.endpoint, message)) this.drops.add('send-failed')
    }
  }

  /** While there are sessions. */
  #report(): void {
    if (this.#reporting || this.#books.isEmpty) return
    this.#reporting = true
    this.#o.after(REPORT_MS, () => {
      this.#reporting = false
      for (const activity of this.#books.news()) this.#o.events.activity(activity)
      this.#report()
    })
  }
}
