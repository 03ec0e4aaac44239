/**
 * The ledger over a store: transactions go to the store, and the model follows its feed, whoever wrote it.
 */

import type { Clocks, Wall } from '../base/clock.ts'
import { MeshError } from '../base/errors.ts'
import { describe } from './audit/describe.ts'
import type { AuditLogs, By } from './model/audit.ts'
import type { Ledger, Plan } from './model/ledger.ts'
import { Model } from './model/model.ts'
import type { Changed } from './model/model.ts'
import type { FeedEntry, TailnetNum } from './model/records.ts'
import type { Store } from './store/store.ts'

/** A builder that loses so often in a row is not unlucky, it builds something impossible. */
const ATTEMPTS_MAX = 100
/** Numbers of a counter are fetched from the store in blocks, and the rest of a block is lost with the process. */
const BLOCK = 64
const FEED_PAGE = 1000

interface Block {
  next: number
  end: number
  fetching: Promise<void> | undefined
}

interface CatchUp {
  again: boolean
  done: Promise<void>
}

export class StoreLedger implements Ledger {
  readonly model = new Model()
  readonly logs: AuditLogs
  readonly #store: Store
  readonly #clocks: Clocks
  readonly #changed: (changes: readonly Changed[]) => void
  readonly #blocks = new Map<string, Block>()
  readonly #catchingUp = new Map<TailnetNum, CatchUp>()
  #unwatch: () => void = () => undefined

  /** @param changed told of every change of the model, in order, before whoever caused it goes on */
  constructor(store: Store, clocks: Clocks, changed: (changes: readonly Changed[]) => void) {
    this.#store = store
    this.logs = store
    this.#clocks = clocks
    this.#changed = changed
  }

  /** Reads everything the store holds, and follows it from then on. */
  async open(onError: (error: unknown) => void): Promise<void> {
    for (const tailnet of (await this.#store.heads()).keys()) this.model.load(await this.#store.snapshot(tailnet))
    this.#unwatch = this.#store.watch((tailnet) => void this.#catchUp(tailnet).catch(onError))
  }

  close(): void {
    this.#unwatch()
  }

  now(): Wall {
    return this.#clocks.wall()
  }

  async transact<T>(tailnet: TailnetNum, by: By, build: (model: Model, now: Wall) => Plan<T>): Promise<T> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const now = this.now()
      const plan = build(this.model, now)
      const { batch, result } = plan
      if (batch === undefined) return result
      const events = [...(batch.events ?? []), ...describe(this.model, tailnet, batch.writes, plan.by ?? by, now)]
      const seen = this.model.state(tailnet).seq
      const committed = await this.#store.commit({ tailnet, ...batch, events }, now).catch((error: unknown) => {
        // It may have happened all the same; the feed knows.
        this.#catchUp(tailnet).catch(() => undefined)
        throw error
      })
      if (committed.kind === 'done') {
        await this.#receive(committed.entry)
        return result
      }
      if (this.model.state(tailnet).seq === seen) await this.#catchUp(tailnet)
    }
    throw new MeshError(
      'internal',
      `Cannot commit a change of tailnet ${tailnet}: it conflicts however often it is tried`,
    )
  }

  async nextId(counter: 'node' | 'user' | 'tailnet'): Promise<number> {
    let block = this.#blocks.get(counter)
    if (block === undefined) this.#blocks.set(counter, (block = { next: 0, end: 0, fetching: undefined }))
    while (block.next >= block.end) {
      block.fetching ??= this.#fetch(counter, block)
      await block.fetching
    }
    return block.next++
  }

  async #fetch(counter: string, block: Block): Promise<void> {
    try {
      // Tailnets are few and people see their numbers.
      const count = counter === 'node' ? BLOCK : 1
      block.next = await this.#store.reserve(counter, count)
      block.end = block.next + count
    } finally {
      block.fetching = undefined
    }
  }

  /** Applies an entry, after those before it. */
  async #receive(entry: FeedEntry): Promise<void> {
    const state = this.model.state(entry.tailnet)
    if (entry.seq <= state.seq + 1) this.#apply(entry)
    else while (state.seq < entry.seq) await this.#catchUp(entry.tailnet)
  }

  #apply(entry: FeedEntry): void {
    const changes = this.model.apply(entry)
    if (changes.length > 0) this.#changed(changes)
  }

  /** Reads the feed up to its end. One at a time per tailnet; asked meanwhile, it looks once more. */
  #catchUp(tailnet: TailnetNum): Promise<void> {
    const running = this.#catchingUp.get(tailnet)
    if (running !== undefined) {
      running.again = true
      return running.done
    }
    const reading: CatchUp = { again: true, done: Promise.resolve() }
    this.#catchingUp.set(tailnet, reading)
    reading.done = this.#readOn(tailnet, reading).finally(() => this.#catchingUp.delete(tailnet))
    return reading.done
  }

  async #readOn(tailnet: TailnetNum, reading: CatchUp): Promise<void> {
    while (reading.again) {
      reading.again = false
      const entries = await this.#store.feed(tailnet, this.model.state(tailnet).seq, FEED_PAGE)
      if (entries === 'truncated') {
        this.#changed(this.model.load(await this.#store.snapshot(tailnet)))
        reading.again = true
        continue
      }
      for (const entry of entries) this.#apply(entry)
      if (entries.length === FEED_PAGE) reading.again = true
    }
  }
}
