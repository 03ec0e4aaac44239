/**
 * Wakes a thread that waits in `poll`: an eventfd (eventfd(2)), which any thread may ring. A ring is not lost when
 * nobody waits yet, and many rings are heard as one.
 */

import { Arena } from '../../../crypto/io/raw-memory.ts'
import { done, kernel, O_CLOEXEC, O_NONBLOCK } from '../kernel.ts'

/** An eventfd takes and gives a u64. */
const COUNT_BYTES = 8

let one: Arena | undefined

export class Doorbell {
  readonly fd: number
  #open = true

  /** @throws MeshError `system/refused` */
  constructor() {
    this.fd = done(kernel().eventfd(0, O_NONBLOCK | O_CLOEXEC), 'make an eventfd')
  }

  ring(): void {
    if (!this.#open) return
    if (one === undefined) {
      one = new Arena(COUNT_BYTES)
      one.put(0, new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]))
    }
    // It fails only when it has been rung 2^64 times and not been heard.
    kernel().write(this.fd, one.address(0, COUNT_BYTES), COUNT_BYTES)
  }

  /** To be called when nobody waits for it any more. */
  close(): void {
    if (!this.#open) return
    this.#open = false
    kernel().close(this.fd)
  }
}

/** Hears what was rung so far. @param at where `COUNT_BYTES` of the arena may be overwritten */
export function hear(fd: number, arena: Arena, at: number): void {
  kernel().read(fd, arena.address(at, COUNT_BYTES), COUNT_BYTES)
}
