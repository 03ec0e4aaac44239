/**
 * The engine's side of the pumps: starts them, tells them what they look up, hears what they hand over, and ends them.
 * The threads' side is worker.ts.
 *
 * Each pair of pumps is one from the TUN device to the peers and one back, in a thread each or in one for both. All
 * seal with a session's key by one counter (data-path-session.ts); the engine itself never does, it hands packets in by `seal`.
 *
 * Device and sockets are the caller's: opened before, and closed after `close` has settled.
 */

import { availableParallelism } from 'node:os'
import type { Mono } from '../../../base/clock.ts'
import type { AddressPort } from '../../../base/ip.ts'
import { Arena } from '../../../crypto/io/raw-memory.ts'
import { DropCounts, DROPS } from '../../data-path.ts'
import type { DropName, FilterTables, RouteTables } from '../../data-path.ts'
import type { PlaneActivity, PlaneSource } from '../../data-plane.ts'
import { FlowTable } from '../../filter/flows.ts'
import { nameOfVerdict, VERDICT, VerdictCounts } from '../../filter/verdict.ts'
import type { DropReason, VerdictName } from '../../filter/verdict.ts'
import { addressOf } from '../../path/endpoint.ts'
import type { Route } from '../../path/route.ts'
import { VNET_HEADER } from '../../packet/vnet-header.ts'
import type { Keypair } from '../../wireguard/keypairs.ts'
import { kernel } from '../kernel.ts'
import { decodeSocketAddress, encodeSocketAddress } from '../socket-address.ts'
import type { TunDevice } from '../tun.ts'
import { Mailbox } from '../udp.ts'
import type { UdpSocket } from '../udp.ts'
import { driveHere, driveInThread } from './drive.ts'
import type { Driven, GivenSetups } from './drive.ts'
import { taken } from './hand-over.ts'
import type { FromPump, PumpMemory, PumpSetup, ToPump } from './messages.ts'
import { Words } from './messages.ts'
import { SessionBooks } from './sessions.ts'
import type { PeerTraffic } from './sessions.ts'

/** A pair's two threads are worth having where there are more cores than that: others want to run too. */
const THREADS_A_PAIR = 2
/** WireGuard's timers are of seconds. */
const REPORT_MS = 250

/** What pumps tell. Nothing is told from within a call of one of the methods below. */
export interface PumpEvents {
  /** A packet for a peer with which there is no session: for `Device.stage`. */
  unsealed(peer: number, packet: Uint8Array): void
  /** A datagram that is no transport message: disco, STUN, a handshake, or nothing. */
  datagram(datagram: Uint8Array, from: PlaneSource): void
  /** A sealed message that is to go by the peer's relay. */
  relay(peer: number, message: Uint8Array): void
  /** A packet of this machine's to an address of the engine's own. */
  toEngine(packet: Uint8Array): void
  /** A packet from a peer that is for the engine and not for the device (`InboundSink.forEngine`). */
  forEngine(peer: number, packet: Uint8Array): void
  /** For `Device.report`. `from` is there when the session was heard of for the first time, or from elsewhere. */
  activity(activity: PlaneActivity, from?: PlaneSource): void
  /** A pump has ended by itself; the others go on, and all should be closed. */
  failed(error: Error): void
}

export interface PumpPair {
  /** One queue of the device. */
  readonly tun: TunDevice
  /** One for each family at most. */
  readonly sockets: readonly UdpSocket[]
}

export interface PumpsOptions {
  /** One or more. More take a device with `multiQueue` and sockets with `reusePort`. */
  readonly pairs: readonly PumpPair[]
  readonly mtu: number
  readonly clock: () => Mono
  /** All in this thread, by Node's own cipher: for machines that have no other. */
  readonly plain?: boolean
  /** One thread for each pair instead of one for each pump; where nobody says, as many as there are cores for. */
  readonly oneThread?: boolean
  readonly events: PumpEvents
}

export interface PumpCounts {
  readonly drops: Readonly<Record<DropName, number>>
  readonly outbound: ReadonlyMap<VerdictName, number>
  readonly inbound: ReadonlyMap<VerdictName, number>
  /** What the filter dropped, by reason. */
  readonly refusedOutbound: ReadonlyMap<DropReason, number>
  readonly refusedInbound: ReadonlyMap<DropReason, number>
}

interface Started {
  readonly direction: PumpSetup['direction']
  readonly driven: Driven
  readonly shared: PumpMemory
}

/** Where what the engine itself sends stands; the mailbox before it. */
const OWN_AT = 1024
const OWN_MOST = 65_536

