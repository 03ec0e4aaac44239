/**
 * The way of a packet from the TUN device to its peer: `fromTun`, top to bottom.
 *
 *   virtio header, packet -> header -> route -> filter -> session -> cut -> seal -> burst
 *
 * What the device gives in one piece is one flow to one address, so it is looked up and filtered once, before it is
 * cut. Pieces are cut to where their message is to stand in a burst and sealed there: a packet is copied once.
 */

import type { Bytes } from '../base/bytes.ts'
import type { Mono } from '../base/clock.ts'
import type { InPlaceCipher } from '../crypto/in-place.ts'
import { TAG_LENGTH } from '../crypto/primitives.ts'
import { PacketHeader, TSMP } from '../wire/ip-packet.ts'
import { Burst, Bursts, BURSTS_BYTES } from './data-path-bursts.ts'
import type { SendingSession } from './data-path-session.ts'
import { FOR_ENGINE, NO_PEER, NO_ROUTES } from './data-path.ts'
import type { DropCounts, Filter, Routes } from './data-path.ts'
import { FIRST_DROP } from './filter/verdict.ts'
import type { VerdictCounts } from './filter/verdict.ts'
import { cut } from './packet/cut.ts'
import type { Memory } from './packet/memory.ts'
import { aligned } from './packet/memory.ts'
import { VNET_HEADER } from './packet/vnet-header.ts'
import { TRANSPORT_HEADER_LENGTH } from './wireguard/messages.ts'
import { paddingOf } from './wireguard/transport.ts'

/** The longest that IP allows. */
const PACKET_MOST = 65_535
const KIND_TRANSPORT = 4

export interface OutboundSink {
  /** Sealed messages to a peer, of `segment` bytes each but for the last, which may be shorter. */
  send(peer: number, at: number, length: number, segment: number): void
  /** A packet, whole and in clear, for a peer with which there is no session to send over. */
  unsealed(peer: number, at: number, length: number): void
  /** A packet, whole, to an address that is the engine's own. */
  toEngine(at: number, length: number): void
}

export interface OutboundOptions {
  readonly memory: Memory
  /** Where `OUTBOUND_BYTES` of the memory begin that are its own: a multiple of four. */
  readonly at: number
  readonly cipher: InPlaceCipher
  readonly filter: Filter
  /** This thread's own record in each session's memory. */
  readonly thread: number
  readonly sink: OutboundSink
  readonly drops: DropCounts
  readonly verdicts: VerdictCounts
}

export const OUTBOUND_BYTES = BURSTS_BYTES + aligned(PACKET_MOST)

export class Outbound {
  readonly #memory: Memory
  readonly #cipher: InPlaceCipher
  readonly #filter: Filter
  readonly #thread: number
  readonly #sink: OutboundSink
  readonly #drops: DropCounts
  readonly #verdicts: VerdictCounts
  readonly #bursts: Bursts
  /** For packets that are not sealed. */
  readonly #scratch: number
  readonly #header = new PacketHeader()
  readonly #sessions = new Map<number, SendingSession>()
  routes: Routes = NO_ROUTES
  /** Of the tunnel; padding goes no further. 0 for no bound. */
  mtu = 0

  /** What the packet in hand is sealed with, and where it goes. */
  #peer = NO_PEER
  #session: SendingSession | undefined
  #burst = new Burst(0)
  #now = 0 as Mono

  constructor(o: OutboundOptions) {
    this.#memory = o.memory
    this.#cipher = o.cipher
    this.#filter = o.filter
    this.#thread = o.thread
    this.#sink = o.sink
    this.#drops = o.drops
    this.#verdicts = o.verdicts
    this.#bursts = new Bursts(o.at, (peer, at, length, segment) => o.sink.send(peer, at, length, segment))
    this.#scratch = o.at + BURSTS_BYTES
  }

  /** What to seal with for this peer from now on, if anything. */
  setSession(peer: number, session: SendingSession | undefined): void {
    if (session === undefined) this.#sessions.delete(peer)
    else this.#sessions.set(peer, session)
  }

