/**
 * A relay hub in virtual time, with clients whose links have a speed: what tests of queues, fairness and
 * back-pressure play with. Nothing here touches a socket or a real clock.
 */

import type { Mono } from '../../src/base/clock.ts'
import { nodeKeyOf } from '../../src/base/keys.ts'
import type { NodeKey, PrivateKey } from '../../src/base/keys.ts'
import { openBox, sealBox } from '../../src/crypto/box.ts'
import { nodePrimitives } from '../../src/crypto/io/node-primitives.ts'
import { generateKey } from '../../src/crypto/primitives.ts'
import type { Primitives } from '../../src/crypto/primitives.ts'
import { Hub } from '../../src/relay/hub/hub.ts'
import type { Admission, Conn, HubOptions, Line } from '../../src/relay/hub/hub.ts'
import { FrameReader } from '../../src/wire/derp/frame.ts'
import { decodeServerInfo, encodeClientInfo } from '../../src/wire/derp/info.ts'
import { decodeServerKey, decodeServerMessage, encodeClientMessage } from '../../src/wire/derp/messages.ts'
import type { ClientMessage, ServerMessage } from '../../src/wire/derp/messages.ts'

/** Pseudo-random bytes: the same seed gives the same world. (mulberry32) */
export function seededDice(seed: number): (length: number) => Uint8Array<ArrayBuffer> {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (t ^ (t >>> 14)) >>> 24
  }
  return (length) => Uint8Array.from({ length }, next)
}

export interface Link {
  /** Bytes a second that the client takes; 0 takes none, Infinity all at once. */
  rate: number
}

/** A packet as it arrived. */
export interface Arrival {
  readonly at: number
  readonly from: string
  readonly packet: Uint8Array
}

export class RelayWorld {
  now = 1000 as Mono
  readonly primitives: Primitives
  readonly relayKey: PrivateKey
  readonly hub: Hub
  /** Realm of each key; who is missing is not admitted. Everybody is in `one` unless told otherwise. */
  readonly realms = new Map<NodeKey, string | undefined>()
  readonly #events: { at: number; run: () => void }[] = []

  constructor(seed: number, options: Partial<HubOptions> = {}) {
    this.primitives = { ...nodePrimitives, random: seededDice(seed) }
    this.relayKey = options.key ?? generateKey(this.primitives.random)
    const admission: Admission = {
      admits: (key) => {
        const realm = this.realms.has(key) ? this.realms.get(key) : 'one'
        return realm === undefined ? undefined : { realm }
      },
    }
    this.hub = new Hub({ admission, ...options, primitives: this.primitives, key: this.relayKey })
  }

  /** A client that is connected and greeted. */
  client(options: { key?: PrivateKey; link?: Link; notIdeal?: boolean } = {}): SimClient {
    const client = this.stranger(options)
    client.greet()
    return client
  }

  /** A client that has said nothing yet. */
  stranger(options: { key?: PrivateKey; link?: Link; notIdeal?: boolean } = {}): SimClient {
    const key = options.key ?? generateKey(this.primitives.random)
    return new SimClient(this, key, options.link ?? { rate: Infinity }, options.notIdeal ?? false)
  }

