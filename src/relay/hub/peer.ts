/**
 * The hub's records: an `Entry` for each key that is here, a `Conn` for each of its connections, and a `Pair`
 * for what one key sends to one connection.
 *
 * Plain state; what may be done with it is hub.ts.
 */

import type { Mono } from '../../base/clock.ts'
import type { NodeKey } from '../../base/keys.ts'
import { FrameReader } from '../../wire/derp/frame.ts'
import { greetingRule } from '../../wire/derp/messages.ts'
import { FairQueue, Lane } from './queue.ts'
import type { Budget, QueueLimits } from './queue.ts'
import type { DropReason, PacketKind } from './metrics.ts'

/** The stream under a connection, as the shell provides it. None of its methods may call back into `receive`. */
export interface Line {
  /** There is something to write: call `take` before long, or at once when `urgent`. Not called during a write. */
  wake(urgent: boolean): void
  /** Stop reading; what has been read already may still come. */
  pause(): void
  resume(): void
  /** Close the stream, unwritten bytes included. `why` is for the log. */
  close(why: string): void
}

/** A key of one tailnet with its connections. */
export class Entry {
  readonly key: NodeKey
  readonly raw: Uint8Array
  /** The tailnet: keys reach only keys of the same one. */
  readonly realm: string
  readonly conns = new Set<Conn>()
  /** Who receives its traffic. Nobody, when the active one of three or more left and none has spoken since. */
  active: Conn | undefined
  /** Everywhere this key has packets waiting or has been heard. */
  readonly pairs = new Set<Pair>()

  constructor(key: NodeKey, raw: Uint8Array, realm: string) {
    this.key = key
    this.raw = raw
    this.realm = realm
  }
}

/** One key's traffic to one connection. */
export class Pair {
  readonly source: Entry
  readonly to: Conn
  readonly other: Lane<Pair>
  readonly disco: Lane<Pair>
  /** The connection has received from this key, and is told when it leaves. */
  heard = false
  /** The key has left; say so when the last packet is out. */
  farewell = false
  /** Connections of the source that wait for this pair to empty. */
  readonly waiting: Conn[] = []
  /** A wait ran out: until then, or until the backlog has halved, the excess is dropped instead. */
  tiredUntil: Mono = 0 as Mono

  constructor(source: Entry, to: Conn) {
    this.source = source
    this.to = to
    this.other = new Lane(this)
    this.disco = new Lane(this)
  }
}

/** Where a connection's packets for one key go, as long as `pair.to` is the target's active connection. */
export interface Route {
  readonly target: Entry
  readonly pair: Pair
}

export type Dropped = (reason: DropReason, kind: PacketKind, bytes: number, pair: Pair) => void

export class Conn {
  readonly line: Line
  /** The client came to a node of the region that isn't its first. */
  readonly notIdeal: boolean
  readonly since: Mono
  readonly reader = new FrameReader(greetingRule)
  state: 'greeting' | 'open' | 'closed' = 'greeting'
  entry: Entry | undefined
  appName = ''

  // What goes out, by turn: small notes first, then packets.
  readonly notes: Uint8Array[] = []
  pong: Uint8Array | undefined
  keepAliveDue = false
  keepAliveAt: Mono
  readonly gone = new Map<Entry | string, Uint8Array>()
  readonly other: FairQueue<Pair>
  readonly disco: FairQueue<Pair>
  /** Who has sent to this connection. */
  readonly pairs = new Map<Entry, Pair>()
  woken = false
  writing = false
  wroteAt: Mono
  wroteBytes = 0
  /** How much one write takes; about what leaves in a few milliseconds. */
  burst: number

  // What comes in.
  lastRoute: Route | undefined
  readonly routes = new Map<string, Route>()
  /** Pairs that this connection waits for, and until when at most. */
  readonly waitsFor = new Set<Pair>()
  resumeAt: Mono
  /** Recent bytes sent, and those of them to destinations with a backlog; both halved now and then. */
  recent = 0
  recentToBusy = 0
  notHereTokens: number
  notHereAt: Mono

  home = false
  bytesReceived = 0
  bytesSent = 0
  packetsReceived = 0
  packetsSent = 0

  constructor(
    line: Line,
    notIdeal: boolean,
    now: Mono,
    options: {
      readonly other: QueueLimits
      readonly disco: QueueLimits
      readonly burst: number
      readonly notHereBurst: number
      readonly keepAliveAt: Mono
    },
    budget: Budget,
    dropped: Dropped,
  ) {
    this.line = line
    this.notIdeal = notIdeal
    this.since = now
    this.wroteAt = now
    this.resumeAt = now
    this.notHereAt = now
    this.notHereTokens = options.notHereBurst
    this.keepAliveAt = options.keepAliveAt
    this.burst = options.burst
    this.other = new FairQueue(options.other, budget, (reason, packet, lane) =>
      dropped(reason, 'other', packet.length, lane.owner),
    )
    this.disco = new FairQueue(options.disco, budget, (reason, packet, lane) =>
      dropped(reason, 'disco', packet.length, lane.owner),
    )
  }
}
