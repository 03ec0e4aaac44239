/**
 * What is due on many connections leaves at the end of the turn, each connection in one write.
 *
 * A change that concerns everybody writes to all streams in one go, and some answers become known only in the
 * promises behind it; so connections wait until those are through, and no longer: no timer is involved.
 */

export interface Due {
  flush(): void
}

export class Turn {
  #due: Due[] = []

  /** Flushes this one before the event loop goes on. Whoever is listed already must not be added again. */
  add(due: Due): void {
    this.#due.push(due)
    // A tick behind a microtask comes after all promises that are settled by now.
    if (this.#due.length === 1) queueMicrotask(() => process.nextTick(() => this.#flush()))
  }

  #flush(): void {
    const due = this.#due
    this.#due = []
    for (const one of due) one.flush()
  }
}
