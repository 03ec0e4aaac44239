/**
 * The way of a datagram from a peer to the TUN device: `fromPeer`, top to bottom.
 *
 *   burst -> datagram -> session -> replay check -> open -> IP header -> source check -> filter -> join -> write
 *
 * Messages are opened where they lie. What is no transport message is for others: disco, STUN, handshakes.
 */

import type { Mono } from '../base/clock.ts'
import type { InPlaceCipher } from '../crypto/in-place.ts'
import { TAG_LENGTH } from '../crypto/primitives.ts'
import { isOwnEchoReply } from '../wire/icmp-echo.ts'
import { PacketHeader } from '../wire/ip-packet.ts'
import type { ReceivingSession } from './data-path-session.ts'
import { NO_ROUTES } from './data-path.ts'
import type { DropCounts, Filter, Routes } from './data-path.ts'
import { isToldWhenRefused } from './filter/reject.ts'
import { FIRST_DROP, VERDICT } from './filter/verdict.ts'
import type { VerdictCounts } from './filter/verdict.ts'
import { Joiner, RUN_BYTES } from './packet/join.ts'
import type { Memory } from './packet/memory.ts'
import { VNET_HEADER, writePlainHeader } from './packet/vnet-header.ts'
import { TRANSPORT_HEADER_LENGTH, TRANSPORT_MIN_LENGTH } from './wireguard/messages.ts'

/** The first four bytes of a transport message. No disco, STUN or relay header begins so (disco.md §2). */
const KIND_TRANSPORT = 4
/** Flows that are put together side by side. */
const FLOWS = 8
const IPV4_HEADER = 20
/** So many refusals are told in so long: people read them, and a flood of them would keep the engine from its work. */
const REFUSALS_MOST = 16
const REFUSALS_MS = 100
/** At most once in so long somebody is told of who sends messages of a session that is not known. */
const LOST_MS = 100

export interface InboundSink {
  /** A virtio header and packets behind it, for the device. */
  write(at: number, length: number): void
  /** A datagram that is no transport message; or, once in a while, the header of one whose session is not known. */
  stranger(at: number, length: number): void
  /** Something genuine came over this session: said once for each burst, before what came is passed on. */
  heard(session: ReceivingSession): void
  /**
   * A packet that the engine is to see in place of the device: a message between nodes (TSMP), an answer to an echo
   * request of the node's own, or the first packet of a TCP connection over IPv4 that the filter refused.
   */
  forEngine(peer: number, at: number, length: number): void
}

export interface InboundOptions {
  readonly memory: Memory
  /** Where `INBOUND_BYTES` of the memory begin that are its own: a multiple of four. */
  readonly at: number
  readonly cipher: InPlaceCipher
  readonly filter: Filter
  readonly thread: number
  /** Does the device take TCP in one piece, and UDP? */
  readonly joins: boolean
  readonly joinsUdp: boolean
  readonly sink: InboundSink
  readonly drops: DropCounts
  readonly verdicts: VerdictCounts
}

export const INBOUND_BYTES = FLOWS * RUN_BYTES

export class Inbound {
  readonly #memory: Memory
  readonly #cipher: InPlaceCipher
  readonly #filter: Filter
  readonly #thread: number
  readonly #sink: InboundSink
  readonly #drops: DropCounts
  readonly #verdicts: VerdictCounts
  readonly #joiner: Joiner | undefined
  readonly #header = new PacketHeader()
  /** By index, as a signed number: the engine keeps those unboxed. */
  readonly #sessions = new Map<number, ReceivingSession>()
  routes: Routes = NO_ROUTES
  /** Refusals told since then. */
  #refusals = 0
  #refusalsSince = 0 as Mono
  /** When a message of an unknown session was told last. */
  #lostAt = -Infinity as Mono

  constructor(o: InboundOptions) {
    this.#memory = o.memory
    this.#cipher = o.cipher
    this.#filter = o.filter
    this.#thread = o.thread
    this.#sink = o.sink
    this.#drops = o.drops
    this.#verdicts = o.verdicts
    const write = (at: number, length: number): void => o.sink.write(at, length)
    this.#joiner = o.joins ? new Joiner(o.memory, o.at, FLOWS, o.joinsUdp, write) : undefined
  }

  addSession(session: ReceivingSession): void {
    this.#sessions.set(session.localIndex | 0, session)
  }

