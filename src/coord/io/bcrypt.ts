/**
 * Compares secrets with bcrypt hashes in a thread of its own, and not too many of them: whoever guesses may take at
 * most one processor, and only so much of it for one address.
 *
 * It is for keys that came from Headscale, each until it is first used. Their secrets are 256 random bits, so that
 * guessing is hopeless; what is kept small is the work that strangers can ask for.
 */

import { Worker } from 'node:worker_threads'
import type { Mono } from '../../base/clock.ts'
import type { Secret } from '../../base/secret.ts'
import type { Bcrypt } from '../model/credentials.ts'
import type { Comparison } from './bcrypt-worker.ts'
import { Buckets } from './http/limits.ts'

/** Comparisons that wait or are being made, together less than a second's worth. */
const WAITING_MAX = 16
/** What one address may ask for: a whole fleet behind one address comes in with the same key, which counts once. */
const PER_ADDRESS = { burst: 20, perSecond: 0.5, customers: 4096 }
/** The thread ends when it has had nothing to do for so long. */
const IDLE_MS = 30_000

interface Waiting {
  readonly done: (matches: boolean) => void
  readonly failed: (error: unknown) => void
}

export class BcryptThread {
  readonly #now: () => Mono
  readonly #buckets = new Buckets(PER_ADDRESS)
  /** In the order in which the thread answers. */
  #waiting: Waiting[] = []
  /** The same question of many is asked once. */
  readonly #asked = new Map<string, Promise<boolean>>()
  #worker: Worker | undefined
  #idle: NodeJS.Timeout | undefined

  constructor(now: () => Mono) {
    this.#now = now
  }

  readonly compare: Bcrypt = (secret, hash, from) => {
    const question = `${hash} ${secret.reveal()}`
    const asked = this.#asked.get(question)
    if (asked !== undefined) return asked
    if (this.#waiting.length >= WAITING_MAX || !this.#buckets.take(from, this.#now())) return Promise.resolve('busy')
    const answer = this.#ask(secret, hash).finally(() => this.#asked.delete(question))
    this.#asked.set(question, answer)
    return answer
  }

  /** Ends the thread; whoever waits is refused. */
  async close(): Promise<void> {
    clearTimeout(this.#idle)
    const worker = this.#worker
    this.#lost(worker, new Error('the server stops'))
    await worker?.terminate()
  }

  #ask(secret: Secret, hash: string): Promise<boolean> {
    clearTimeout(this.#idle)
    const { promise, resolve: done, reject: failed } = Promise.withResolvers<boolean>()
    this.#waiting.push({ done, failed })
    this.#worker ??= this.#start()
    const message: Comparison = { secret: secret.reveal(), hash }
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread is no window
    this.#worker.postMessage(message)
    return promise
  }

  #start(): Worker {
    const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'))
    const worker = new Worker(new URL(`./bcrypt-worker${extension}`, import.meta.url), { execArgv: [] })
    // No server is kept from ending by a key that somebody tries.
    worker.unref()
    worker.on('message', (matches: boolean) => {
      this.#waiting.shift()?.done(matches)
      if (this.#waiting.length > 0) return
      this.#idle = setTimeout(() => {
        this.#worker = undefined
        worker.terminate().catch(() => undefined)
      }, IDLE_MS)
      this.#idle.unref()
    })
    worker.on('error', (error) => this.#lost(worker, error))
    return worker
  }

  /** The thread is gone: the next question starts another one. */
  #lost(worker: Worker | undefined, error: unknown): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    for (const { failed } of this.#waiting) failed(error)
    this.#waiting = []
  }
}
