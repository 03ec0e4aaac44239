/**
 * Waits until one of some descriptors can be read, or written (poll(2)), in this thread or aside.
 *
 *   struct pollfd   | fd i32 | wanted u16 | happened u16 |
 */

import type { Arena } from '../../../crypto/io/raw-memory.ts'
import { kernel, pollAside } from '../kernel.ts'

const POLLIN = 0x001
const POLLOUT = 0x004
const ENTRY = 8
/** So many descriptors, and one more that is waited for alone. */
const ENTRIES_MOST = 7
export const WAITER_BYTES = (ENTRIES_MOST + 1) * ENTRY

export class Waiter {
  readonly #arena: Arena
  readonly #at: number
  readonly #view: DataView
  readonly #count: number

  /** @param fds to be read from; at most seven */
  constructor(arena: Arena, at: number, fds: readonly number[]) {
    if (fds.length > ENTRIES_MOST) throw new RangeError(`Cannot wait for ${fds.length} descriptors at a time`)
    this.#arena = arena
    this.#at = at
    this.#view = new DataView(arena.buffer, at, WAITER_BYTES)
    this.#count = fds.length
    for (const [i, fd] of fds.entries()) this.#set(i, fd, POLLIN)
  }

  /** @param timeoutMs -1: as long as it takes; 0: not at all */
  wait(timeoutMs: number): void {
    kernel().poll(this.#arena.address(this.#at, WAITER_BYTES), this.#count, timeoutMs)
  }

  /** Waits while the event loop goes on. One at a time. */
  async waitAside(timeoutMs: number): Promise<void> {
    await pollAside(this.#arena.address(this.#at, WAITER_BYTES), this.#count, timeoutMs)
  }

  /** Can the `i`th be read, or has something happened to it? As the last wait found it. */
  isReady(i: number): boolean {
    return this.#view.getUint16(i * ENTRY + 6, true) !== 0
  }

  /** Waits until this descriptor takes something, for some milliseconds at most. */
  waitWritable(fd: number, timeoutMs: number): void {
    this.#set(ENTRIES_MOST, fd, POLLOUT)
    kernel().poll(this.#arena.address(this.#at + ENTRIES_MOST * ENTRY, ENTRY), 1, timeoutMs)
  }

  #set(i: number, fd: number, wanted: number): void {
    this.#view.setInt32(i * ENTRY, fd, true)
    this.#view.setUint16(i * ENTRY + 4, wanted, true)
    this.#view.setUint16(i * ENTRY + 6, 0, true)
  }
}
