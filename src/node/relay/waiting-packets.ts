/**
 * Packets that wait until a relay takes them: two lines of 32, so that disco packets, by which nodes find a better
 * way, get through however much else there is. Fresh packets drive out old ones. (derp.md §2, §5.3)
 */

import type { Bytes } from '../../base/bytes.ts'
import type { Mono } from '../../base/clock.ts'
import { looksLikeDisco } from '../../wire/derp/messages.ts'

const DEPTH = 32
/** After so long a disco ping has been given up, and a handshake message been sent anew. */
export const STALE_MS = 5000

export interface WaitingPacket {
  readonly to: Bytes
  readonly packet: Bytes
  readonly at: Mono
}

export class WaitingPackets {
  #disco: WaitingPacket[] = []
  #other: WaitingPacket[] = []

  get size(): number {
    return this.#disco.length + this.#other.length
  }

  /** Takes a packet in; gives true when an older one was dropped for it. */
  push(packet: WaitingPacket): boolean {
    const line = looksLikeDisco(packet.packet, 0, packet.packet.length) ? this.#disco : this.#other
    line.push(packet)
    return line.length > DEPTH && line.shift() !== undefined
  }

  /** The next to be sent: disco first, then by age. */
  shift(): WaitingPacket | undefined {
    return this.#disco.shift() ?? this.#other.shift()
  }

  /** Forgets all; gives how many there were. */
  clear(): number {
    const { size } = this
    this.#disco = []
    this.#other = []
    return size
  }
}
