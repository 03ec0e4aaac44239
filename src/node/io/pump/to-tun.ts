/** The pump from the peers to the TUN device: receives, lets the data path open and join, and writes. */

import type { Mono } from '../../../base/clock.ts'
import { lastError } from '../../../crypto/io/raw-memory.ts'
import type { Arena } from '../../../crypto/io/raw-memory.ts'
import { Inbound, INBOUND_BYTES } from '../../data-path-inbound.ts'
import { receivingSession, SessionMemory } from '../../data-path-session.ts'
import type { ReceivingSession } from '../../data-path-session.ts'
import { routesOf } from '../../data-path.ts'
import { EAGAIN, EBADF, EINTR, failure, kernel } from '../kernel.ts'
import type { Kernel } from '../kernel.ts'
import { encodeSocketAddress, SOCKET_ADDRESS } from '../socket-address.ts'
import type { FromPump, HeardFrom, PostedSession, PumpSetup, PumpSocket, ToPump } from './messages.ts'
import { pumpParts, READ_AT, READ_MOST } from './pump.ts'
import type { Pump, PumpParts } from './pump.ts'
import type { Waiter } from './waiter.ts'

/** So often it receives from each socket before it looks for words of the engine's, and writes what waits for more. */
const RECEIVES_MOST = 8
/** Datagrams at a multiple of four, so that the packets in them stand at one too. */
const RECEIVE_AT = READ_AT + 2
const RECEIVE_MOST = READ_MOST - 4

/** What is known of a session besides its keys: where it was last heard from. */
interface Known {
  readonly id: number
  readonly session: ReceivingSession
  readonly source: Uint32Array
  region: number
}

export class ToTun implements Pump {
  readonly waiter: Waiter
  readonly arena: Arena
  readonly #setup: PumpSetup
  readonly #parts: PumpParts
  /** Which of those that the waiter waits for is the first socket. */
  readonly #firstSocket: number
  readonly #kernel: Kernel = kernel()
  readonly #inbound: Inbound
  readonly #byPeer = new Map<number, readonly Known[]>()
  readonly #known = new Map<ReceivingSession, Known>()
  /** How often the next turn receives: datagrams that come one by one are not each followed by a call for nothing. */
  #receives = 1
  /** Where what is in hand came from: a relay's region, 0 for a socket. */
  #region = 0
  #now = 0 as Mono

  /** @param shared another pump's waiter, that waits for doorbell, device and sockets, in this order */
  constructor(setup: PumpSetup, post: (message: FromPump) => void, shared?: Waiter) {
    const sockets = setup.sockets.map(({ fd }) => fd)
    const parts = pumpParts(setup, INBOUND_BYTES, shared ?? sockets, post)
    this.#firstSocket = shared === undefined ? 1 : 2
    this.#setup = setup
    this.#parts = parts
    this.arena = parts.arena
    this.waiter = parts.waiter
    const copy = (at: number, length: number): Uint8Array => parts.memory.bytes.slice(at, at + length)
    this.#inbound = new Inbound({
      ...parts,
      thread: setup.thread,
      joins: setup.tun.offloads,
      joinsUdp: setup.tun.joinsUdp,
      sink: {
        write: (at, length) => this.#write(at, length),
        stranger: (at, length) => parts.handOver.give(() => this.#strange(copy(at, length))),
        heard: (session) => this.#heard(session),
        forEngine: (peer, at, length) =>
          parts.handOver.give(() => ({ kind: 'for-engine', peer, packet: copy(at, length) })),
      },
    })
  }

  take(message: ToPump, now: Mono): void {
    switch (message.kind) {
      case 'routes':
        this.#inbound.routes = routesOf(message.tables)
        return
      case 'filter':
        this.#parts.filter.tables = message.tables
        return
      case 'receiving':
        return this.#setSessions(message.peer, message.sessions)
      case 'open': {
        if (message.message.length > RECEIVE_MOST) return
        this.#now = now
        this.#region = message.region
        this.#parts.memory.bytes.set(message.message, RECEIVE_AT)
        const { length } = message.message
        this.#inbound.fromPeer(RECEIVE_AT, length, length, now)
        // Written with the next turn, which follows every word of the engine's.
      }
    }
  }

  turn(now: Mono): boolean {
    this.#now = now
    this.#region = 0
    let isMore = false
    const { sockets } = this.#setup
    for (let i = 0; i < sockets.length; i++)
      if (this.waiter.isReady(i + this.#firstSocket)) isMore = this.#receive((sockets[i] as PumpSocket).fd) || isMore
    this.#inbound.flush()
    return isMore
  }

  #receive(fd: number): boolean {
    const { mailbox } = this.#parts
    for (let i = 0; i < this.#receives; i++) {
      const length = mailbox.receive(fd, RECEIVE_AT, RECEIVE_MOST)
      if (length < 0) {
        const error = lastError()
        if (error === EAGAIN) {
          this.#receives = Math.max(1, i)
          return false
        }
        // Others are about what was sent earlier, such as an ICMP answer: each is said once.
        if (error === EBADF) throw failure('receive from a UDP socket')
      }
      if (length > 0) this.#inbound.fromPeer(RECEIVE_AT, length, mailbox.segment, this.#now)
    }
    this.#receives = Math.min(2 * this.#receives, RECEIVES_MOST)
    return true
  }

  #write(at: number, length: number): void {
    const { fd } = this.#setup.tun
    const place = this.arena.address(at, length)
    for (let tries = 0; tries < 2; tries++) {
      if (this.#kernel.write(fd, place, length) === length) return
      if (lastError() !== EINTR) break
    }
    this.#parts.drops.add('write-failed')
  }

  #setSessions(peer: number, posted: readonly PostedSession[]): void {
    const before = this.#byPeer.get(peer) ?? []
    const after = posted.map((p) => before.find(({ id }) => id === p.id) ?? this.#make(peer, p))
    for (const known of before) {
      if (after.includes(known)) continue
      this.#known.delete(known.session)
      this.#inbound.removeSession(known.session.localIndex)
    }
    for (const known of after) {
      this.#known.set(known.session, known)
      this.#inbound.addSession(known.session)
    }
    if (after.length === 0) this.#byPeer.delete(peer)
    else this.#byPeer.set(peer, after)
  }

  #make(peer: number, { id, keypair, memory }: PostedSession): Known {
    const session = receivingSession(peer, keypair, new SessionMemory(this.#setup.threads, memory))
    return { id, session, source: new Uint32Array(SOCKET_ADDRESS / 4), region: -1 }
  }

  /** Says so when a session is heard of for the first time, or from elsewhere. */
  #heard(session: ReceivingSession): void {
    const known = this.#known.get(session)
    // When the engine has no time now, it is told with the next burst.
    if (known === undefined || !this.#parts.handOver.hasRoom) return
    const isOther =
      this.#region === 0
        ? this.#parts.mailbox.noteSource(known.source) || known.region !== 0
        : known.region !== this.#region
    if (!isOther) return
    known.region = this.#region
    const { localIndex } = session
    this.#parts.handOver.give(() => ({ kind: 'heard', localIndex, at: this.#now, from: this.#from() }))
  }

  #strange(datagram: Uint8Array): FromPump {
    if (this.#region !== 0) return { kind: 'relayed-stranger', datagram, region: this.#region }
    return { kind: 'stranger', datagram, address: this.#address() }
  }

  #from(): HeardFrom {
    return this.#region === 0 ? { address: this.#address() } : { region: this.#region }
  }

  #address(): Uint8Array {
    const { from } = this.#parts.mailbox
    return from === undefined ? new Uint8Array(0) : encodeSocketAddress(from)
  }
}
