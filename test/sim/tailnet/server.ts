/**
 * The coordination server in the simulated internet: the real core, connections and store, with simulated streams for
 * sockets and simulated time for clocks. What it does in promises is done within the same simulated moment.
 */

import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { zstdCompressSync } from 'node:zlib'
import { concat, EMPTY, textOf, utf8 } from '../../../src/base/bytes.ts'
import type { Bytes, Dice } from '../../../src/base/bytes.ts'
import { DAY_MS } from '../../../src/base/clock.ts'
import type { Mono, Wall } from '../../../src/base/clock.ts'
import type { NodeKey, PrivateKey } from '../../../src/base/keys.ts'
import { Coord } from '../../../src/coord/coord.ts'
import { firstTailnet } from '../../../src/coord/first-start.ts'
import { Bodies } from '../../../src/coord/io/control/bodies.ts'
import { ControlConnection } from '../../../src/coord/io/control/connection.ts'
import type { Services } from '../../../src/coord/io/control/connection.ts'
import { answerInitiation, earlyPayload, readHandshake, withHead } from '../../../src/coord/io/control/handshake.ts'
import type { Pipe, PipeEvents } from '../../../src/coord/io/control/pipe.ts'
import { keyBody } from '../../../src/coord/io/control/server-key.ts'
import { Turn } from '../../../src/coord/io/control/turn.ts'
import type { Due } from '../../../src/coord/io/control/turn.ts'
import { SWEEP_MS } from '../../../src/coord/io/control/upgrade.ts'
import { mintKey } from '../../../src/coord/model/credentials.ts'
import { deleteNode } from '../../../src/coord/model/node-changes.ts'
import { CURRENT_POLICY } from '../../../src/coord/model/policies.ts'
import type { Key, Node, Tailnet } from '../../../src/coord/model/records.ts'
import { MemoryStore } from '../../../src/coord/store/memory.ts'
import { machineKeyFor } from '../../../src/crypto/primitives.ts'
import { generateKey } from '../../../src/crypto/primitives.ts'
import type { Primitives } from '../../../src/crypto/primitives.ts'
import type { DerpMap } from '../../../src/wire/derp-map.ts'
import type { Host } from '../net/internet.ts'
import type { StreamEnd, StreamEvents, Streams } from '../net/streams.ts'
import { TESTER, memoryDatabase } from '../../support/ledger.ts'

export const SERVER_NAME = 'control.example:8080'

export interface ServerOptions {
  readonly streams: Streams
  readonly primitives: Primitives
  readonly derpMap: DerpMap
  readonly wall: () => Wall
  /** Node keys that may use the relays have changed. */
  readonly admissionChanged: () => void
}

/** Gathers what is due; flushed when the core has come to rest. */
class SimTurn extends Turn {
  readonly due: Due[] = []
  override add(due: Due): void {
    this.due.push(due)
  }
}

const sha256 = (...parts: Uint8Array[]): Uint8Array => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}
const quiet = (): void => {}
/** So many turns at one moment are a server that has itself woken for nothing. */
const TURNS_MOST = 10_000
const LOG = { trace: quiet, debug: quiet, info: quiet, warn: quiet, error: quiet }

export class SimServer {
  coord!: Coord
  tailnet!: Tailnet
  readonly host: Host
  isUp = false
  readonly #o: ServerOptions
  readonly #dice: Dice
  readonly #key: PrivateKey
  readonly #store = new MemoryStore(memoryDatabase())
  readonly #turn = new SimTurn()
  readonly #connections = new Set<ControlConnection>()
  readonly #failures: unknown[] = []
  #work: Promise<unknown> | undefined
  #woken = false
  #alarmAt = Infinity
  #touched = true

  constructor(options: ServerOptions) {
    this.#o = options
    this.#dice = options.primitives.random
    this.#key = generateKey(this.#dice)
    this.host = options.streams.internet.host({ datagram: quiet })
  }

