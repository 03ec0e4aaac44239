/**
 * The relay itself: moves packets between the keys that are connected, within one tailnet each.
 *
 * Pure: the shell hands in bytes and the time, and is told through a `Line` when there is something to write or
 * when to stop reading. Frames and greetings are wire's and greeting.ts's matter, queues are queue.ts.
 *
 * A destination's packets wait in fair, bounded queues (queue.ts) while a write is under way (outbox.ts), and a
 * sender that outruns its destination is made to wait for a moment (pressure.ts).
 *
 * Meshes of relays are not supported: who asks for mesh rights gets none, and mesh frames end the connection.
 */

import { later, NEVER, SECOND_MS } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'
import { nodeKeyOf } from '../../base/keys.ts'
import type { NodeKey, PrivateKey } from '../../base/keys.ts'
import type { Primitives } from '../../crypto/primitives.ts'
import { encodeFrame, FRAME, KEY_BYTES, PING_BYTES } from '../../wire/derp/frame.ts'
import { clientRule, encodeServerMessage, GONE, looksLikeDisco } from '../../wire/derp/messages.ts'
import { openClientInfo, sealServerInfo } from './greeting.ts'
import { copyDrops, newCounters, newDrops } from './metrics.ts'
import type { DropReason, HubMetrics, PacketKind } from './metrics.ts'
import { Conn, Entry, Pair } from './peer.ts'
import type { Line, Route } from './peer.ts'
import { FIRST_BURST_BYTES, hasMail, learnBurst, Outbox } from './outbox.ts'
import { Pressure } from './pressure.ts'
import { countConnections, reportPeers } from './report.ts'
import type { PeerReport } from './report.ts'
import { Budget } from './queue.ts'

export type { Conn, Line } from './peer.ts'
export type { PeerReport } from './report.ts'

/** Who may use this relay. Asked when a client connects, and again at `refresh`. */
export interface Admission {
  /** The realm (tailnet) of an admitted key; `undefined` turns it away. */
  admits(key: NodeKey): { readonly realm: string } | undefined
}

export interface HubOptions {
  readonly primitives: Primitives
  /** The relay's own key; must stay the same over restarts. */
  readonly key: PrivateKey
  readonly admission: Admission
  /** Bytes that wait in all queues together. */
  readonly memoryBytes?: number
  /** Bytes that wait for one connection. */
  readonly queueBytes?: number
  /** How long a packet may wait. */
  readonly ageMs?: number
  /** Makes the buffer for one write; its content is overwritten. */
  readonly allocate?: (length: number) => Uint8Array
}

const GREETING_MS = 10 * SECOND_MS
const WRITE_MS = 2 * SECOND_MS
const KEEPALIVE_MS = 60 * SECOND_MS
/** Drawn once a connection. With the second that a sweep may be late, the tick comes at 60 to 65 s. */
const KEEPALIVE_JITTER_MS = 4 * SECOND_MS
const SWEEP_MS = SECOND_MS
const NOT_HERE_BURST = 3
const HOME_SETTLED_MS = 5 * SECOND_MS

/** Room for the longest packet that looks like disco, and for hundreds of real ones. */
const DISCO_QUEUE_BYTES = 96 * 1024

export class Hub {
  /** The relay's own public key. */
  readonly key: NodeKey
  readonly #options: HubOptions
  readonly #greeting: Uint8Array
  readonly #entries = new Map<string, Entry>()
  readonly #conns = new Set<Conn>()
  readonly #pressure = new Pressure()
  readonly #outbox: Outbox
  readonly #budget: Budget
  readonly #counters = newCounters()
  readonly #received = { disco: 0, other: 0 }
  readonly #packetsDropped = newDrops()
  readonly #bytesDropped = newDrops()
  #sweepAt: Mono = NEVER
  #health: Uint8Array | undefined
  #restarting: Uint8Array | undefined

