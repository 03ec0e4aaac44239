/** The addresses behind this server's own name, for clients whose DNS fails (control.md §11.3). */

import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import type { Mono } from '../../base/clock.ts'

const FRESH_MS = 10 * 60_000

/**
 * Looks the name up now and again, and meanwhile gives what it found last. Only our own name is ever looked up, so
 * that nobody has us ask for theirs; an address needs no looking up.
 */
export class OwnAddresses {
  readonly #name: string
  readonly #mono: () => Mono
  #found: readonly string[] = []
  #askedAt: Mono | undefined

  constructor(name: string, mono: () => Mono) {
    this.#name = name
    this.#mono = mono
    this.table()
  }

  readonly table = (): Readonly<Record<string, readonly string[]>> => {
    if (isIP(this.#name.replace(/^\[|\]$/g, '')) !== 0) return {}
    const now = this.#mono()
    if (this.#askedAt === undefined || now - this.#askedAt > FRESH_MS) {
      this.#askedAt = now
      lookup(this.#name, { all: true }).then(
        (found) => (this.#found = found.map((entry) => entry.address)),
        () => undefined,
      )
    }
    return this.#found.length === 0 ? {} : { [this.#name]: this.#found }
  }
}
