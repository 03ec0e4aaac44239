/**
 * Room for the bodies of requests while they are collected, over all connections together.
 *
 * An honest body is whole within moments. Whoever wants to keep others out has to leave theirs unfinished, so when
 * there is no room left, the body that was begun first gives way to the newer ones.
 */

/** A body that is being collected. */
export interface Held {
  /** It is collected no longer: tells its sender, and lets go of what came. */
  giveUp(): void
}

export class Bodies {
  #left: number
  /** Bytes of each, in the order in which they were begun. */
  readonly #held = new Map<Held, number>()

  /** @param limit bytes */
  constructor(limit: number) {
    this.#left = limit
  }

  /** Bytes that could still come. */
  get left(): number {
    return this.#left
  }

  /** Makes room for so many more bytes of a body. False: that is more than there is for all. */
  take(body: Held, bytes: number): boolean {
    while (this.#left < bytes) {
      const oldest = this.#oldestBut(body)
      if (oldest === undefined) return false
      this.release(oldest)
      oldest.giveUp()
    }
    this.#left -= bytes
    this.#held.set(body, (this.#held.get(body) ?? 0) + bytes)
    return true
  }

  /** Gives back what a body had; it may be told again. */
  release(body: Held): void {
    this.#left += this.#held.get(body) ?? 0
    this.#held.delete(body)
  }

  #oldestBut(body: Held): Held | undefined {
    for (const each of this.#held.keys()) if (each !== body) return each
    return undefined
  }
}
