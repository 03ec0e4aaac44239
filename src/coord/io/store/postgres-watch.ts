/**
 * Hears of other servers' commits: LISTEN on a connection of its own that comes back when it is lost, and a look at
 * the feeds' numbers every second, since a notice is only a hint and a dead connection gives none.
 */

import type { Client } from 'pg'
import type { TailnetNum } from '../../model/records.ts'
import type { StoreLog } from './open.ts'
import { CHANNEL } from './postgres-commit.ts'
import type { Session } from './postgres-session.ts'

const POLL_MS = 1000
/** Between attempts to listen again; the polls go on meanwhile. */
const AGAIN_MS = 500

export class Watch {
  readonly #session: Session
  readonly #origin: string
  readonly #log: StoreLog | undefined
  readonly #hints = new Set<(tailnet: TailnetNum) => void>()
  readonly #heads: () => Promise<ReadonlyMap<TailnetNum, number>>
  #seen: ReadonlyMap<TailnetNum, number> = new Map()
  #timer: NodeJS.Timeout | undefined
  #listener: Client | undefined
  #again: NodeJS.Timeout | undefined
  /** Attempts and looks that are under way. */
  readonly #running = new Set<Promise<void>>()
  #stopped = false

  constructor(session: Session, origin: string, heads: () => Promise<ReadonlyMap<TailnetNum, number>>, log?: StoreLog) {
    this.#session = session
    this.#origin = origin
    this.#heads = heads
    this.#log = log
  }

  /** Starts listening with the first hint; returns how to stop. */
  add(hint: (tailnet: TailnetNum) => void): () => void {
    // A hint of its own for every call, so that one function can be added twice.
    const own = (tailnet: TailnetNum) => hint(tailnet)
    this.#hints.add(own)
    if (this.#hints.size === 1 && !this.#stopped) {
      this.#run(this.#listen())
      this.#poll()
    }
    return () => {
      if (this.#hints.delete(own) && this.#hints.size === 0) this.#rest()
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#hints.clear()
    this.#rest()
    await Promise.all(this.#running)
  }

  #rest(): void {
    clearTimeout(this.#timer)
    clearTimeout(this.#again)
    const listener = this.#listener
    this.#listener = undefined
    if (listener !== undefined) this.#run(listener.end().catch(() => {}))
  }

  #run(work: Promise<void>): void {
    const running = work.finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  async #listen(): Promise<void> {
    try {
      const client = await this.#session.dedicated()
      if (this.#hints.size === 0 || this.#listener !== undefined) return await client.end()
      this.#listener = client
      client.on('notification', ({ payload = '' }) => this.#heard(payload))
      client.on('end', () => {
        if (this.#listener !== client) return
        this.#listener = undefined
        this.#log?.warn({}, 'store.listener-lost')
        this.#later()
      })
      await client.query(`LISTEN ${CHANNEL}`)
      // What was said while nobody listened.
      await this.#look()
    } catch {
      if (this.#listener === undefined) this.#later()
    }
  }

  #later(): void {
    if (this.#hints.size === 0) return
    clearTimeout(this.#again)
    this.#again = setTimeout(() => this.#run(this.#listen()), AGAIN_MS)
  }

  #heard(payload: string): void {
    const [tailnet, origin] = payload.split(' ')
    const num = Number(tailnet)
    if (origin !== this.#origin && Number.isSafeInteger(num)) this.#say(num)
  }

  #poll(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#run(this.#lookAgain()), POLL_MS)
  }

  async #lookAgain(): Promise<void> {
    try {
      await this.#look()
    } catch {
      // Whoever uses the store finds out by itself; the next look comes anyway.
    }
    if (this.#hints.size > 0) this.#poll()
  }

  async #look(): Promise<void> {
    const heads = await this.#heads()
    const seen = this.#seen
    this.#seen = heads
    for (const [tailnet, seq] of heads) if (seen.get(tailnet) !== seq) this.#say(tailnet)
  }

  #say(tailnet: TailnetNum): void {
    for (const hint of this.#hints) hint(tailnet)
  }
}
