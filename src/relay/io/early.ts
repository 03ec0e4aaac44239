/**
 * Relay connections that come before it is known who may have one. They wait: a client that is turned away backs off,
 * and one that finds the port closed waits longer still.
 */

import type { Duplex } from 'node:stream'

/** A large site's worth. */
const MOST = 20_000

export class EarlyConnections {
  #waiting: Map<Duplex, () => void> | undefined

  /** @param held they wait until `open`; otherwise nobody ever does */
  constructor(held: boolean) {
    this.#waiting = held ? new Map() : undefined
  }

  /** Lets a connection in by `enter`, now or once it is open. Nothing is read from it meanwhile. */
  admit(socket: Duplex, enter: () => void): void {
    const waiting = this.#waiting
    if (waiting === undefined) return enter()
    if (waiting.size >= MOST) return void socket.destroy()
    waiting.set(socket, enter)
    socket.once('close', () => waiting.delete(socket))
  }

  /** Lets in whoever waits, in order of arrival, and from now on everybody. */
  open(): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    for (const enter of waiting?.values() ?? []) enter()
  }

  /** Closes the connections that still wait. */
  close(): void {
    for (const socket of this.#waiting?.keys() ?? []) socket.destroy()
  }
}
