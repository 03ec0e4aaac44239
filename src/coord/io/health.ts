/**
 * Whether the server is well, for `/healthz`: it is as long as its store answers and takes writes. What exactly is
 * wrong is for the log; everybody may ask, and is told no addresses and no paths.
 */

import { MeshError } from '../../base/errors.ts'
import type { Store } from '../store/store.ts'
import type { Log } from './log.ts'

const WITHIN_MS = 3_000
/** Only a write tells whether writes work again; this counter counts for nothing. */
const PROBE = 'health'

const NO_ANSWER = 'the database does not answer'
const FULL = 'the disk of the database is full'

export class Health {
  /** The store, with an eye on what becomes of writes. */
  readonly store: Store
  readonly #log: Log
  #failed: unknown
  #said: string | undefined
  #looking: Promise<string | undefined> | undefined

  constructor(store: Store, log: Log) {
    this.#log = log
    this.store = this.#watched(store)
  }

  /** What is wrong; nothing when all is well. However many ask, one looks. */
  ailment(): Promise<string | undefined> {
    this.#looking ??= this.#look().finally(() => (this.#looking = undefined))
    return this.#looking
  }

  async #look(): Promise<string | undefined> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${WITHIN_MS} ms`)), WITHIN_MS)
    })
    try {
      const { store } = this
      await Promise.race([this.#failed === undefined ? store.heads() : store.reserve(PROBE, 1), late])
      return this.#tell(undefined)
    } catch (err) {
      return this.#tell(err instanceof MeshError && err.code === 'store/full' ? FULL : NO_ANSWER, err)
    } finally {
      clearTimeout(timer)
    }
  }

  /** Logs a change, not every look. */
  #tell(ailment: string | undefined, err?: unknown): string | undefined {
    if (ailment !== this.#said) {
      if (ailment === undefined) this.#log.info('well again')
      else this.#log.warn('not well', { ailment, err })
    }
    this.#said = ailment
    return ailment
  }

  #watched(store: Store): Store {
    const write = async <T>(writing: Promise<T>): Promise<T> => {
      try {
        const written = await writing
        this.#failed = undefined
        return written
      } catch (error) {
        // What no store could keep says nothing of this one.
        if (error instanceof MeshError && error.code.startsWith('store/')) this.#failed = error
        throw error
      }
    }
    return {
      commit: (batch, at) => write(store.commit(batch, at)),
      reserve: (counter, count) => write(store.reserve(counter, count)),
      feed: (tailnet, after, limit) => store.feed(tailnet, after, limit),
      snapshot: (tailnet) => store.snapshot(tailnet),
      heads: () => store.heads(),
      watch: (hint) => store.watch(hint),
      trim: (keep) => store.trim(keep),
      audit: (log, after, limit) => store.audit(log, after, limit),
      auditOf: (log, period, limit) => store.auditOf(log, period, limit),
      auditEnds: (log) => store.auditEnds(log),
      trimAudit: (before) => store.trimAudit(before),
      close: () => store.close(),
    }
  }
}
