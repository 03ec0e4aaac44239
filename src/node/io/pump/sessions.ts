/**
 * The engine's books of sessions that pumps use: the memory that all of them share of each, and what went over it,
 * to be told to the handshake machine (`Device.report`) and to whoever shows traffic.
 */

import type { Mono } from '../../../base/clock.ts'
import { SessionMemory } from '../../data-path-session.ts'
import type { PlaneActivity } from '../../data-plane.ts'
import type { Keypair } from '../../wireguard/keypairs.ts'
import type { PostedSession } from './messages.ts'

export interface PeerTraffic {
  readonly sentPackets: number
  readonly sentBytes: number
  readonly receivedPackets: number
  readonly receivedBytes: number
}

interface Entry {
  readonly posted: PostedSession
  readonly memory: SessionMemory
  /** Messages in each direction that were told of. */
  sentTold: number
  receivedTold: number
  /** The last packets that were told of: each is news once, or a keepalive would be taken for an answer to be kept alive. */
  sentDataTold: Mono | undefined
  receivedDataTold: Mono | undefined
}

const NOTHING: PeerTraffic = { sentPackets: 0, sentBytes: 0, receivedPackets: 0, receivedBytes: 0 }

export class SessionBooks {
  readonly #pairs: number
  readonly #live = new Map<number, readonly Entry[]>()
  /** What went over sessions that are over. */
  readonly #past = new Map<number, PeerTraffic>()
  #ids = 0

  /** @param pairs how many pumps there are in each direction: threads 0 up to `pairs` seal, as many after them open */
  constructor(pairs: number) {
    this.#pairs = pairs
  }

  /** Is there any session? */
  get isEmpty(): boolean {
    return this.#live.size === 0
  }

  /**
   * Takes what sessions a peer now has. One that it had before keeps its memory.
   *
   * @returns what to post of them, in the same order
   */
  set(peer: number, keypairs: readonly Keypair[]): readonly PostedSession[] {
    const before = this.#live.get(peer) ?? []
    const after = keypairs.map((keypair) => before.find((e) => e.posted.keypair === keypair) ?? this.#open(keypair))
    for (const entry of before)
      if (!after.includes(entry)) this.#past.set(peer, added(this.#pastOf(peer), this.#of(entry)))
    if (after.length === 0) this.#live.delete(peer)
    else this.#live.set(peer, after)
    return after.map(({ posted }) => posted)
  }

  /** Forgets what went to and from a peer that is gone; its number may then be given anew. */
  forget(peer: number): void {
    this.#past.delete(peer)
  }

  /** What went to and from a peer since it was first seen. */
  traffic(peer: number): PeerTraffic {
    return (this.#live.get(peer) ?? []).reduce((sum, entry) => added(sum, this.#of(entry)), this.#pastOf(peer))
  }

  /** What went over each session since the last call; only those over which something went. */
  news(): PlaneActivity[] {
    const news: PlaneActivity[] = []
    for (const entries of this.#live.values())
      for (const entry of entries) {
        const [sent, received] = this.#both(entry)
        if (sent.messages === entry.sentTold && received.messages === entry.receivedTold) continue
        const { localIndex } = entry.posted.keypair
        news.push({
          localIndex,
          ...(sent.messages !== entry.sentTold && {
            ...(sent.lastAt !== undefined && { sentAt: sent.lastAt }),
            ...(sent.lastDataAt !== undefined &&
              sent.lastDataAt !== entry.sentDataTold && { sentDataAt: sent.lastDataAt }),
            sent: entry.memory.sealed,
          }),
          ...(received.messages !== entry.receivedTold && {
            ...(received.lastAt !== undefined && { receivedAt: received.lastAt }),
            ...(received.lastDataAt !== undefined &&
              received.lastDataAt !== entry.receivedDataTold && { receivedDataAt: received.lastDataAt }),
          }),
        })
        entry.sentTold = sent.messages
        entry.receivedTold = received.messages
        entry.sentDataTold = sent.lastDataAt
        entry.receivedDataTold = received.lastDataAt
      }
    return news
  }

  #open(keypair: Keypair): Entry {
    const threads = 2 * this.#pairs
    const memory = new SessionMemory(threads, new SharedArrayBuffer(SessionMemory.bytesFor(threads)))
    const posted = { id: (this.#ids += 1), keypair, memory: memory.buffer }
    return { posted, memory, sentTold: 0, receivedTold: 0, sentDataTold: undefined, receivedDataTold: undefined }
  }

  #both({ memory }: Entry) {
    return [memory.traffic(0, this.#pairs), memory.traffic(this.#pairs, 2 * this.#pairs)] as const
  }

  #of(entry: Entry): PeerTraffic {
    const [sent, received] = this.#both(entry)
    return {
      sentPackets: sent.messages,
      sentBytes: sent.bytes,
      receivedPackets: received.messages,
      receivedBytes: received.bytes,
    }
  }

  #pastOf(peer: number): PeerTraffic {
    return this.#past.get(peer) ?? NOTHING
  }
}

function added(a: PeerTraffic, b: PeerTraffic): PeerTraffic {
  return {
    sentPackets: a.sentPackets + b.sentPackets,
    sentBytes: a.sentBytes + b.sentBytes,
    receivedPackets: a.receivedPackets + b.receivedPackets,
    receivedBytes: a.receivedBytes + b.receivedBytes,
  }
}