  removeSession(localIndex: number): void {
    this.#sessions.delete(localIndex | 0)
  }

  /**
   * Takes datagrams that came from one place. Packets in them leave at the latest with `flush`.
   *
   * @param at where the first begins, best at a multiple of four; what stands there is overwritten
   * @param segment they are of this size, but for the last, which may be shorter
   */
  fromPeer(at: number, length: number, segment: number, now: Mono): void {
    const end = at + length
    if (length <= 0 || at < 0 || end > this.#memory.bytes.length) return
    const step = segment > 0 ? segment : length
    let heard: ReceivingSession | undefined
    for (let datagram = at; datagram < end; datagram += step) {
      const session = this.#open(datagram, Math.min(step, end - datagram), now)
      if (session === undefined) continue
      if (session !== heard) this.#sink.heard(session)
      heard = session
      const clear = Math.min(step, end - datagram) - TRANSPORT_MIN_LENGTH
      if (clear > 0) this.#passOn(session.peer, datagram + TRANSPORT_HEADER_LENGTH, clear, now)
    }
  }

  /** Writes all that waits to be put together with more of its like. */
  flush(): void {
    this.#joiner?.flush()
  }

  /** Opens a message where it lies; `undefined` when it is none, or not to be believed. */
  #open(at: number, length: number, now: Mono): ReceivingSession | undefined {
    const { view } = this.#memory
    if (length < TRANSPORT_MIN_LENGTH || view.getUint32(at, true) !== KIND_TRANSPORT) {
      this.#sink.stranger(at, length)
      return undefined
    }
    const session = this.#sessions.get(view.getInt32(at + 4, true))
    if (session === undefined) return this.#lost(at, now)
    if (now >= session.expiresAt) return this.#dropped('expired')
    const low = view.getUint32(at + 8, true)
    const high = view.getUint32(at + 12, true)
    const { memory } = session
    if (!memory.isFresh(high, low)) return this.#dropped('replayed')
    const sealed = length - TRANSPORT_HEADER_LENGTH
    if (!this.#cipher.openAt(session.key, high, low, at + TRANSPORT_HEADER_LENGTH, sealed))
      return this.#dropped('forged')
    if (!memory.accept(high, low)) return this.#dropped('replayed')
    memory.note(this.#thread, sealed - TAG_LENGTH, now)
    return session
  }

  /** Passes an opened packet on, without the zeros behind it, if it may come in. */
  #passOn(peer: number, at: number, length: number, now: Mono): void {
    const { bytes } = this.#memory
    const h = this.#header
    h.read(bytes, at, length)
    const size = h.total
    if (h.version === 0 || size < IPV4_HEADER) return this.#drops.add('not-ip')
    if (!this.routes.maySendFrom(peer, h)) return this.#drops.add('source')

    const verdict = this.#filter.inbound(peer, h)
    this.#verdicts.add(verdict)
    if (verdict >= FIRST_DROP) {
      if (isToldWhenRefused(h) && this.#mayTell(now)) this.#sink.forEngine(peer, at, size)
      return
    }
    if (verdict === VERDICT.tsmp || (verdict === VERDICT.icmpResponse && isOwnEchoReply(bytes, h)))
      return this.#sink.forEngine(peer, at, size)

    // Checksums are made by words: a packet at an odd place moves into its message's header, of which enough is left.
    const to = at & ~3
    if (to !== at) bytes.copyWithin(to, at, at + size)
    if (this.#joiner !== undefined) return this.#joiner.push(to, size)
    writePlainHeader(this.#memory, to - VNET_HEADER)
    this.#sink.write(to - VNET_HEADER, size + VNET_HEADER)
  }

  #mayTell(now: Mono): boolean {
    if (now - this.#refusalsSince >= REFUSALS_MS) {
      this.#refusalsSince = now
      this.#refusals = 0
    }
    return this.#refusals++ < REFUSALS_MOST
  }

  /** Its sender may have a session that we have lost, and would send into the void until it notices the silence. */
  #lost(at: number, now: Mono): undefined {
    if (now - this.#lostAt >= LOST_MS) {
      this.#lostAt = now
      this.#sink.stranger(at, TRANSPORT_HEADER_LENGTH)
    }
    return this.#dropped('unknown-index')
  }

  #dropped(why: 'unknown-index' | 'expired' | 'replayed' | 'forged'): undefined {
    this.#drops.add(why)
  }
}