  /**
   * Takes what a read of the device gave. It leaves at the latest with `flush`.
   *
   * @param at where its virtio header begins; the packet behind it best begins at a multiple of four
   * @param length of both
   */
  fromTun(at: number, length: number, now: Mono): void {
    const { bytes } = this.#memory
    const size = length - VNET_HEADER
    if (size <= 0 || size > PACKET_MOST || at < 0 || at + length > bytes.length) return this.#drops.add('malformed')
    const h = this.#header
    h.read(bytes, at + VNET_HEADER, size)
    if (h.version === 0) return this.#drops.add('not-ip')
    // What nodes say to each other counts for its sender's word: programs have no part in it (node.md §2.1).
    if (h.protocol === TSMP) return this.#drops.add('tsmp')

    const peer = this.routes.peerTo(h)
    if (peer === FOR_ENGINE) return this.#cut(at, length, this.#toEngine)

    const verdict = this.#filter.outbound(peer, h)
    this.#verdicts.add(verdict)
    if (verdict >= FIRST_DROP) return
    if (peer === NO_PEER) return this.#drops.add('no-route')

    const session = this.#sessionWith(peer, now)
    this.#peer = peer
    if (session === undefined) return this.#cut(at, length, this.#toStage)
    this.#burst = this.#bursts.openFor(peer)
    this.#session = session
    this.#now = now
    this.#cut(at, length, this.#toBurst)
  }

  /**
   * Seals a packet of the engine's own: a keepalive (empty), or one that waited for the session.
   *
   * @param localIndex the session that it is meant for; where that is not the one to send with any more, it is dropped
   */
  seal(peer: number, localIndex: number, packet: Bytes, now: Mono): void {
    const session = this.#sessionWith(peer, now)
    if (session?.localIndex !== localIndex || packet.length > PACKET_MOST) return this.#drops.add('no-session')
    this.#peer = peer
    this.#burst = this.#bursts.openFor(peer)
    this.#session = session
    this.#now = now
    const place = this.#toBurst.place(packet.length)
    this.#memory.bytes.set(packet, place)
    this.#toBurst.take(place, packet.length)
  }

  /** Sends all that waits to be sent with more of its like. */
  flush(): void {
    this.#bursts.flush()
  }

  #sessionWith(peer: number, now: Mono): SendingSession | undefined {
    const session = this.#sessions.get(peer)
    return session !== undefined && now < session.expiresAt ? session : undefined
  }

  #cut(
    at: number,
    length: number,
    to: { place(length: number): number; take(at: number, length: number): void },
  ): void {
    if (cut(this.#memory, at, length, to) === 0) this.#drops.add('malformed')
  }

  /** Seals each piece where it stands. */
  readonly #toBurst = {
    place: (length: number): number =>
      this.#bursts.place(this.#burst, messageLength(length, this.mtu)) + TRANSPORT_HEADER_LENGTH,

    take: (at: number, length: number): void => {
      const session = this.#session as SendingSession
      const counter = session.memory.takeCounter()
      if (counter < 0) {
        this.#sessions.delete(this.#peer)
        return this.#sink.unsealed(this.#peer, at, length)
      }
      const { bytes, view } = this.#memory
      const padded = length + paddingOf(length, this.mtu)
      if (padded > length) bytes.fill(0, at + length, at + padded)
      const message = at - TRANSPORT_HEADER_LENGTH
      view.setUint32(message, KIND_TRANSPORT, true)
      view.setUint32(message + 4, session.remoteIndex, true)
      view.setUint32(message + 8, counter, true)
      view.setUint32(message + 12, 0, true)
      this.#cipher.sealAt(session.key, counter, at, padded)
      session.memory.note(this.#thread, length, this.#now)
      this.#bursts.add(this.#burst, TRANSPORT_HEADER_LENGTH + padded + TAG_LENGTH)
    },
  }

  readonly #toStage = {
    place: (): number => this.#scratch,
    take: (at: number, length: number): void => this.#sink.unsealed(this.#peer, at, length),
  }

  readonly #toEngine = {
    place: (): number => this.#scratch,
    take: (at: number, length: number): void => this.#sink.toEngine(at, length),
  }
}

function messageLength(length: number, mtu: number): number {
  return TRANSPORT_HEADER_LENGTH + length + paddingOf(length, mtu) + TAG_LENGTH
}