  get #now(): Mono {
    return this.#o.streams.internet.clock.now
  }

  get connections(): number {
    return this.#connections.size
  }

  async start(): Promise<void> {
    const { clock } = this.#o.streams.internet
    await this.#open()
    const sweep = (): void => {
      for (const connection of this.#connections) connection.sweep(this.#now)
      this.#touched = true
      clock.after(SWEEP_MS, sweep)
    }
    clock.after(SWEEP_MS, sweep)
    await this.settle()
  }

  /** The process ends: every connection breaks. What was acknowledged is in the store. */
  stop(): void {
    this.#o.streams.unlisten(SERVER_NAME)
    this.isUp = false
    this.coord.close()
    for (const connection of this.#connections) connection.destroy()
    this.#connections.clear()
    this.#touched = true
  }

  /** Starts again on the store as it is. */
  restart(): void {
    this.do(() => this.#open())
  }

  /** Does something that takes promises; it has been done when the simulated moment is over. */
  do(work: () => Promise<unknown>): void {
    const before = this.#work
    this.#touched = true
    this.#work = (before ?? Promise.resolve()).then(work)
  }

  /** Is there anything that must be done before time goes on? */
  get isTouched(): boolean {
    return this.#touched || this.#woken || this.#turn.due.length > 0
  }

  /** Lets everything happen that is due now, however many turns of promises it takes. */
  async settle(): Promise<void> {
    this.#touched = false
    for (let turns = 0, quietTurns = 0; quietTurns < 2; turns++) {
      if (turns > TURNS_MOST) throw new Error(`The server does not come to rest at ${this.#now} simulated ms`)
      const work = this.#work
      this.#work = undefined
      await work
      await setImmediate()
      const isDue = this.isUp && (this.#woken || this.coord.deadline(this.#now) <= this.#now)
      const due = this.#turn.due.splice(0)
      this.#woken = false
      if (isDue) this.coord.tick(this.#now)
      for (const one of due) one.flush()
      quietTurns = isDue || due.length > 0 || this.#work !== undefined ? 0 : quietTurns + 1
    }
    this.#touched = false
    if (this.#failures.length > 0) throw this.#failures[0]
    this.#setAlarm()
  }

  /** `GET` of a page that is not behind Noise; `undefined`: there is none. */
  page(path: string): Bytes | undefined {
    if (!path.startsWith('/key?v=')) return undefined
    const { primitives } = this.#o
    return utf8(keyBody(primitives, machineKeyFor(primitives, this.#key)))
  }

  // What an administrator does.

  /** Makes an auth key for many machines with these tags. */
  async authKey(tags: readonly string[]): Promise<string> {
    const minted = mintKey(this.#dice, sha256, 'auth')
    const owner = [...this.state().usersById.values()].find((user) => user.role === 'owner')
    const now = this.#o.wall()
    const key: Key = {
      id: minted.id,
      type: 'auth',
      hash: minted.hash,
      description: '',
      user: owner?.id ?? 0,
      created: now,
      expires: (now + 86_400_000 * 90) as Wall,
      reusable: true,
      ephemeral: false,
      preauthorized: true,
      tags: [...tags],
      scopes: [],
    }
    await this.coord.ledger.transact(this.tailnet.num, TESTER, () => ({
      batch: { writes: [{ kind: 'key', id: key.id, expect: 'absent', value: key }] },
      result: undefined,
    }))
    return minted.text.reveal()
  }

  async setPolicy(text: string): Promise<void> {
    await this.coord.ledger.transact(this.tailnet.num, TESTER, (model, at) => {
      const state = model.state(this.tailnet.num)
      const expect = state.version('policy', CURRENT_POLICY)
      const before = state.all('policy')
      const value = { version: [...before].length + at, text, at, by: 'test', comment: '', domains: ['example.com'] }
      return { batch: { writes: [{ kind: 'policy', id: CURRENT_POLICY, expect, value }] }, result: undefined }
    })
  }

  async remove(key: NodeKey): Promise<void> {
    await this.coord.ledger.transact(this.tailnet.num, TESTER, (model, now) => {
      const found = model.nodeByKey(key)
      if (found === undefined) return { result: undefined }
      return { batch: deleteNode(model.state(this.tailnet.num), found.node, now), result: undefined }
    })
  }

  state() {
    return this.coord.ledger.model.state(this.tailnet.num)
  }

  nodes(): Node[] {
    return [...this.state().all('node')]
  }

  nodeOf(key: NodeKey): Node | undefined {
    return this.coord.ledger.model.nodeByKey(key)?.node
  }

  // Inside.

  async #open(): Promise<void> {
    const { streams, derpMap, wall, admissionChanged } = this.#o
    this.coord = await Coord.open({
      store: this.#store,
      clocks: { mono: () => this.#now, wall },
      dice: this.#dice,
      sha256,
      compress: (text) => new Uint8Array(zstdCompressSync(text)),
      url: `http://${SERVER_NAME}`,
      tailnetDomain: 'sett.internal',
      derpMap,
      server: 'one',
      ephemeralMs: 1_800_000,
      auditMs: 90 * DAY_MS,
      wake: () => {
        this.#woken = true
      },
      admissionChanged,
      failed: (_, error) => this.#failures.push(error),
    })
    this.tailnet = await firstTailnet(this.coord.ledger, this.#dice, 'sett.internal')
    this.isUp = true
    streams.listen(SERVER_NAME, this.host, (end) => this.#accept(end))
    admissionChanged()
  }

  #accept(end: StreamEnd): StreamEvents {
    let head: Bytes = EMPTY
    let events: PipeEvents | undefined
    return {
      data: (bytes) => {
        this.#touched = true
        if (events !== undefined) return events.data(bytes)
        head = concat([head, bytes])
        const text = textOf(head) ?? ''
        if (!text.includes('\r\n\r\n')) return
        const handshake = /X-Tailscale-Handshake: (\S+)/i.exec(text)?.[1]
        const pipe = new SimPipe(end, (listening) => (events = listening))
        this.#greet(pipe, readHandshake(handshake) ?? EMPTY)
      },
      closed: () => {
        this.#touched = true
        events?.closed()
      },
    }
  }

  #greet(pipe: SimPipe, initiation: Bytes): void {
    const { primitives } = this.#o
    const answer = answerInitiation(primitives, this.#key, initiation)
    if (answer.kind === 'refused') throw new Error(`a client was refused: ${answer.why}`)
    const { machine, version, session, first } = answer
    const services: Services = {
      handler: () => this.coord.handle,
      turn: this.#turn,
      log: LOG,
      bodies: new Bodies(1 << 24),
      mono: () => this.#now,
      counted: quiet,
      spread: () => (this.#dice(1)[0] as number) / 256,
    }
    const connection: ControlConnection = new ControlConnection(
      pipe,
      { machine, version, from: '192.0.2.1', session },
      services,
      { first: withHead(first), early: earlyPayload(primitives) },
      () => this.#connections.delete(connection),
    )
    this.#connections.add(connection)
  }

  #setAlarm(): void {
    const at = this.isUp ? this.coord.deadline(this.#now) : Infinity
    if (at >= this.#alarmAt && this.#alarmAt > this.#now) return
    this.#alarmAt = at
    if (at === Infinity) return
    this.#o.streams.internet.clock.at(at, () => {
      this.#touched = true
    })
  }
}

/** A connection's stream, which takes whatever is written. */
class SimPipe implements Pipe {
  readonly backlog = 0
  sent = 0
  readonly #end: StreamEnd
  readonly #listen: (events: PipeEvents) => void
  #events: PipeEvents | undefined
  #closed = false

  constructor(end: StreamEnd, listen: (events: PipeEvents) => void) {
    this.#end = end
    this.#listen = listen
  }

  write(bytes: Uint8Array): void {
    this.sent += bytes.length
    this.#end.send(bytes)
  }

  end(): void {
    this.destroy()
  }

  destroy(): void {
    if (this.#closed) return
    this.#closed = true
    this.#end.close()
    this.#events?.closed()
  }

  listen(events: PipeEvents): void {
    this.#events = events
    this.#listen(events)
  }
}
