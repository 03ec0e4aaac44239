/**
 * The open map streams of this server: what each must still be told, and when it is told.
 *
 * A change is sent at once to a stream that has been quiet, and at most once per interval to one that has not,
 * so an idle server answers without any timer and a busy one sends few, larger messages. While a client is slow
 * its changes pile up as "what changed", not as messages: they coalesce, cost no more than the tailnet has
 * nodes, and hold nobody else up. What a message says is the writer's matter (netmap).
 */

import type { Dice } from '../../base/bytes.ts'
import { later, NEVER } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'
import { nothingTold } from '../model/following.ts'
import type { Effect, Pending, Round, Told } from '../model/following.ts'
import type { TailnetNum } from '../model/records.ts'

/**
 * While changes keep coming, one message per stream in this time. Everybody is to know within 300 ms of a change,
 * which leaves a third of that for the commit, for hundreds of messages to seal and write, and for the way.
 */
const INTERVAL_MS = 200
/**
 * Messages are due at multiples of this. Streams that began at different times are thus told together, and what
 * they are told is made once.
 */
const BEAT_MS = 50
/**
 * So many messages go out before that counts: a machine that joins is news three times within a second (it is there,
 * its addresses, its relay), and whoever learns the last late loses a handshake, which is retried after 5 s only.
 */
const BURST = 3
/**
 * Even within a burst. Official clients of 1.90 lose a patch that comes while they are still taking a whole map that
 * an earlier message made them build: two that join at the same moment never learn each other's addresses.
 */
const APART_MS = 50
/** Clients give a stream up after 120 s of silence. (control.md §5.3) */
const KEEPALIVE_MS = 50_000
const KEEPALIVE_SPREAD_MS = 8_000
/** A client that has so much unread gets no more until it has read it. */
const STREAM_QUEUE_MAX = 32 << 10
/** First maps being sent at one time, in bytes that clients have not read yet; the others wait their turn. */
const FIRST_MAPS_MAX = 8 << 20
/** Streams whose whole view is asked anew in one turn, after a policy was saved; the others wait for the next. */
const VIEWS_PER_TURN = 32
/** A client that has not read its first map by then no longer keeps others from theirs. */
const FIRST_MAP_MS = 3_000

/** Where a stream's messages go. */
export interface Sink {
  write(bytes: Uint8Array): void
  end(): void
  /** Bytes written and not yet taken by the client. */
  readonly queued: number
}

/** Makes the messages. `round` is one map for all streams of one round of sending, for sharing. */
export interface Writer {
  first(tailnet: TailnetNum, node: number, told: Told): Uint8Array[]
  delta(tailnet: TailnetNum, node: number, pending: Pending, told: Told, round: Round): Uint8Array | undefined
  readonly keepalive: Uint8Array
}

export class MapStream {
  readonly tailnet: TailnetNum
  readonly node: number
  readonly sink: Sink
  readonly told: Told = nothingTold()
  readonly pending: Pending = {
    self: false,
    view: false,
    rules: false,
    dns: false,
    tailnet: false,
    peers: new Map(),
    edges: new Set(),
    gone: new Set(),
    profiles: new Set(),
  }
  /** The first map has been sent; before that, changes need no notice. */
  begun = false
  /** Every message of changes moves this on by the interval; it may run ahead of the clock by the burst. */
  paidUntil: Mono
  /** No change is told before. */
  apartUntil: Mono
  keepaliveAt: Mono = NEVER
  /** After so long a silence it gets a keepalive; drawn once, so that those told together do not stay together. */
  readonly keepaliveMs: number

  constructor(tailnet: TailnetNum, node: number, sink: Sink, now: Mono, keepaliveMs: number) {
    this.tailnet = tailnet
    this.node = node
    this.sink = sink
    this.keepaliveMs = keepaliveMs
    this.paidUntil = now
    this.apartUntil = now
  }
}

export interface StreamCounts {
  mapBytes: number
  firstMaps: number
  deltas: number
  keepalives: number
}

export class Streams {
  readonly #writer: Writer
  readonly #dice: Dice
  readonly #byTailnet = new Map<TailnetNum, Map<number, MapStream>>()
  /** Streams with something to be told. */
  readonly #dirty = new Set<MapStream>()
  /** Streams whose first map waits its turn, in order of arrival. */
  readonly #waiting = new Set<MapStream>()
  /** Streams that are being sent their first map, and when they no longer count as such. */
  readonly #starting = new Map<MapStream, Mono>()
  #nextSweep: Mono = NEVER
  readonly counts: StreamCounts = { mapBytes: 0, firstMaps: 0, deltas: 0, keepalives: 0 }

