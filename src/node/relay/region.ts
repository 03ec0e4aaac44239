/**
 * The connection to one region's relay: opened when wanted, kept alive, given up when silent or idle, opened again
 * (derp.md §8.3, §8.4). The bytes of a connection are link.ts; which region a packet goes to is relay-clients.ts.
 */

import { sameBytes } from '../../base/bytes.ts'
import type { Bytes } from '../../base/bytes.ts'
import { later, MINUTE_MS, NEVER, SECOND_MS } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'
import { nodeKeyOf } from '../../base/keys.ts'
import type { NodeKey, PrivateKey } from '../../base/keys.ts'
import type { Primitives } from '../../crypto/primitives.ts'
import { HEADER_BYTES, KEY_BYTES, PING_BYTES } from '../../wire/derp/frame.ts'
import { encodeClientMessage, GONE } from '../../wire/derp/messages.ts'
import type { ClientMessage } from '../../wire/derp/messages.ts'
import type { RelayAction, RelayDrop, RelayPhase, RelayReport, RelayState } from './actions.ts'
import { ATTEMPT_MS, Dialling } from './dialling.ts'
import { Heard } from './heard.ts'
import { printable, RelayLink } from './link.ts'
import type { LinkEvent, RelayMeta } from './link.ts'
import { Rate } from './rate.ts'
import { Retry } from './retry.ts'
import type { RelayTarget } from './targets.ts'
import { STALE_MS, WaitingPackets } from './waiting-packets.ts'

/** A relay sends a keepalive every 60 to 65 s; two of them missing is silence. */
const SILENCE_MS = 2 * MINUTE_MS
/** Without anything to send for so long, a connection that is not home's is closed. */
const IDLE_MS = MINUTE_MS
const PING_MS = 3 * SECOND_MS
/** A relay that takes not a byte for so long but still talks is no use, and the watchdog does not see it. */
const STALL_MS = 30 * SECOND_MS
const PROBLEM_MAX = 300

/** What a region needs of whoever keeps all of them. */
export interface RegionLinks {
  readonly primitives: Primitives
  readonly key: PrivateKey
  readonly ipv4DelayMs: number
  /** A number for a new connection of this region. */
  open(region: RegionClient): number
  /** The connection is no more. */
  forget(conn: number): void
  emit(action: RelayAction): void
}

export class RegionClient {
  readonly id: number
  readonly #links: RegionLinks
  #targets: readonly RelayTarget[]
  #first = 0
  #isHome = false
  #usedAt = -Infinity as Mono
  #phase: RelayPhase = 'closed'
  #conn: number | undefined
  #dialling: Dialling | undefined
  #link: RelayLink | undefined
  #target: RelayTarget | undefined
  /** When the relay must have let us in, once greeted. */
  #letInBy: Mono = NEVER
  #retryAt: Mono = NEVER
  #silentAt: Mono = NEVER
  #stalledAt: Mono = NEVER
  #ping: { readonly data: Bytes; readonly at: Mono; readonly vital: boolean } | undefined
  #localAddress: string | undefined
  #rate: Rate | undefined
  #why: string | undefined
  #problem: string | undefined
  #told: RelayState = { phase: 'closed' }
  #heardAt: Mono | undefined
  #latencyMs: number | undefined
  readonly #retry: Retry
  readonly #waiting = new WaitingPackets()
  readonly #heard = new Heard()
  readonly #drops = new Map<RelayDrop, number>()
  readonly #count = { sentPackets: 0, sentBytes: 0, receivedPackets: 0, receivedBytes: 0, connects: 0, failures: 0 }

  constructor(id: number, targets: readonly RelayTarget[], links: RegionLinks) {
    this.id = id
    this.#targets = targets
    this.#links = links
    this.#retry = new Retry(links.primitives.random)
  }

  get isConnected(): boolean {
    return this.#phase === 'connected'
  }

