/**
 * One simulated node: joins, holds its map stream, says what an official client says and when it says it, and comes
 * back by itself when the server goes away.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import type { MachineKey } from '../../src/base/keys.ts'
import type { Identity } from './identity.ts'
import { VERSION } from './identity.ts'
import { fetchKey, Link } from './link.ts'
import type { Address } from './link.ts'
import type { Listener, Message, Reading } from './reading.ts'
import type { Sight } from './sight.ts'
import type { Tailnet } from './tailnet.ts'

/** A client has its relays measured so long after its first map; and measures them again later. */
const MEASURED_MS = [200, 1000] as const
const SETTLED_MS = [1000, 2500] as const
/** Official clients wait n² × 10 ms × [0.5, 1.5) before attempt n, 30 s at most. (control.md §5.3) */
const BACKOFF_MS = 10
const BACKOFF_MAX_MS = 30_000

export interface Surroundings {
  readonly address: Address
  readonly sight: Sight
  readonly tailnet: Tailnet
  readonly reading: Reading
  authKeyFor(index: number): string
  /** How many of those that a node sees have their map by now. */
  readyFor(index: number): number
  failed(error: unknown): void
}

export class SimulatedNode implements Listener {
  readonly identity: Identity
  readonly #around: Surroundings
  /** What it knows of every node, as state numbers of the tailnet. */
  #known: Uint16Array = new Uint16Array(64)
  #link: Link | undefined
  #serverKey: MachineKey | undefined
  #leaving = false
  /** Bytes of connections that are over. */
  #bytesBefore = 0
  /** The next message of its stream is the first. */
  #first = true
  #firstMap: (() => void) | undefined
  /** Peers that its first map must hold: all that it sees and that were ready before it began. */
  #leastPeers = 0
  /** When it began to join, and when the first map of its newest stream was whole. */
  beganAt = 0
  mapAt = 0

  constructor(identity: Identity, around: Surroundings) {
    this.identity = identity
    this.#around = around
    around.tailnet.add(identity)
  }

  /** Bytes at its sockets so far, both ways. */
  get bytes(): number {
    return this.#bytesBefore + (this.#link?.bytes ?? 0)
  }

  /**
   * Joins as a client does that was just installed. Resolves when it has its map and all that it says after it has
   * been taken.
   */
  async join(): Promise<void> {
    this.beganAt = performance.now()
    const { index } = this.identity
    this.#leastPeers = this.#around.readyFor(index)
    const link = await this.#connect()
    const answer = await link.post('/machine/register', this.identity.register(this.#around.authKeyFor(index)))
    const { Error: refusal } = JSON.parse(answer.text) as { Error?: string }
    if (answer.status !== 200 || refusal) throw new Error(`cannot register: ${answer.status} ${answer.text}`)
    const mapped = new Promise<void>((resolve) => (this.#firstMap = resolve))
    this.#openStream(link)
    await this.update()
    await mapped
    for (const [least, most] of [MEASURED_MS, SETTLED_MS]) {
      await sleep(least + Math.random() * (most - least))
      this.identity.measure(this.#around.tailnet.region)
      await this.update()
    }
  }

  /** Says how it is now. */
  async update(): Promise<void> {
    const answer = await (this.#link as Link).post('/machine/map', this.identity.lite())
    if (answer.status !== 200) throw new Error(`cannot update: ${answer.status} ${answer.text}`)
  }

  leave(): void {
    this.#leaving = true
    this.#link?.close()
  }

  async #connect(): Promise<Link> {
    const { address } = this.#around
    if (this.#serverKey === undefined) {
      const { key, bytes } = await fetchKey(address, VERSION)
      this.#serverKey = key
      this.#bytesBefore += bytes
    }
    return (this.#link = await Link.open(address, this.identity.machineKey, this.#serverKey, VERSION))
  }

  #openStream(link: Link): void {
    this.#first = true
    const { reading } = this.#around
    const ended = link.stream(this.identity.stream(), (bytes) => {
      const at = performance.now()
      const first = this.#first
      this.#first = false
      reading.push(this, bytes, at, first)
      if (first) this.#begun(at)
    })
    this.#comeBackAfter(ended, link).catch((error: unknown) => this.#around.failed(error))
  }

  #begun(at: number): void {
    this.mapAt = at
    this.#firstMap?.()
    // Somebody has to tell the others which relays there are.
    if (this.#around.tailnet.region === 0) this.#around.reading.drainOf(this)
  }

  async #comeBackAfter(ended: Promise<void>, link: Link): Promise<void> {
    await ended
    this.#around.reading.forget(this)
    this.#bytesBefore += link.bytes
    this.#link = undefined
    link.close()
    for (let attempt = 1; !this.#leaving; attempt++) {
      await sleep(Math.min(BACKOFF_MAX_MS, attempt ** 2 * BACKOFF_MS) * (0.5 + Math.random()))
      try {
        this.#openStream(await this.#connect())
        return
      } catch {
        // Refused or cut off: the server is not there yet.
      }
    }
  }

  // What its map says.

  take(message: Message, at: number): void {
    const { tailnet } = this.#around
    const { index: own } = this.identity
    if (message.self !== undefined) tailnet.self(own, message.self)
    if (tailnet.region === 0 && message.derpRegions.length > 0) tailnet.region = Number(message.derpRegions[0])
    if (this.#known.length < tailnet.identities.length) {
      const grown = new Uint16Array(tailnet.identities.length + 64)
      grown.set(this.#known)
      this.#known = grown
    }
    if (message.replaces) this.#replace(message, at)
    else {
      for (const id of message.removed) this.#learn(tailnet.indexOfId(id), 0, at)
      for (const [index, state] of message.whole) this.#learn(index, state, at)
      for (const patch of message.patches)
        this.#learn(patch.index, patch.apply(tailnet, this.#known[patch.index] as number), at)
    }
  }

  #replace({ whole }: Message, at: number): void {
    if (whole.length < this.#leastPeers)
      throw new Error(`a first map holds ${whole.length} peers of ${this.#leastPeers} that were there before it`)
    const next = new Uint16Array(this.#known.length)
    for (const [index, state] of whole) next[index] = state
    for (let index = 0; index < next.length; index++)
      if (next[index] !== this.#known[index]) this.#learn(index, next[index] as number, at)
  }

  #learn(index: number, state: number, at: number): void {
    const before = this.#known[index] as number
    if (before === state) return
    this.#known[index] = state
    this.#around.tailnet.learned(index, before, state, at)
  }

  /** Throws unless it knows every other node that it sees, as it is now, and nobody else. */
  check(): void {
    const { tailnet, sight } = this.#around
    const { index: own } = this.identity
    if (this.#link === undefined || this.#first) throw new Error(`machine ${own} holds no map`)
    for (let index = 0; index < this.#known.length; index++) {
      const state = this.#known[index] as number
      if (index !== own && index < tailnet.identities.length && sight.sees(own, index)) tailnet.check(index, state)
      else if (state !== 0)
        throw new Error(`machine ${own} is told of itself, or of ${index}, which it does not see or is not there`)
    }
  }
}
