/**
 * The filter's rules as a program: flat arrays of numbers, immutable and without references, so that they can be
 * posted to any thread and read there as they are. compile.ts makes them; evaluate.ts runs them.
 *
 *   source       -> class        a chain of *targets*; a target is what one list of sources may reach
 *   destination  -> place        the narrowest range that rules or local nets name, and those around it
 *   target, place -> opening     which ports and protocols are open there
 *
 * So a packet meets only rules whose sources and destinations both hold it. However many others there are, they cost
 * nothing but the room they take.
 */

import type { AddressTable } from '../../base/address-table.ts'

export interface FilterProgram {
  /** Nothing is known yet of who may come in: everything is dropped. */
  readonly isAbsent: boolean
  /** Address to class. */
  readonly sources: AddressTable
  /** Class to target and the next class of the chain, by turns; class 0 ends a chain. */
  readonly classes: Int32Array
  /** Address to place. */
  readonly destinations: AddressTable
  /** Place to three numbers, see `PLACE`. Place 0 is everywhere else. */
  readonly places: Int32Array
  /** By hashing: target, place and opening by threes, opening 0 for none. */
  readonly openings: Int32Array
  /** Opening to five numbers, see `OPENING`. */
  readonly doors: Int32Array
  /** Port ranges, `first << 16 | last`: of one protocol and opening rising, apart from each other. */
  readonly ports: Uint32Array
  /** Sets of protocols, 256 bits each; the first is empty. */
  readonly protocols: Int32Array
  /** What nodes with a capability are sources of, to be bound to their addresses by `bindCapabilities`. */
  readonly capabilities: readonly CapabilitySource[]
  /** Address of a peer to its entry in `holders`. */
  readonly holderTable: AddressTable
  /** Entry to class, and to the families in which it may send ICMP: bit 0 for IPv4, bit 1 for IPv6. */
  readonly holders: Int32Array
  /** Class to target and next class, as `classes`, of holders. */
  readonly holderClasses: Int32Array
  /** Our own PeerAPI: IPv4 address and port, IPv6 address and port. Port 0: none. */
  readonly peerApi: Int32Array
}

/** A node capability that rules name as a source. */
export interface CapabilitySource {
  readonly name: string
  readonly targets: readonly number[]
  /** Families that its rules have destinations of, local or not; as in `holders`. */
  readonly families: number
}

export const PLACE = {
  /** 1: an address of ours or behind us. */
  isLocal: 0,
  /** The narrowest range here that rules name, itself included; 0 for none. */
  first: 1,
  /** The next wider one, of which `first` is not this place. */
  next: 2,
  size: 3,
} as const

export const OPENING = {
  /** Where TCP's port ranges start; those of UDP and SCTP follow, and each ends where the next begins. */
  tcp: 0,
  udp: 1,
  sctp: 2,
  end: 3,
  /** Where the set of protocols starts that pass with all their ports. */
  protocols: 4,
  size: 5,
} as const

export const PROTOCOL_WORDS = 8
export const IPV4_BIT = 1
export const IPV6_BIT = 2
export const OPENING_STRIDE = 3

/** Where the search for an opening starts. */
export function hashOpening(target: number, place: number): number {
  const mixed = Math.imul(target ^ Math.imul(place, 0x27d4eb2f), 0x45d9f3b)
  return mixed ^ (mixed >>> 15)
}
