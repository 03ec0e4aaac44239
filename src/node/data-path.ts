/**
 * The words that the two directions of the data path share: what they look up, what they count, and whom they serve.
 * data-path-outbound.ts shows a packet's way from the TUN device to a peer, data-path-inbound.ts the way back.
 *
 * Both work on packets where they lie in one memory, and make nothing for a packet. They know no socket and no thread:
 * what leaves is a place in that memory, handed to a sink, which may be overwritten when the sink returns.
 *
 * Peers are small numbers, given by whoever fills the tables: the same in every table, and never given anew while any
 * table still has them.
 */

import { lookUp } from '../base/address-table.ts'
import type { AddressTable } from '../base/address-table.ts'
import type { PacketHeader } from '../wire/ip-packet.ts'
import { evaluateInbound, evaluateOutbound } from './filter/evaluate.ts'
import { FlowTable } from './filter/flows.ts'
import type { FilterProgram } from './filter/program.ts'
import { ABSENT } from './filter/settings.ts'
import type { Verdict } from './filter/verdict.ts'

/** Packets to this address go to nobody. */
export const NO_PEER = 0
/** Packets to this address are for the engine itself, such as the resolver that every node has at 100.100.100.100. */
export const FOR_ENGINE = -1

/** Where addresses lead. */
export interface Routes {
  /** The peer that packets to the header's destination go to, `NO_PEER` or `FOR_ENGINE`. */
  peerTo(h: PacketHeader): number
  /** May this peer send from the header's source? */
  maySendFrom(peer: number, h: PacketHeader): boolean
}

export const NO_ROUTES: Routes = { peerTo: () => NO_PEER, maySendFrom: () => false }

/** Where addresses lead, as plain values that can be posted to any thread. */
export interface RouteTables {
  /** Address to the peer that has it: packets to it go there, and are taken from there (routes/peer-routes.ts). */
  readonly peers: AddressTable
  /** Addresses that are the engine's own: any number but 0. */
  readonly engine?: AddressTable
}

export function routesOf({ peers, engine }: RouteTables): Routes {
  return {
    peerTo({ version, dst0, dst1, dst2, dst3 }) {
      if (engine !== undefined && lookUp(engine, version, dst0, dst1, dst2, dst3) !== 0) return FOR_ENGINE
      return lookUp(peers, version, dst0, dst1, dst2, dst3)
    },
    maySendFrom(peer, { version, src0, src1, src2, src3 }) {
      return peer !== NO_PEER && lookUp(peers, version, src0, src1, src2, src3) === peer
    },
  }
}

/** What the node's filter is made of; jailed peers have rules and flows of their own (node.md §2.5). */
export interface FilterTables {
  readonly program: FilterProgram
  readonly jailed: FilterProgram
  readonly jailedPeers: ReadonlySet<number>
}

/** The filter of one thread: tables that are exchanged as a whole, and flows that all threads share. */
export class Filter {
  readonly #flows: FlowTable
  readonly #jailedFlows: FlowTable
  tables: FilterTables = { program: ABSENT, jailed: ABSENT, jailedPeers: new Set() }

  constructor(flows = new FlowTable(), jailedFlows = new FlowTable()) {
    this.#flows = flows
    this.#jailedFlows = jailedFlows
  }

  outbound(peer: number, h: PacketHeader): Verdict {
    const { program, jailed, jailedPeers } = this.tables
    return jailedPeers.has(peer)
      ? evaluateOutbound(jailed, this.#jailedFlows, h)
      : evaluateOutbound(program, this.#flows, h)
  }

  inbound(peer: number, h: PacketHeader): Verdict {
    const { program, jailed, jailedPeers } = this.tables
    return jailedPeers.has(peer)
      ? evaluateInbound(jailed, this.#jailedFlows, h)
      : evaluateInbound(program, this.#flows, h)
  }
}

/** Why a packet went no further; the filter counts by its own verdicts. */
export const DROPS = [
  /** What came from the device does not go together with its virtio header. */
  'malformed',
  /** No IP packet. */
  'not-ip',
  'no-route',
  /** The session to seal with has ended meanwhile. */
  'no-session',
  /** No session has this index, any more or at all. */
  'unknown-index',
  'expired',
  'replayed',
  'forged',
  /** The packet's source is no address of the peer that sent it. */
  'source',
  /** There is no way to the peer. */
  'no-path',
  /** More waits for the engine than may. */
  'engine-busy',
  /** This machine's own programs sent what only nodes say to each other. */
  'tsmp',
  /** The kernel did not take it. */
  'send-failed',
  'write-failed',
] as const

export type DropName = (typeof DROPS)[number]

const NUMBER_OF = Object.fromEntries(DROPS.map((name, i) => [name, i])) as Readonly<Record<DropName, number>>

/** Dropped packets by reason: one for each thread, whose memory may be shared with whoever reports. */
export class DropCounts {
  static readonly BYTES = DROPS.length * Float64Array.BYTES_PER_ELEMENT
  readonly #counts: Float64Array

  constructor(buffer: ArrayBufferLike = new ArrayBuffer(DropCounts.BYTES)) {
    this.#counts = new Float64Array(buffer, 0, DROPS.length)
  }

  add(why: DropName, packets = 1): void {
    const i = NUMBER_OF[why]
    this.#counts[i] = (this.#counts[i] as number) + packets
  }

  of(why: DropName): number {
    return this.#counts[NUMBER_OF[why]] as number
  }
}
