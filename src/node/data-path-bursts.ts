/**
 * Gathers sealed messages into bursts: messages to one peer, one behind the other, all of one size but for the last,
 * which may be shorter. So the kernel takes a burst in one call (udp(7), `UDP_SEGMENT`).
 *
 * Several bursts are open side by side, so that packets to different peers do not break each other's; packets to one
 * peer keep their order. What is in a message is the caller's matter.
 */

/** What one call to the kernel takes at most. */
const MESSAGES_MOST = 64
const BYTES_MOST = 65_000
/** Room for one burst, and for the longest single message: a packet of 65,535 bytes, sealed. */
const ROOM = 65_664
const OPEN_MOST = 4
/** So much memory is taken. */
export const BURSTS_BYTES = OPEN_MOST * ROOM

/** Takes a burst. What stands there may be overwritten afterwards. */
export type SendBurst = (peer: number, at: number, length: number, segment: number) => void

export class Burst {
  readonly at: number
  peer = 0
  /** Bytes, messages, and the size of the first. */
  length = 0
  messages = 0
  segment = 0
  /** The last message was shorter, so nothing can follow. */
  closed = false

  constructor(at: number) {
    this.at = at
  }
}

export class Bursts {
  readonly #bursts: readonly Burst[]
  readonly #send: SendBurst
  /** The one that is sent to make place; they take turns. */
  #victim = 0

  /** @param at where `BURSTS_BYTES` of the memory begin that are its own: a multiple of four */
  constructor(at: number, send: SendBurst) {
    this.#bursts = Array.from({ length: OPEN_MOST }, (_, i) => new Burst(at + i * ROOM))
    this.#send = send
  }

  /** The burst for messages to this peer. */
  openFor(peer: number): Burst {
    let free: Burst | undefined
    for (const burst of this.#bursts) {
      if (burst.messages === 0) free ??= burst
      else if (burst.peer === peer) return burst
    }
    if (free === undefined) {
      free = this.#bursts[this.#victim] as Burst
      this.#victim = (this.#victim + 1) % OPEN_MOST
      this.#finish(free)
    }
    free.peer = peer
    return free
  }

  /** Where the next message of so many bytes is to be written; what is in the way is sent first. */
  place(burst: Burst, length: number): number {
    const fits =
      burst.messages === 0 ||
      (!burst.closed &&
        length <= burst.segment &&
        burst.messages < MESSAGES_MOST &&
        burst.length + length <= BYTES_MOST)
    if (!fits) this.#finish(burst)
    return burst.at + burst.length
  }

  /** The message stands where `place` said. */
  add(burst: Burst, length: number): void {
    if (burst.messages === 0) burst.segment = length
    else if (length < burst.segment) burst.closed = true
    burst.length += length
    burst.messages++
  }

  /** Sends all that waits. */
  flush(): void {
    for (const burst of this.#bursts) if (burst.messages > 0) this.#finish(burst)
  }

  #finish(burst: Burst): void {
    const { peer, at, length, segment } = burst
    burst.length = burst.messages = burst.segment = 0
    burst.closed = false
    this.#send(peer, at, length, segment)
  }
}
