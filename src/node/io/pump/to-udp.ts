/** The pump from the TUN device to the peers: reads, lets the data path seal, and sends each burst in one call. */

import type { Mono } from '../../../base/clock.ts'
import { lastError } from '../../../crypto/io/raw-memory.ts'
import type { Address, Arena } from '../../../crypto/io/raw-memory.ts'
import { Outbound, OUTBOUND_BYTES } from '../../data-path-outbound.ts'
import { sendingSession, SessionMemory } from '../../data-path-session.ts'
import { routesOf } from '../../data-path.ts'
import { EAGAIN, EINTR, EINVAL, EIO, failure, kernel } from '../kernel.ts'
import type { Kernel } from '../kernel.ts'
import { SOCKET_ADDRESS } from '../socket-address.ts'
import type { FromPump, PumpSetup, PumpSocket, ToPump } from './messages.ts'
import { pumpParts, READ_AT, READ_MOST } from './pump.ts'
import type { Pump, PumpParts } from './pump.ts'
import type { Waiter } from './waiter.ts'

/**
 * So often it reads before it looks for words of the engine's and for what peers sent, and sends what waits for more:
 * enough small packets for a full burst, and no more large ones than are worked off in a part of a millisecond.
 */
const READS_MOST = 64
const READ_BYTES_MOST = 256 * 1024
/** How often, and how long each time, it waits for a socket whose buffer is full. */
const SEND_TRIES = 5
const SEND_WAIT_MS = 10

interface Endpoint {
  readonly address: Uint8Array | undefined
  readonly isV6: boolean
  readonly relay: boolean
}

/** A socket, and whether its kernel cuts bursts: it may turn out not to for a device. */
interface Sending extends PumpSocket {
  cutsBursts: boolean
}

export class ToUdp implements Pump {
  readonly waiter: Waiter
  readonly arena: Arena
  readonly #setup: PumpSetup
  readonly #parts: PumpParts
  readonly #kernel: Kernel = kernel()
  readonly #outbound: Outbound
  readonly #endpoints = new Map<number, Endpoint>()
  readonly #socket4: Sending | undefined
  readonly #socket6: Sending | undefined
  readonly #readPlace: Address
  /** How many reads the next turn makes: packets that come one by one are not each followed by a read for nothing. */
  #reads = 1
  /** What the mailbox is addressed to. */
  #addressed: Uint8Array | undefined

  /** @param alsoFor what its waiter waits for behind doorbell and device, for another pump */
  constructor(setup: PumpSetup, post: (message: FromPump) => void, alsoFor: readonly number[] = []) {
    const parts = pumpParts(setup, OUTBOUND_BYTES, [setup.tun.fd, ...alsoFor], post)
    this.#setup = setup
    this.#parts = parts
    this.arena = parts.arena
    this.waiter = parts.waiter
    const sockets = setup.sockets.map((socket): Sending => ({ ...socket, cutsBursts: socket.offloads }))
    this.#socket4 = sockets.find(({ isV6 }) => !isV6)
    this.#socket6 = sockets.find(({ isV6 }) => isV6)
    this.#readPlace = parts.arena.address(READ_AT, READ_MOST)
    const copy = (at: number, length: number): Uint8Array => parts.memory.bytes.slice(at, at + length)
    this.#outbound = new Outbound({
      ...parts,
      thread: setup.thread,
      sink: {
        send: (peer, at, length, segment) => this.#send(peer, at, length, segment),
        unsealed: (peer, at, length) =>
          parts.handOver.give(() => ({ kind: 'unsealed', peer, packet: copy(at, length) })),
        toEngine: (at, length) => parts.handOver.give(() => ({ kind: 'engine', packet: copy(at, length) })),
      },
    })
    this.#outbound.mtu = setup.mtu
  }

  take(message: ToPump, now: Mono): void {
    switch (message.kind) {
      case 'routes':
        this.#outbound.routes = routesOf(message.tables)
        return
      case 'filter':
        this.#parts.filter.tables = message.tables
        return
      case 'mtu':
        this.#outbound.mtu = message.mtu
        return
      case 'sending': {
        const { peer, session } = message
        const memory = session && new SessionMemory(this.#setup.threads, session.memory)
        this.#outbound.setSession(peer, memory && session && sendingSession(session.keypair, memory))
        return
      }
      case 'endpoint': {
        const { peer, address, relay } = message
        this.#endpoints.delete(peer)
        if (address === undefined && !relay) return
        this.#endpoints.set(peer, { address, isV6: address?.length === SOCKET_ADDRESS, relay })
        return
      }
      case 'seal':
        this.#outbound.seal(message.peer, message.localIndex, message.packet, now)
    }
  }

  turn(now: Mono): boolean {
    for (let i = 0, bytes = 0; i < this.#reads && bytes < READ_BYTES_MOST; i++) {
      const length = this.#kernel.read(this.#setup.tun.fd, this.#readPlace, READ_MOST)
      if (length < 0) {
        const error = lastError()
        if (error === EINTR) continue
        if (error !== EAGAIN) throw failure('read from the TUN device')
        this.#reads = Math.max(1, i)
        this.#outbound.flush()
        return false
      }
      this.#outbound.fromTun(READ_AT, length, now)
      bytes += length
    }
    this.#reads = Math.min(2 * this.#reads, READS_MOST)
    this.#outbound.flush()
    return true
  }

  #send(peer: number, at: number, length: number, segment: number): void {
    const to = this.#endpoints.get(peer)
    const messages = Math.ceil(length / segment)
    const socket = to?.isV6 === true ? this.#socket6 : this.#socket4
    const isDirect = to?.address !== undefined && socket !== undefined
    if (to === undefined || (!isDirect && !to.relay)) return this.#parts.drops.add('no-path', messages)
    if (to.relay) {
      const copy = (): Uint8Array => this.#parts.memory.bytes.slice(at, at + length)
      this.#parts.handOver.give(() => ({ kind: 'relay', peer, messages: copy(), segment }), messages)
    }
    if (to.address === undefined || socket === undefined) return
    if (to.address !== this.#addressed) this.#parts.mailbox.addressEncoded(to.address)
    this.#addressed = to.address
    if ((socket.cutsBursts || messages === 1) && this.#sendAll(socket, at, length, segment)) return
    for (let i = 0; i < messages; i++) {
      const size = Math.min(segment, length - i * segment)
      if (!this.#sendAll(socket, at + i * segment, size, size)) this.#parts.drops.add('send-failed')
    }
  }

  /** Sends a burst or a single message, and waits a while where the socket is full. */
  #sendAll(socket: Sending, at: number, length: number, segment: number): boolean {
    for (let tries = 0; tries < SEND_TRIES; tries++) {
      if (this.#parts.mailbox.send(socket.fd, at, length, segment) >= 0) return true
      const error = lastError()
      if (error === EAGAIN) this.waiter.waitWritable(socket.fd, SEND_WAIT_MS)
      else if (error !== EINTR) {
        // A device without checksum offload cuts nothing; one message each always goes.
        if (length > segment && (error === EIO || error === EINVAL)) socket.cutsBursts = false
        return false
      }
    }
    return false
  }
}