export class Pumps {
  readonly #options: PumpsOptions
  readonly #pumps: readonly Started[]
  readonly #books: SessionBooks
  readonly #flows = [FlowTable.BYTES, FlowTable.BYTES].map((bytes) => new SharedArrayBuffer(bytes)) as [
    SharedArrayBuffer,
    SharedArrayBuffer,
  ]
  readonly #arena = new Arena(OWN_AT + OWN_MOST)
  readonly #mailbox = new Mailbox(this.#arena, 0)
  readonly #atExit = (): void => this.#stop()
  #timer: NodeJS.Timeout | undefined
  #open = true

  /** @throws MeshError `system/refused`; Error where raw memory, or, unless `plain`, the cipher, is not to be had */
  constructor(options: PumpsOptions) {
    const { pairs } = options
    this.#options = options
    this.#books = new SessionBooks(pairs.length)
    // A thread that waits in a system call would not end with the process, nor let it end.
    process.once('exit', this.#atExit)
    const { plain = false, oneThread = !plain && availableParallelism() <= THREADS_A_PAIR } = options
    this.#pumps = pairs.flatMap((pair, i) => {
      const [toUdp, toTun] = [this.#setup('to-udp', i, pair), this.#setup('to-tun', pairs.length + i, pair)]
      if (!oneThread) return [...this.#start([toUdp]), ...this.#start([toTun])]
      const { words } = toUdp.shared
      return this.#start([toUdp, { ...toTun, shared: { ...toTun.shared, words } }])
    })
  }

  /** Have all begun to move packets? Until then these wait at the device and the sockets. */
  get areRunning(): boolean {
    const words = new Set(this.#pumps.map(({ shared }) => shared.words))
    const running = [...words].reduce((sum, each) => sum + Atomics.load(new Int32Array(each), Words.running), 0)
    return running === this.#pumps.length
  }

  setRoutes(tables: RouteTables): void {
    this.#tell(undefined, { kind: 'routes', tables })
  }

  setFilter(tables: FilterTables): void {
    this.#tell(undefined, { kind: 'filter', tables })
  }

  /** Forgets which flows went out, so that their answers come in by the rules only. */
  forgetFlows(): void {
    for (const buffer of this.#flows) new FlowTable(buffer).clear()
  }

  setMtu(mtu: number): void {
    this.#tell('to-udp', { kind: 'mtu', mtu })
  }

  /** A peer's sessions, as `DeviceAction` says them. One that is gone is neither sealed with nor believed any more. */
  setSessions(peer: number, sending: Keypair | undefined, receiving: readonly Keypair[]): void {
    const all = sending === undefined || receiving.includes(sending) ? receiving : [sending, ...receiving]
    const posted = this.#books.set(peer, all)
    const session = sending && posted.find(({ keypair }) => keypair === sending)
    this.#tell('to-tun', {
      kind: 'receiving',
      peer,
      sessions: posted.filter(({ keypair }) => receiving.includes(keypair)),
    })
    this.#tell('to-udp', { kind: 'sending', peer, session })
    this.#keepReporting()
  }

  /** Where messages for a peer go from now on. */
  setEndpoint(peer: number, route: Route): void {
    const address = 'endpoint' in route ? { address: encodeSocketAddress(addressOf(route.endpoint)) } : {}
    this.#tell('to-udp', { kind: 'endpoint', peer, ...address, relay: 'region' in route })
  }

  /** Forgets all of a peer: no session, no way, no traffic. */
  removePeer(peer: number): void {
    this.setSessions(peer, undefined, [])
    this.setEndpoint(peer, { kind: 'none' })
    this.#books.forget(peer)
  }

  /** Seals a packet with this very session and sends it; an empty one is a keepalive. */
  seal(peer: number, keypair: Keypair, packet: Uint8Array): void {
    const { localIndex } = keypair
    // Whichever seals, counters are taken from one place; one of them keeps these packets in order.
    this.#pumps[0]?.driven.tell({ kind: 'seal', peer, localIndex, packet })
  }

  /** Takes a message that came by a relay. What is no transport message comes back as a datagram. */
  receiveRelayed(message: Uint8Array, region: number): void {
    this.#pumps.find(({ direction }) => direction === 'to-tun')?.driven.tell({ kind: 'open', message, region })
  }

  /** Sends bytes of the engine's own, as they are, from the sockets that the pumps use. @returns did the kernel take them? */
  sendTo(to: AddressPort, bytes: Uint8Array): boolean {
    const socket = this.#options.pairs[0]?.sockets.find(({ family }) => family === to.ip.family)
    if (socket === undefined || bytes.length > OWN_MOST || !this.#open) return false
    this.#arena.put(OWN_AT, bytes)
    this.#mailbox.address(to)
    return this.#mailbox.send(socket.fd, OWN_AT, bytes.length, bytes.length) >= 0
  }

  /** Hands a packet of the engine's own to this machine, as if a peer had sent it. @returns did the kernel take it? */
  writeTun(packet: Uint8Array): boolean {
    const fd = this.#options.pairs[0]?.tun.fd
    const length = VNET_HEADER + packet.length
    if (fd === undefined || length > OWN_MOST || !this.#open) return false
    this.#arena.wipe(OWN_AT, VNET_HEADER)
    this.#arena.put(OWN_AT + VNET_HEADER, packet)
    return kernel().write(fd, this.#arena.address(OWN_AT, length), length) === length
  }

  traffic(peer: number): PeerTraffic {
    return this.#books.traffic(peer)
  }

  /** Packets that went no further, and what the filter said of all, since the start. */
  counts(): PumpCounts {
    const counters = this.#pumps.map(({ shared }) => new DropCounts(shared.drops))
    const drops = Object.fromEntries(DROPS.map((why) => [why, counters.reduce((sum, c) => sum + c.of(why), 0)]))
    return {
      drops: drops as Record<DropName, number>,
      outbound: this.#verdicts('to-udp'),
      inbound: this.#verdicts('to-tun'),
      refusedOutbound: this.#refused('to-udp', 'outbound'),
      refusedInbound: this.#refused('to-tun', 'inbound'),
    }
  }

  /** Ends all pumps; settles when device and sockets are free. */
  async close(): Promise<void> {
    if (!this.#open) return
    this.#open = false
    clearInterval(this.#timer)
    await Promise.all([...new Set(this.#pumps.map(({ driven }) => driven))].map((driven) => driven.close()))
    process.removeListener('exit', this.#atExit)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #setup(direction: PumpSetup['direction'], thread: number, { tun, sockets }: PumpPair): GivenSetups[0] {
    const { mtu, plain = false, pairs } = this.#options
    const shared: PumpMemory = {
      words: new SharedArrayBuffer(Words.count * 4),
      drops: new SharedArrayBuffer(DropCounts.BYTES),
      verdicts: new SharedArrayBuffer(VerdictCounts.BYTES),
      flows: this.#flows[0],
      jailedFlows: this.#flows[1],
    }
    return {
      direction,
      thread,
      threads: 2 * pairs.length,
      tun: { fd: tun.fd, offloads: tun.offloads, joinsUdp: tun.joinsUdp },
      sockets: sockets.map(({ fd, family, offloads }) => ({ fd, isV6: family === 6, offloads })),
      mtu,
      plain,
      shared,
    }
  }

  #start(setups: GivenSetups): Started[] {
    const { plain = false, clock, events } = this.#options
    const words = new Int32Array(setups[0].shared.words)
    const drive = plain ? driveHere : driveInThread
    const driven = drive(setups, {
      clock,
      heard: (message) => {
        taken(words)
        if (this.#open) this.#hear(message)
      },
      failed: (error) => {
        if (this.#open) events.failed(error)
      },
    })
    return setups.map(({ direction, shared }) => ({ direction, driven, shared }))
  }

  #tell(direction: PumpSetup['direction'] | undefined, message: ToPump): void {
    const told = this.#pumps.filter((pump) => direction === undefined || pump.direction === direction)
    for (const driven of new Set(told.map((pump) => pump.driven))) driven.tell(message)
  }

  #hear(message: FromPump): void {
    const { events } = this.#options
    switch (message.kind) {
      case 'unsealed':
        return events.unsealed(message.peer, message.packet)
      case 'engine':
        return events.toEngine(message.packet)
      case 'for-engine':
        return events.forEngine(message.peer, message.packet)
      case 'relay': {
        const { peer, messages, segment } = message
        for (let at = 0; at < messages.length; at += segment) events.relay(peer, messages.subarray(at, at + segment))
        return
      }
      case 'stranger': {
        const address = decodeSocketAddress(message.address)
        if (address !== undefined) events.datagram(message.datagram, { kind: 'direct', address })
        return
      }
      case 'relayed-stranger':
        return events.datagram(message.datagram, { kind: 'relay', region: message.region })
      case 'heard': {
        const { localIndex, at, from } = message
        const address = 'address' in from ? decodeSocketAddress(from.address) : undefined
        const source: PlaneSource | undefined =
          'region' in from ? { kind: 'relay', region: from.region } : address && { kind: 'direct', address }
        return events.activity({ localIndex, receivedAt: at }, source)
      }
    }
  }

  /** While there are sessions. */
  #keepReporting(): void {
    if (this.#books.isEmpty) {
      clearInterval(this.#timer)
      this.#timer = undefined
    } else if (this.#open) this.#timer ??= setInterval(() => this.#report(), REPORT_MS)
  }

  #report(): void {
    for (const activity of this.#books.news()) this.#options.events.activity(activity)
  }

  #refused(direction: PumpSetup['direction'], which: 'inbound' | 'outbound'): Map<DropReason, number> {
    const found = new Map<DropReason, number>()
    for (const { direction: own, shared } of this.#pumps)
      if (own === direction)
        for (const [reason, count] of new VerdictCounts(shared.verdicts).dropped(which))
          found.set(reason, (found.get(reason) ?? 0) + count)
    return found
  }

  #verdicts(direction: PumpSetup['direction']): Map<VerdictName, number> {
    const counters = this.#pumps
      .filter((p) => p.direction === direction)
      .map((p) => new VerdictCounts(p.shared.verdicts))
    const found = new Map<VerdictName, number>()
    for (const verdict of Object.values(VERDICT)) {
      const count = counters.reduce((sum, counter) => sum + counter.of(verdict), 0)
      if (count > 0) found.set(nameOfVerdict(verdict), count)
    }
    return found
  }

  #stop(): void {
    for (const { driven } of this.#pumps) driven.stop()
  }
}