  constructor(options: HubOptions) {
    this.#options = options
    this.#budget = new Budget(options.memoryBytes ?? 128 * 1024 * 1024)
    this.#outbox = new Outbox(options.allocate ?? ((length) => new Uint8Array(length)))
    const raw = options.primitives.x25519Public(options.key)
    this.key = nodeKeyOf(raw)
    this.#greeting = encodeServerMessage({ kind: 'server-key', key: raw })
  }

  /** A stream has been opened; its first write is the relay's key. */
  accept(line: Line, about: { readonly notIdeal: boolean }, now: Mono): Conn {
    const jitter = (this.#die() * KEEPALIVE_JITTER_MS) | 0
    const conn = new Conn(
      line,
      about.notIdeal,
      now,
      {
        other: {
          bytes: this.#options.queueBytes ?? 512 * 1024,
          ageMs: this.#options.ageMs ?? 500,
          early: true,
        },
        disco: { bytes: DISCO_QUEUE_BYTES, ageMs: this.#options.ageMs ?? 500, early: false },
        burst: FIRST_BURST_BYTES,
        notHereBurst: NOT_HERE_BURST,
        keepAliveAt: later(now, KEEPALIVE_MS + jitter),
      },
      this.#budget,
      (reason, kind, bytes, pair) => {
        this.#dropped(reason, kind, bytes)
        this.#settle(pair)
      },
    )
    this.#conns.add(conn)
    this.#counters.accepts++
    if (this.#sweepAt === NEVER) this.#sweepAt = later(now, SWEEP_MS)
    this.#note(conn, this.#greeting)
    return conn
  }

  /** Bytes came in on a connection. */
  receive(conn: Conn, bytes: Uint8Array, now: Mono): void {
    if (conn.state === 'closed') return
    this.#counters.bytes_received += bytes.length
    conn.bytesReceived += bytes.length
    const reader = conn.reader
    reader.push(bytes)
    for (;;) {
      const got = reader.next()
      if (got === 'more') return
      if (got === 'refused') return this.#refuse(conn, now)
      if (conn.state === 'greeting') {
        if (!this.#greet(conn, reader.body(), now)) return
        continue
      }
      const entry = conn.entry as Entry
      if (entry.active !== conn) this.#activate(entry, conn)
      if (got === 'skipped') this.#counters.unknown_frames++
      else if (reader.type === FRAME.sendPacket) this.#forward(conn, reader.bytes, reader.start, reader.end, now)
      else if (reader.type === FRAME.ping) this.#answer(conn, reader.body())
      else this.#prefer(conn, reader.bytes[reader.start] !== 0, now)
      if ((conn.state as string) === 'closed') return
    }
  }

  /**
   * What to write next, as one piece; `undefined` when nothing waits. The caller must call `wrote` when it has
   * been written, and not `take` before that.
   */
  take(conn: Conn, now: Mono): Uint8Array | undefined {
    conn.woken = false
    if (conn.state === 'closed' || conn.writing) return undefined
    const out = this.#outbox.compose(conn, now)
    if (out === undefined) return undefined
    const from = this.#outbox.from
    this.#counters.packets_sent += from.length
    conn.packetsSent += from.length
    this.#counters.bytes_sent += out.length
    conn.bytesSent += out.length
    for (const pair of from) pair.heard = true
    // A pair's packets come in runs; settling is idempotent.
    for (let i = 0; i < from.length; i++) if (from[i] !== from[i + 1]) this.#settle(from[i] as Pair)
    conn.writing = true
    conn.wroteAt = now
    conn.wroteBytes = out.length
    return out
  }

  /** What `take` gave has left. */
  wrote(conn: Conn, now: Mono): void {
    if (conn.state === 'closed') return
    conn.writing = false
    learnBurst(conn, now - conn.wroteAt)
    if (hasMail(conn)) this.#wake(conn, true)
  }

  /** The stream has ended or failed. */
  gone(conn: Conn, now: Mono): void {
    this.#remove(conn, now)
  }

  /** Does what time asks for; call it when `deadline` has come. */
  tick(now: Mono): void {
    this.#pressure.tick(now)
    if (now < this.#sweepAt) return
    this.#sweepAt = this.#conns.size > 0 ? later(now, SWEEP_MS) : NEVER
    for (const conn of this.#conns) this.#sweep(conn, now)
  }

  /** When `tick` next has something to do. */
  deadline(): Mono {
    return this.#pressure.deadline(this.#sweepAt)
  }

  /** Asks the admission again for every key here, and closes those that are no longer welcome. */
  refresh(now: Mono): void {
    for (const entry of this.#entries.values()) {
      const admitted = this.#options.admission.admits(entry.key)
      if (admitted === undefined || admitted.realm !== entry.realm) this.#closeAll(entry, 'not admitted any more', now)
    }
  }

  /** Closes every connection of a key. */
  evict(key: NodeKey, now: Mono): void {
    const entry = this.#entries.get(key.slice(8))
    if (entry !== undefined) this.#closeAll(entry, 'evicted', now)
  }

  /** States a problem of this relay to all clients, now and when they connect; the empty text clears it. */
  setHealth(problem: string): void {
    const frame = encodeServerMessage({ kind: 'health', problem })
    this.#health = problem === '' ? undefined : frame
    this.#tellAll(frame)
  }

  /** Tells all clients, and who still comes, that the relay goes down: when to come back, and how long to try. */
  restarting(reconnectInMs: number, tryForMs: number): void {
    this.#restarting = encodeServerMessage({ kind: 'restarting', reconnectInMs, tryForMs })
    this.#tellAll(this.#restarting)
  }

  /** Is anything unwritten on any connection? */
  get busy(): boolean {
    for (const conn of this.#conns) if (conn.writing || hasMail(conn)) return true
    return false
  }

  /** Closes every connection. */
  closeAll(why: string, now: Mono): void {
    for (const conn of this.#conns) this.#close(conn, why, now)
  }

  peers(): PeerReport[] {
    return reportPeers(this.#entries.values())
  }

  metrics(): HubMetrics {
    return {
      counters: { ...this.#counters, reads_paused: this.#pressure.pauses },
      packets_received_kind: { ...this.#received },
      packets_dropped: copyDrops(this.#packetsDropped),
      bytes_dropped: copyDrops(this.#bytesDropped),
      ...countConnections(this.#conns, this.#entries.values()),
      gauge_clients_total: this.#entries.size,
      gauge_queued_bytes: this.#budget.used,
      average_queue_duration_ms: this.#outbox.queueMs,
    }
  }

  // --- greeting and leaving

  #greet(conn: Conn, body: Uint8Array, now: Mono): boolean {
    const { primitives, key, admission } = this.#options
    const greeted = openClientInfo(primitives, key, body)
    if (greeted === undefined) {
      this.#refuse(conn, now)
      return false
    }
    const admitted = admission.admits(greeted.key)
    if (admitted === undefined) {
      this.#counters.admissions_refused++
      this.#close(conn, 'not admitted', now)
      return false
    }
    const hex = greeted.key.slice(8)
    let entry = this.#entries.get(hex)
    if (entry !== undefined && entry.realm !== admitted.realm) {
      // The key has moved to another tailnet: what it still holds from the old one must not reach into the new.
      this.#closeAll(entry, 'not admitted any more', now)
      entry = undefined
    }
    if (entry === undefined) {
      entry = new Entry(greeted.key, greeted.raw, admitted.realm)
      this.#entries.set(hex, entry)
    } else this.#counters.counter_total_dup_client_conns++
    entry.conns.add(conn)
    conn.entry = entry
    conn.appName = greeted.info.appName
    conn.state = 'open'
    conn.reader.rule = clientRule
    this.#activate(entry, conn)
    this.#note(conn, sealServerInfo(primitives, greeted.shared))
    if (this.#health !== undefined) this.#note(conn, this.#health)
    if (this.#restarting !== undefined) this.#note(conn, this.#restarting)
    return true
  }

  /** The newest connection of a key, or else the one that spoke last, receives its traffic (derp.md §5.4). */
  #activate(entry: Entry, conn: Conn): void {
    entry.active = conn
  }

  #refuse(conn: Conn, now: Mono): void {
    if (conn.state === 'greeting') this.#counters.greetings_refused++
    this.#close(conn, conn.state === 'greeting' ? 'no greeting' : 'protocol', now)
  }

  #close(conn: Conn, why: string, now: Mono): void {
    if (conn.state === 'closed') return
    this.#remove(conn, now)
    conn.line.close(why)
  }

  #closeAll(entry: Entry, why: string, now: Mono): void {
    for (const conn of entry.conns) this.#close(conn, why, now)
  }

  #remove(conn: Conn, now: Mono): void {
    if (conn.state === 'closed') return
    conn.state = 'closed'
    this.#conns.delete(conn)
    conn.disco.clear('gone_disconnected')
    conn.other.clear('gone_disconnected')
    for (const pair of conn.pairs.values()) {
      pair.source.pairs.delete(pair)
      this.#pressure.release(pair)
    }
    this.#pressure.forget(conn)
    conn.routes.clear()
    conn.lastRoute = undefined
    const entry = conn.entry
    if (entry === undefined) return
    if (conn.home && now - conn.since >= HOME_SETTLED_MS) this.#counters.home_moves_out++
    entry.conns.delete(conn)
    if (entry.active === conn) entry.active = undefined
    if (entry.conns.size === 0) this.#leave(entry)
    else if (entry.conns.size === 1) entry.active = [...entry.conns][0]
  }

  /** The key is not here any more: whoever has received from it is told once. */
  #leave(entry: Entry): void {
    this.#entries.delete(entry.key.slice(8))
    for (const pair of entry.pairs) {
      pair.to.pairs.delete(entry)
      if (pair.other.count + pair.disco.count > 0) pair.farewell = true
      else if (pair.heard) this.#tellGone(pair.to, entry, GONE.disconnected)
    }
    entry.pairs.clear()
  }

  #tellGone(conn: Conn, who: Entry, reason: number): void {
    conn.gone.set(who, encodeServerMessage({ kind: 'peer-gone', peer: who.raw, reason }))
    this.#counters.peer_gone_disconnected_frames++
    this.#wake(conn, false)
  }

  // --- frames

  #answer(conn: Conn, body: Uint8Array): void {
    this.#counters.got_ping++
    // One pong waits at most: pings that come faster than they can be answered are not worth memory.
    if (conn.pong !== undefined) return
    conn.pong = encodeFrame(FRAME.pong, body.subarray(0, PING_BYTES))
    this.#counters.sent_pong++
    this.#wake(conn, false)
  }

  #prefer(conn: Conn, home: boolean, now: Mono): void {
    if (conn.home === home) return
    conn.home = home
    if (now - conn.since < HOME_SETTLED_MS) return
    if (home) this.#counters.home_moves_in++
    else this.#counters.home_moves_out++
  }

  /** SendPacket: `bytes` from `start` to `end` is the destination's key and the packet. */
  #forward(from: Conn, bytes: Uint8Array, start: number, end: number, now: Mono): void {
    const at = start + KEY_BYTES
    const length = end - at
    const disco = looksLikeDisco(bytes, at, end)
    const kind: PacketKind = disco ? 'disco' : 'other'
    this.#counters.packets_received++
    this.#received[kind]++
    from.packetsReceived++
    const route = this.#route(from, bytes, start)
    if (typeof route === 'string') {
      this.#dropped(route, kind, length)
      if (disco && route !== 'dup_client') this.#notHere(from, bytes.subarray(start, at), now)
      return
    }
    const pair = route.pair
    const to = pair.to
    const queue = disco ? to.disco : to.other
    const packet = bytes.subarray(at, end)
    const waits = to.writing || to.other.bytes + to.disco.bytes > to.burst
    const own = waits ? kept(packet) : packet
    if (disco) queue.push(pair.disco, own, now)
    else queue.push(pair.other, own, now, this.#pressure.room(pair, now))
    this.#wake(to, !to.writing && queue.bytes >= to.burst)
    if (!disco) this.#pressure.queued(from, pair, length, now)
  }

  #route(from: Conn, bytes: Uint8Array, start: number): Route | DropReason {
    const last = from.lastRoute
    if (last !== undefined && isCurrent(last) && sameKey(last.target.raw, bytes, start)) return last
    const raw = bytes.subarray(start, start + KEY_BYTES)
    const hex = raw.toHex()
    const known = from.routes.get(hex)
    if (known !== undefined && isCurrent(known)) return (from.lastRoute = known)
    from.routes.delete(hex)
    const source = from.entry as Entry
    const target = this.#entries.get(hex)
    if (target === undefined) return 'unknown_dest'
    if (target.realm !== source.realm) return 'foreign_realm'
    const to = target.active
    if (to === undefined) return 'dup_client'
    let pair = to.pairs.get(source)
    if (pair === undefined) {
      pair = new Pair(source, to)
      to.pairs.set(source, pair)
      source.pairs.add(pair)
    }
    const route: Route = { target, pair }
    from.routes.set(hex, route)
    return (from.lastRoute = route)
  }

  /** Says that a peer isn't here, as often as the limiter allows: a burst, then one a second. */
  #notHere(conn: Conn, peer: Uint8Array, now: Mono): void {
    conn.notHereTokens = Math.min(NOT_HERE_BURST, conn.notHereTokens + (now - conn.notHereAt) / SECOND_MS)
    conn.notHereAt = now
    if (conn.notHereTokens < 1) return
    conn.notHereTokens--
    conn.gone.set(peer.toHex(), encodeServerMessage({ kind: 'peer-gone', peer, reason: GONE.notHere }))
    this.#counters.peer_gone_not_here_frames++
    this.#wake(conn, false)
  }

  // --- writing

  #note(conn: Conn, frame: Uint8Array): void {
    conn.notes.push(frame)
    this.#wake(conn, false)
  }

  #tellAll(frame: Uint8Array): void {
    for (const conn of this.#conns) if (conn.state === 'open') this.#note(conn, frame)
  }

  #wake(conn: Conn, urgent: boolean): void {
    if (conn.writing || conn.state === 'closed' || (conn.woken && !urgent)) return
    conn.woken = true
    conn.line.wake(urgent)
  }

  /** Packets of a pair have left, one way or the other. */
  #settle(pair: Pair): void {
    this.#pressure.shrunk(pair)
    if (!pair.farewell || pair.other.count + pair.disco.count > 0) return
    pair.farewell = false
    if (pair.heard) this.#tellGone(pair.to, pair.source, GONE.disconnected)
  }

  // --- time

  #sweep(conn: Conn, now: Mono): void {
    if (conn.state === 'greeting') {
      if (now - conn.since >= GREETING_MS) this.#refuse(conn, now)
      return
    }
    if (conn.writing && now - conn.wroteAt >= WRITE_MS) {
      this.#counters.sclient_write_timeouts++
      this.#close(conn, 'write timeout', now)
      return
    }
    conn.other.expire(now)
    conn.disco.expire(now)
    if (now < conn.keepAliveAt) return
    conn.keepAliveAt = later(conn.keepAliveAt, KEEPALIVE_MS)
    conn.keepAliveDue = true
    this.#wake(conn, false)
  }

  #dropped(reason: DropReason, kind: PacketKind, bytes: number): void {
    this.#packetsDropped[reason][kind]++
    this.#bytesDropped[reason][kind] += bytes
  }

  /** 0 up to 1. */
  #die(): number {
    const [a, b] = this.#options.primitives.random(2) as unknown as [number, number]
    return (a * 256 + b) / 65_536
  }
}

/** A packet that stays: it must not keep alive the much larger chunk that it came in. */
function kept(packet: Uint8Array): Uint8Array {
  return packet.length * 4 >= packet.buffer.byteLength ? packet : packet.slice()
}

/** Does the route still lead to the connection that receives its key's traffic? */
function isCurrent(route: Route): boolean {
  return route.target.active === route.pair.to
}

function sameKey(key: Uint8Array, bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < KEY_BYTES; i++) if (key[i] !== bytes[start + i]) return false
  return true
}