  after(ms: number, run: () => void): void {
    const at = this.now + ms
    let i = this.#events.length
    while (i > 0 && (this.#events[i - 1] as { at: number }).at > at) i--
    this.#events.splice(i, 0, { at, run })
  }

  /** Lets `ms` milliseconds pass. */
  run(ms: number): void {
    const end = this.now + ms
    for (;;) {
      const next = Math.min(this.#events[0]?.at ?? Infinity, this.hub.deadline())
      if (next > end) break
      this.now = Math.max(this.now, next) as Mono
      if (this.hub.deadline() <= this.now) this.hub.tick(this.now)
      while ((this.#events[0]?.at ?? Infinity) <= this.now) this.#events.shift()?.run()
    }
    this.now = end as Mono
  }

  /** Until nothing is due right now. */
  settle(): void {
    this.run(0)
  }
}

export class SimClient implements Line {
  readonly world: RelayWorld
  readonly key: PrivateKey
  readonly raw: Uint8Array
  readonly node: NodeKey
  readonly link: Link
  readonly conn: Conn
  readonly messages: ServerMessage[] = []
  readonly arrivals: Arrival[] = []
  closed: string | undefined
  paused = false
  /** Milliseconds spent paused, and the longest pause. */
  pausedMs = 0
  longestPauseMs = 0
  /** What the sending end holds back: written, not yet read by the relay. */
  held: Uint8Array[] = []
  #pausedAt = 0
  #stalledUntil = 0
  readonly #reader = new FrameReader(() => 'take')

  constructor(world: RelayWorld, key: PrivateKey, link: Link, notIdeal: boolean) {
    this.world = world
    this.key = key
    this.raw = world.primitives.x25519Public(key)
    this.node = nodeKeyOf(this.raw)
    this.link = link
    this.conn = world.hub.accept(this, { notIdeal }, world.now)
  }

  greet(): void {
    const p = this.world.primitives
    const clear = encodeClientInfo({ version: 2, canAckPings: true, isProber: false, appName: '' })
    const relay = p.x25519Public(this.world.relayKey)
    this.write(
      encodeClientMessage({
        kind: 'client-info',
        key: this.raw,
        sealed: sealBox(p, this.key, relay, p.random(24), clear),
      }),
    )
    this.world.settle()
  }

  send(m: ClientMessage): void {
    this.write(encodeClientMessage(m))
  }

  packet(to: SimClient | Uint8Array, packet: Uint8Array): void {
    this.send({ kind: 'send', to: to instanceof Uint8Array ? to : to.raw, packet })
  }

  write(bytes: Uint8Array): void {
    if (this.paused) this.held.push(bytes)
    else if (this.closed === undefined) this.world.hub.receive(this.conn, bytes, this.world.now)
  }

  /**
   * Offers packets of `size` bytes at `rate` bytes a second for `ms`. What the relay doesn't read piles up to
   * `buffer` bytes, as in a TCP connection; beyond that the sender drops. Returns a count of both kinds.
   */
  flood(to: readonly SimClient[], size: number, rate: number, ms: number, buffer = 256 * 1024) {
    const count = { offered: 0, unsent: 0 }
    const gap = (size * 1000) / rate
    const end = this.world.now + ms
    const packet = new Uint8Array(size)
    const step = () => {
      if (this.world.now >= end || this.closed !== undefined) return
      const heldBytes = this.held.length * size
      if (this.paused && heldBytes >= buffer) count.unsent++
      else this.packet(to[count.offered % to.length] as SimClient, packet)
      count.offered++
      this.world.after(gap, step)
    }
    step()
    return count
  }

  disconnect(): void {
    this.closed ??= 'left'
    this.world.hub.gone(this.conn, this.world.now)
    this.world.settle()
  }

  /** Takes nothing for so long. */
  stall(ms: number): void {
    this.#stalledUntil = this.world.now + ms
  }

  /** Messages of a kind. */
  all<K extends ServerMessage['kind']>(kind: K): Extract<ServerMessage, { kind: K }>[] {
    return this.messages.filter((m): m is Extract<ServerMessage, { kind: K }> => m.kind === kind)
  }

  bytesFrom(client: SimClient, since = 0): number {
    const from = client.raw.toHex()
    let sum = 0
    for (const a of this.arrivals) if (a.from === from && a.at >= since) sum += a.packet.length
    return sum
  }

  // Line

  wake(urgent: boolean): void {
    if (urgent) this.#flush()
    else this.world.after(0, () => this.#flush())
  }

  pause(): void {
    this.paused = true
    this.#pausedAt = this.world.now
  }

  resume(): void {
    this.paused = false
    const ms = this.world.now - this.#pausedAt
    this.pausedMs += ms
    this.longestPauseMs = Math.max(this.longestPauseMs, ms)
    this.world.after(0, () => {
      while (!this.paused && this.held.length > 0) this.write(this.held.shift() as Uint8Array)
    })
  }

  close(why: string): void {
    this.closed ??= why
  }

  #flush(): void {
    if (this.closed !== undefined) return
    const bytes = this.world.hub.take(this.conn, this.world.now)
    if (bytes === undefined || this.link.rate === 0) return
    const stall = Math.max(0, this.#stalledUntil - this.world.now)
    this.world.after(stall + (bytes.length * 1000) / this.link.rate, () => {
      if (this.closed !== undefined) return
      this.#read(bytes)
      this.world.hub.wrote(this.conn, this.world.now)
    })
  }

  #read(bytes: Uint8Array): void {
    this.#reader.push(bytes)
    while (this.#reader.next() === 'frame') {
      const body = this.#reader.body().slice()
      const key = this.#reader.type === 0x01 ? decodeServerKey(body) : undefined
      if (key !== undefined) {
        this.messages.push({ kind: 'server-key', key })
        continue
      }
      const m = decodeServerMessage(this.#reader.type, body)
      if (m === undefined) throw new Error(`The relay wrote a frame of type ${this.#reader.type} that a client ignores`)
      if (m.kind === 'packet') this.arrivals.push({ at: this.world.now, from: m.from.toHex(), packet: m.packet })
      this.messages.push(m)
    }
  }

  /** Does the relay's sealed answer open, and to what? */
  serverInfo() {
    const [m] = this.all('server-info')
    const relay = this.world.primitives.x25519Public(this.world.relayKey)
    const clear = m && openBox(this.world.primitives, this.key, relay, m.sealed)
    return clear && decodeServerInfo(clear)
  }
}