  get report(): RelayReport {
    return {
      state: this.#state(),
      counters: { ...this.#count, drops: this.#drops },
      ...(this.#heardAt === undefined ? {} : { heardAt: this.#heardAt }),
      ...(this.#latencyMs === undefined ? {} : { latencyMs: this.#latencyMs }),
    }
  }

  /** Did this peer send something over the connection as it is? */
  hasHeard(peer: NodeKey): boolean {
    return this.#heard.has(peer)
  }

  /** The region has these nodes now. A connection to one that is still the same stays. */
  redefine(targets: readonly RelayTarget[], now: Mono): void {
    if (JSON.stringify(targets) === JSON.stringify(this.#targets)) return
    this.#targets = targets
    this.#first = 0
    const spoken = JSON.stringify(this.#target)
    if (this.isConnected && targets.some((target) => JSON.stringify(target) === spoken)) return
    this.#anew('the region has other nodes now', now)
  }

  /** Peers send to us here; the relay is told, and the connection is kept. */
  setHome(isHome: boolean, now: Mono): void {
    if (isHome === this.#isHome) return
    this.#isHome = isHome
    if (this.#link?.isGreeted === true) this.#write({ kind: 'note-preferred', preferred: isHome })
    // Peers that have not heard of the move yet still send here.
    this.#use(now)
  }

  /** Sends a packet, now or when the relay takes it. @param to raw key */
  send(to: Bytes, packet: Bytes, now: Mono): void {
    this.#use(now)
    if (this.#link?.isGreeted === true && this.#stalledAt === NEVER) return this.#writePacket(to, packet, now)
    if (this.#waiting.push({ to, packet, at: now })) this.#drop('queue full')
  }

  opened(localAddress: string | undefined, now: Mono): void {
    this.#dialling?.opened()
    this.#localAddress = localAddress
    this.#settle(now)
  }

  secured(meta: RelayMeta | undefined, now: Mono): void {
    const { primitives, key } = this.#links
    if (this.#target === undefined || this.#link !== undefined) return
    const { host, ideal } = this.#target
    this.#link = new RelayLink({ primitives, key, host, ...(ideal === undefined ? {} : { ideal }) })
    this.#takeAll(this.#link.start(meta), now)
  }

  received(chunk: Bytes, now: Mono): void {
    if (this.#link !== undefined) this.#takeAll(this.#link.receive(chunk), now)
  }

  /** The connection failed or ended. */
  closed(why: string, now: Mono): void {
    this.#conn = undefined
    this.#failed(why, now)
    this.#settle(now)
  }

  /** The socket takes no more for now. */
  blocked(now: Mono): void {
    if (this.#stalledAt === NEVER) this.#stalledAt = later(now, STALL_MS)
  }

  drained(now: Mono): void {
    this.#stalledAt = NEVER
    this.#flush(now)
  }

  /** Addresses or routes are others than before. @param isUsable may connections from this local address go on? */
  networkChanged(isUsable: (localAddress: string) => boolean, now: Mono): void {
    this.#retry.reset()
    const { isConnected } = this
    if (isConnected && this.#localAddress !== undefined && isUsable(this.#localAddress)) this.#sendPing(true, now)
    else this.#anew('the network has changed', now)
  }

  /** Opens the connection anew if it is wanted, as for another key. */
  renew(why: string, now: Mono): void {
    this.#anew(why, now)
  }

  /** Gives the region up. */
  stop(now: Mono): void {
    this.#isHome = false
    this.#usedAt = -Infinity as Mono
    this.#settle(now)
  }

  tick(now: Mono): void {
    if (this.#dialling !== undefined && now >= this.#dialling.deadline()) this.#failed('no answer in time', now)
    if (now >= this.#letInBy) this.#failed('the relay does not answer the greeting', now)
    if (now >= this.#silentAt) this.#failed('nothing was heard of the relay for two minutes', now)
    if (now >= this.#stalledAt) this.#failed('the relay takes nothing', now)
    if (this.#ping !== undefined && now >= later(this.#ping.at, PING_MS)) {
      const { vital } = this.#ping
      this.#ping = undefined
      if (vital) this.#failed('the relay does not answer since the network changed', now)
    }
    this.#settle(now)
  }

  deadline(): Mono {
    if (this.#phase === 'closed') return NEVER
    return Math.min(
      this.#dialling?.deadline() ?? NEVER,
      this.#letInBy,
      this.#silentAt,
      this.#stalledAt,
      this.#retryAt,
      this.#ping === undefined ? NEVER : later(this.#ping.at, PING_MS),
      this.#isHome ? NEVER : later(this.#usedAt, IDLE_MS),
    ) as Mono
  }

  #use(now: Mono): void {
    this.#usedAt = now
    this.#settle(now)
  }

  /** Opens what is wanted and closes what is not; tells how things stand. */
  #settle(now: Mono): void {
    const isWanted = this.#isHome || now - this.#usedAt < IDLE_MS
    if (!isWanted && this.#phase !== 'closed') {
      this.#letGo()
      this.#phase = 'closed'
      this.#retry.reset()
      this.#why = this.#problem = undefined
      const dropped = this.#waiting.clear()
      if (dropped > 0) this.#drop('closed', dropped)
    }
    if (isWanted && (this.#phase === 'closed' || now >= this.#retryAt)) this.#dial(now)
    this.#tell()
  }

  #dial(now: Mono): void {
    this.#phase = 'connecting'
    this.#retryAt = NEVER
    if (this.#targets.length > 0) {
      this.#dialling = new Dialling(this.#targets, this.#first, now)
      return this.#dialNode(this.#dialling, now)
    }
    // Another map may have some.
    this.#phase = 'waiting'
    this.#why = 'the region has no node that can be dialled'
  }

  #dialNode(dialling: Dialling, now: Mono): void {
    const { target } = dialling
    dialling.begin(now)
    this.#target = target
    const conn = (this.#conn = this.#links.open(this))
    this.#links.emit({ kind: 'dial', conn, region: this.id, target, ipv4DelayMs: this.#links.ipv4DelayMs })
  }

  /** What was under way is lost: the next node if it is only that, otherwise a pause. */
  #failed(why: string, now: Mono): void {
    const dialling = this.#dialling
    this.#letGo()
    if (dialling?.next(now) === true) {
      this.#dialling = dialling
      return this.#dialNode(dialling, now)
    }
    this.#first = dialling?.behind ?? this.#first
    this.#retryAt = this.#retry.failed(now)
    this.#count.failures++
    this.#why = why
    this.#phase = 'waiting'
  }

  /** Closes and, if still wanted, dials at once. */
  #anew(why: string, now: Mono): void {
    if (this.#phase === 'closed') return
    this.#letGo()
    this.#retry.reset()
    this.#first = 0
    this.#why = why
    this.#phase = 'waiting'
    this.#retryAt = now
    this.#settle(now)
  }

  /** Nothing of a connection is left behind. */
  #letGo(): void {
    if (this.#conn !== undefined) {
      this.#links.forget(this.#conn)
      this.#links.emit({ kind: 'close', conn: this.#conn })
    }
    this.#conn = this.#dialling = this.#link = this.#target = this.#ping = this.#rate = this.#localAddress = undefined
    this.#letInBy = this.#silentAt = this.#stalledAt = this.#retryAt = NEVER
    this.#heard.clear()
  }

  #takeAll(events: readonly LinkEvent[], now: Mono): void {
    for (const event of events) this.#take(event, now)
    this.#settle(now)
  }

  #take(event: LinkEvent, now: Mono): void {
    switch (event.kind) {
      case 'greet':
        this.#links.emit({ kind: 'send', conn: this.#conn as number, bytes: event.bytes })
        if (this.#link?.isGreeted === true) this.#greeted(now)
        return
      case 'alive':
        this.#heardAt = now
        this.#silentAt = later(now, SILENCE_MS)
        return
      case 'up':
        return this.#up(event.info, now)
      case 'down':
        return this.#failed(event.why, now)
      case 'packet': {
        this.#count.receivedPackets++
        this.#count.receivedBytes += event.packet.length
        const from = this.#heard.add(event.from)
        return this.#links.emit({ kind: 'packet', region: this.id, from, bytes: event.packet })
      }
      case 'peer-gone': {
        const peer = nodeKeyOf(event.peer)
        this.#heard.delete(peer)
        const why = event.reason === GONE.notHere ? 'not here' : 'disconnected'
        return this.#links.emit({ kind: 'peer-gone', region: this.id, peer, why })
      }
      case 'ping':
        // While the relay takes nothing, its questions do not add to what waits.
        if (this.#stalledAt === NEVER) this.#write({ kind: 'pong', data: event.data })
        return
      case 'pong':
        if (this.#ping === undefined || !sameBytes(this.#ping.data, event.data)) return
        this.#latencyMs = now - this.#ping.at
        this.#ping = undefined
        return
      case 'health': {
        const problem = printable(event.problem, PROBLEM_MAX)
        this.#problem = problem === '' ? undefined : problem
        return
      }
      case 'restarting':
        this.#retry.restarting(event.reconnectInMs, event.tryForMs, now)
    }
  }

  /** Frames may follow the greeting without waiting for an answer to it. */
  #greeted(now: Mono): void {
    // Should nothing come of it, the next node has its turn.
    this.#first = this.#dialling?.behind ?? 0
    this.#dialling = undefined
    this.#letInBy = later(now, ATTEMPT_MS)
    this.#silentAt = later(now, SILENCE_MS)
    if (this.#isHome) this.#write({ kind: 'note-preferred', preferred: true })
    this.#flush(now)
  }

  #up(info: { readonly bytesPerSecond: number; readonly burst: number }, now: Mono): void {
    this.#rate = info.bytesPerSecond === 0 ? undefined : new Rate(info.bytesPerSecond, info.burst, now)
    if (this.#phase === 'connected') return
    this.#phase = 'connected'
    this.#letInBy = NEVER
    this.#retry.up(now)
    this.#first = 0
    this.#why = this.#problem = undefined
    this.#count.connects++
    this.#sendPing(false, now)
  }

  #sendPing(vital: boolean, now: Mono): void {
    const data = this.#links.primitives.random(PING_BYTES)
    this.#ping = { data, at: now, vital }
    this.#write({ kind: 'ping', data })
  }

  #flush(now: Mono): void {
    if (this.#link?.isGreeted !== true) return
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      if (now - next.at >= STALE_MS) this.#drop('too old')
      else this.#writePacket(next.to, next.packet, now)
    }
  }

  #writePacket(to: Bytes, packet: Bytes, now: Mono): void {
    if (this.#rate?.takes(HEADER_BYTES + KEY_BYTES + packet.length, now) === false) return this.#drop('rate')
    this.#count.sentPackets++
    this.#count.sentBytes += packet.length
    this.#write({ kind: 'send', to, packet })
  }

  #write(message: ClientMessage): void {
    this.#links.emit({ kind: 'send', conn: this.#conn as number, bytes: encodeClientMessage(message) })
  }

  #drop(why: RelayDrop, count = 1): void {
    this.#drops.set(why, (this.#drops.get(why) ?? 0) + count)
  }

  #state(): RelayState {
    const isWaiting = this.#phase === 'waiting'
    return {
      phase: this.#phase,
      ...(this.#target === undefined ? {} : { node: this.#target.node }),
      ...(this.#problem === undefined ? {} : { problem: this.#problem }),
      ...(isWaiting && this.#why !== undefined ? { why: this.#why } : {}),
      ...(isWaiting && this.#retry.isRestarting ? { restarting: true } : {}),
    }
  }

  #tell(): void {
    const state = this.#state()
    const { phase, node, problem, why, restarting } = this.#told
    if (
      state.phase === phase &&
      state.node === node &&
      state.problem === problem &&
      state.why === why &&
      state.restarting === restarting
    )
      return
    this.#told = state
    this.#links.emit({ kind: 'state', region: this.id, state })
  }
}