  constructor(writer: Writer, dice: Dice) {
    this.#writer = writer
    this.#dice = dice
  }

  /** Opens a node's stream; the one it had before is ended and returned. The first map follows with `flush`. */
  open(
    tailnet: TailnetNum,
    node: number,
    sink: Sink,
    now: Mono,
  ): { stream: MapStream; replaced: MapStream | undefined } {
    const replaced = this.get(tailnet, node)
    if (replaced !== undefined) {
      this.#forget(replaced)
      replaced.sink.end()
    }
    let streams = this.#byTailnet.get(tailnet)
    if (streams === undefined) this.#byTailnet.set(tailnet, (streams = new Map()))
    const spread = ((this.#dice(1)[0] as number) * KEEPALIVE_SPREAD_MS) / 256
    const stream = new MapStream(tailnet, node, sink, now, KEEPALIVE_MS + spread)
    streams.set(node, stream)
    this.#waiting.add(stream)
    if (this.#nextSweep === NEVER) this.#nextSweep = later(now, 1000)
    return { stream, replaced }
  }

  /** The stream is gone. Returns whether it was the node's current one. */
  close(stream: MapStream): boolean {
    const current = this.#byTailnet.get(stream.tailnet)?.get(stream.node) === stream
    this.#forget(stream)
    return current
  }

  get(tailnet: TailnetNum, node: number): MapStream | undefined {
    return this.#byTailnet.get(tailnet)?.get(node)
  }

  *all(): Generator<MapStream> {
    for (const streams of this.#byTailnet.values()) yield* streams.values()
  }

  get size(): number {
    let size = 0
    for (const streams of this.#byTailnet.values()) size += streams.size
    return size
  }

  /** Bytes that clients have not read yet, all streams together. */
  get queued(): number {
    let queued = 0
    for (const stream of this.all()) queued += stream.sink.queued
    return queued
  }

  /** Takes note of what changed in a tailnet; `flush` sends it. */
  note(tailnet: TailnetNum, effects: readonly Effect[]): void {
    const streams = this.#byTailnet.get(tailnet)
    if (streams === undefined) return
    const note = (node: number, change: (pending: Pending) => void): void => {
      const stream = streams.get(node)
      if (stream === undefined || !stream.begun) return
      change(stream.pending)
      this.#dirty.add(stream)
    }
    for (const effect of effects) {
      switch (effect.kind) {
        case 'self':
        case 'view':
          note(effect.node, (pending) => {
            pending.self = true
            if (effect.kind === 'view') pending.view = true
          })
          break
        case 'rules':
          for (const node of effect.nodes) note(node, (pending) => void (pending.rules = true))
          break
        case 'edges':
          for (const other of effect.others) {
            note(other, (pending) => noteEdge(pending, effect.node))
            note(effect.node, (pending) => noteEdge(pending, other))
          }
          break
        case 'peer':
          if (effect.to === undefined) this.#noteAll(streams, effect)
          else
            for (const node of effect.to)
              note(node, ({ peers }) => peers.set(effect.node, (peers.get(effect.node) ?? 0) | effect.mask))
          break
        default:
          this.#noteAll(streams, effect)
      }
    }
  }

  #noteAll(streams: ReadonlyMap<number, MapStream>, effect: ForAll): void {
    for (const stream of streams.values()) if (stream.begun && noted(stream, effect)) this.#dirty.add(stream)
  }

  /** Sends one message out of turn, such as a ping request. False: the node has no stream that is ready. */
  push(tailnet: TailnetNum, node: number, message: Uint8Array, now: Mono): boolean {
    const stream = this.get(tailnet, node)
    if (stream === undefined || !stream.begun) return false
    this.#send(stream, message, now)
    return true
  }

  /** Ends a node's stream for good, after one last message. */
  dismiss(tailnet: TailnetNum, node: number, farewell: Uint8Array): void {
    const stream = this.get(tailnet, node)
    if (stream === undefined) return
    this.#forget(stream)
    stream.sink.write(farewell)
    stream.sink.end()
  }

  /** Sends what is due now. */
  flush(now: Mono): void {
    this.#startWaiting(now)
    const round: Round = new Map()
    let views = 0
    for (const stream of this.#dirty) {
      if (dueAt(stream) > now || stream.sink.queued > STREAM_QUEUE_MAX) continue
      if (stream.pending.view && ++views > VIEWS_PER_TURN) continue
      this.#dirty.delete(stream)
      const message = this.#writer.delta(stream.tailnet, stream.node, stream.pending, stream.told, round)
      reset(stream.pending)
      if (message === undefined) continue
      this.counts.deltas++
      stream.paidUntil = later(Math.max(stream.paidUntil, now) as Mono, INTERVAL_MS)
      this.#send(stream, message, now)
    }
    if (now >= this.#nextSweep) this.#sweep(now)
  }

  /** When `flush` next has something to do. Streams that wait for their client are woken by `drained`. */
  deadline(now: Mono): Mono {
    if (this.#waiting.size > 0 && this.#roomForFirst(now)) return now
    let next = this.#nextSweep
    for (const stream of this.#dirty) {
      const due = dueAt(stream)
      // Those told together are due together, so that few are asked what they have queued.
      if (due >= next || stream.sink.queued > STREAM_QUEUE_MAX) continue
      if (due <= now) return now
      next = due
    }
    return next
  }

  /** A stream's client has taken everything. True: there is now something to flush. */
  drained(stream: MapStream): boolean {
    this.#starting.delete(stream)
    return this.#waiting.size > 0 || this.#dirty.has(stream)
  }

  #forget(stream: MapStream): void {
    const streams = this.#byTailnet.get(stream.tailnet)
    if (streams?.get(stream.node) === stream) streams.delete(stream.node)
    if (streams?.size === 0) this.#byTailnet.delete(stream.tailnet)
    this.#dirty.delete(stream)
    this.#waiting.delete(stream)
    this.#starting.delete(stream)
  }

  #roomForFirst(now: Mono): boolean {
    let queued = 0
    for (const [stream, until] of this.#starting) {
      if (stream.sink.queued === 0 || until <= now) this.#starting.delete(stream)
      else queued += stream.sink.queued
    }
    return queued < FIRST_MAPS_MAX
  }

  #startWaiting(now: Mono): void {
    for (const stream of this.#waiting) {
      if (!this.#roomForFirst(now)) return
      this.#waiting.delete(stream)
      stream.begun = true
      reset(stream.pending)
      for (const message of this.#writer.first(stream.tailnet, stream.node, stream.told))
        this.#send(stream, message, now)
      this.counts.firstMaps++
      if (stream.sink.queued > 0) this.#starting.set(stream, later(now, FIRST_MAP_MS))
    }
  }

  #send(stream: MapStream, message: Uint8Array, now: Mono): void {
    stream.sink.write(message)
    stream.apartUntil = later(now, APART_MS)
    this.counts.mapBytes += message.length
    stream.keepaliveAt = later(now, stream.keepaliveMs)
  }

  /** Once a second: keepalives where it has been quiet. Clients that no longer read are the connection's matter. */
  #sweep(now: Mono): void {
    for (const stream of this.all()) {
      if (stream.keepaliveAt > now) continue
      this.counts.keepalives++
      this.#send(stream, this.#writer.keepalive, now)
    }
    this.#nextSweep = this.#byTailnet.size === 0 ? NEVER : later(now, 1000)
  }
}

/** When the next message of changes may go out. */
function dueAt(stream: MapStream): Mono {
  const due = later(stream.paidUntil, -(BURST - 1) * INTERVAL_MS)
  return Math.max(later(due, -(due % BEAT_MS)), stream.apartUntil) as Mono
}

/** Effects that any stream may have to be told of. */
type ForAll = Extract<Effect, { kind: 'peer' | 'gone' | 'profile' | 'forgotten' | 'policy' | 'dns' | 'tailnet' }>

/** Adds one effect to what a stream must be told. False: it does not concern it. */
function noted(stream: MapStream, effect: ForAll): boolean {
  const { pending, told } = stream
  switch (effect.kind) {
    case 'peer':
      if (effect.node === stream.node) return false
      pending.peers.set(effect.node, (pending.peers.get(effect.node) ?? 0) | effect.mask)
      return true
    case 'gone': {
      pending.peers.delete(effect.node)
      if (!told.peers.has(effect.slot)) return false
      told.peers.delete(effect.slot)
      told.routes.delete(effect.slot)
      pending.gone.add(effect.node)
      return true
    }
    case 'profile':
      if (!told.profiles.has(effect.user)) return false
      pending.profiles.add(effect.user)
      return true
    case 'forgotten':
      told.profiles.delete(effect.profile)
      return false
    case 'policy':
      pending.self = pending.view = pending.rules = true
      return true
    case 'dns':
      pending.dns = true
      return true
    default:
      pending.tailnet = true
      return true
  }
}

function noteEdge({ peers, edges }: Pending, peer: number): void {
  peers.set(peer, peers.get(peer) ?? 0)
  edges.add(peer)
}

function reset(pending: Pending): void {
  pending.self = false
  pending.view = false
  pending.rules = false
  pending.dns = false
  pending.tailnet = false
  pending.peers.clear()
  pending.edges.clear()
  pending.gone.clear()
  pending.profiles.clear()
}
