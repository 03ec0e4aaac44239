/**
 * Finds and keeps the path to one peer: when to ping which candidate, which answer to prefer, when to stop trusting it.
 * (disco.md §5.2 to §5.8)
 *
 * Exists only for peers that somebody speaks with. Sending, sealing and transactions are the owner's (paths.ts), by the
 * interface `Links`; measuring death under traffic is liveness.ts.
 */

import { later, NEVER } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'
import { better } from './better.ts'
import type { Quality } from './better.ts'
import { Candidates } from './candidates.ts'
import type { Endpoint } from './endpoint.ts'
import { LIVE_MS, Liveness } from './liveness.ts'
import type { Peer } from './peer.ts'
import type { PingTarget, SentPing } from './pings.ts'
import { makeRoute, NO_ROUTE, sameRoute } from './route.ts'
import type { Route } from './route.ts'
import * as timing from './timing.ts'

/** What a path may ask of the world. */
export interface Links {
  /** May datagrams be sent at all? */
  readonly udp: boolean
  /** Sends a disco ping. */
  ping(path: PeerPath, to: PingTarget, now: Mono): void
  /** Tells the peer, by its relay, where we can be reached. */
  callMeMaybe(path: PeerPath, now: Mono): void
  /** Somewhere between 0 and 1, so that many peers don't act in step. */
  jitter(): number
}

const LONG_AGO = -Infinity as Mono
/** More than any honest machine has addresses. */
const GUESSES_MOST = 32

export class PeerPath {
  readonly candidates = new Candidates()
  readonly #links: Links
  readonly #liveness = new Liveness()
  #peer: Peer
  #best: Quality | undefined
  #trustUntil = LONG_AGO
  #route = NO_ROUTE
  /** Region at which a packet of the peer came in last; 0 for none. */
  #heardRegion = 0
  #sentAt = LONG_AGO
  #heardAt = LONG_AGO
  #usedAt: Mono
  /** When the address in use was last pinged. */
  #bestPingAt = LONG_AGO
  #roundAt = LONG_AGO
  #callAt = LONG_AGO
  /** Rounds since the direct path went, and when that was. */
  #rounds = 0
  #searchSince = LONG_AGO
  #nextBeat = NEVER
  #nextRound = NEVER
  #nextLive = NEVER
  /** A round that a peer's call asks for, not to be answered with a call. */
  #calledRound = false

  constructor(peer: Peer, links: Links, now: Mono) {
    this.#peer = peer
    this.#links = links
    this.#usedAt = now
    this.candidates.setFromMap(peer.endpoints, now)
  }

  get peer(): Peer {
    return this.#peer
  }

  get route(): Route {
    return this.#route
  }

  get best(): Quality | undefined {
    return this.#best
  }

  isTrusted(now: Mono): boolean {
    return this.#best !== undefined && now < this.#trustUntil
  }

  /** A packet for the peer is about to go, or went within the last LIVE_MS. False when that changes nothing. */
  sent(now: Mono): boolean {
    this.#sentAt = now
    this.#usedAt = now
    const trusted = this.isTrusted(now)
    const busy = this.#nextBeat !== NEVER && (trusted ? this.#nextLive : this.#nextRound) !== NEVER
    if (busy || !this.#canPing()) return false
    if (this.#nextBeat === NEVER) this.#nextBeat = later(now, timing.HEARTBEAT_MS)
    if (trusted) {
      if (this.#nextLive === NEVER) this.#live(now)
    } else if (this.#nextRound === NEVER) {
      // Where rounds were left to the heartbeat, the pause between them still counts.
      this.#nextRound = Math.max(now, this.#roundAt + timing.ROUND_MS) as Mono
      if (this.#nextRound === now) this.#search(now)
    }
    return true
  }

  /** A packet that only the peer can have sealed came in, from an endpoint or by the relay of a region. */
  heard(from: Endpoint | number, now: Mono): void {
    this.#usedAt = now
    if (typeof from === 'number') this.#heardRegion = from
    else if (from === this.#best?.endpoint) this.#heardAt = now
  }

  /**
   * The peer has proved by a handshake that it sends from there, or that somebody passes its messages on from there: a
   * way to use beside the relay until disco knows better, for the peer may not know our disco key yet. It is pinged as
   * every candidate is, and given up when that stays unanswered.
   */
  met(from: Endpoint, now: Mono): void {
    this.heard(from, now)
    if (!this.#canPing()) return
    this.candidates.met(from, now)
    if (this.isTrusted(now) || this.#best?.endpoint === from) return
    this.#use({ endpoint: from, vni: 0, latencyMs: Infinity, wireMtu: 0 })
  }

  /** Where the peer may be, while no direct path is trusted: at most `GUESSES_MOST`. */
  guesses(now: Mono): Endpoint[] {
    if (this.isTrusted(now) || !this.#canPing()) return []
    const known = this.candidates.due(now, 0).map(({ endpoint }) => endpoint)
    return known.slice(0, GUESSES_MOST)
  }

  /** A ping came from `from`. False when this very ping came from there before, and needs no answer. */
  pinged(from: Endpoint, tx: string, now: Mono): boolean {
    this.#usedAt = now
    const candidate = this.candidates.heard(from, tx, now)
    if (candidate === undefined) return false
    const isNew = candidate.pingedAt === LONG_AGO
    // Ping back at once: what just let the peer's ping in lets the pong in too.
    const wanted = this.isTrusted(now) ? isNew : now - candidate.pingedAt >= timing.PING_SPACING_MS
    if (wanted && this.#isActive(now) && this.#canPing()) this.#ping(from, now)
    return true
  }

  /** The peer says where it can be reached, and wants to be pinged there. */
  called(endpoints: readonly Endpoint[], now: Mono): void {
    this.#usedAt = now
    this.candidates.setCalled(endpoints, now)
    this.#dropLostBest()
    if (!this.#canPing()) return
    const at = later(this.#roundAt, timing.CALLED_ROUND_MS)
    if (now >= at) return this.#round(now, false)
    this.#calledRound = true
    this.#nextRound = Math.min(this.#nextRound, at) as Mono
  }

  /** The answer to a ping that went by UDP. */
  ponged(ping: SentPing<PeerPath>, endpoint: Endpoint, now: Mono): void {
    if (!this.candidates.has(endpoint)) return
    const roundTripMs = now - ping.at
    const found: Quality = { endpoint, vni: 0, latencyMs: roundTripMs, wireMtu: ping.wireMtu }
    if (!this.isTrusted(now) || better(found, this.#best)) this.#use(found)
    const best = this.#best as Quality
    if (best.endpoint !== endpoint) return
    this.#best = { ...best, latencyMs: roundTripMs }
    this.#trustUntil = later(now, timing.TRUST_MS)
    this.#bestPingAt = Math.max(this.#bestPingAt, ping.at) as Mono
    this.#liveness.answered(ping.at, roundTripMs)
    this.#rounds = 0
    this.#nextRound = NEVER
    if (this.#isActive(now) && this.#nextLive === NEVER) this.#nextLive = later(now, LIVE_MS)
  }

  /** A ping by UDP got no answer. */
  unanswered(endpoint: Endpoint, now: Mono): void {
    if (this.#best?.endpoint === endpoint && !this.isTrusted(now)) this.#use(undefined)
  }

  /** Sending to `endpoint` failed: there is no way there, or the machine itself forbids it. */
  sendFailed(endpoint: Endpoint, why: 'unreachable' | 'forbidden', now: Mono): void {
    if (this.#best?.endpoint !== endpoint) return
    if (why === 'forbidden') {
      // Pings that are forbidden too end up here again.
      if (this.isTrusted(now)) this.#distrust(now)
      return
    }
    this.candidates.resetPings(endpoint)
    this.#use(undefined)
    this.#searchAgain(now)
  }

  /** The network map says something new of the peer. */
  update(peer: Peer, now: Mono): void {
    const before = this.#peer
    this.#peer = peer
    if (peer.endpoints !== before.endpoints) {
      this.candidates.setFromMap(peer.endpoints, now)
      this.#dropLostBest()
      if (!this.isTrusted(now)) this.#searchAgain(now)
    }
    if (peer.disco === before.disco) return
    // Another run of the peer's program, perhaps behind another mapping: the old answers prove nothing.
    this.candidates.resetPings()
    if (peer.disco === undefined) this.#use(undefined)
    else this.#distrust(now)
  }

  /** Our own network is another one, or our own key is. */
  startAnew(now: Mono): void {
    this.#use(undefined)
    this.candidates.resetPings()
    this.#searchAgain(now)
  }

  tick(now: Mono): void {
    if (now >= this.#nextLive) this.#stayAlive(now)
    if (this.isTrusted(now)) {
      const verdict = this.#liveness.check(now, this.#heardAt)
      if (verdict === 'retry') this.#pingBest(now)
      if (verdict === 'lost') this.#distrust(now)
    }
    if (now >= this.#nextRound) this.#nextSearch(now)
    if (now >= this.#nextBeat) this.#beat(now)
  }

  deadline(now: Mono): Mono {
    const trusted = this.isTrusted(now)
    return Math.min(
      this.#nextBeat,
      this.#nextRound,
      this.#nextLive,
      trusted ? this.#liveness.nextAt(this.#heardAt) : NEVER,
      trusted ? this.#trustUntil : NEVER,
      this.#usedAt + timing.FORGET_MS,
    ) as Mono
  }

  /** Nobody has spoken with the peer for a long time. */
  isForgotten(now: Mono): boolean {
    return now >= this.#usedAt + timing.FORGET_MS
  }

  /** Works out where packets go now. Gives the route if it is another one than before. */
  settle(now: Mono): Route | undefined {
    const route = this.#decide(now)
    if (sameRoute(route, this.#route)) return undefined
    this.#route = route
    return route
  }

  #decide(now: Mono): Route {
    const { expired, homeRegion } = this.#peer
    if (expired === true) return NO_ROUTE
    const endpoint = this.#links.udp ? this.#best?.endpoint : undefined
    if (endpoint !== undefined && this.isTrusted(now)) return makeRoute(endpoint, 0)
    return makeRoute(endpoint, homeRegion === 0 ? this.#heardRegion : homeRegion)
  }

  #canPing(): boolean {
    return this.#links.udp && this.#peer.disco !== undefined && this.#peer.expired !== true
  }

  #isActive(now: Mono): boolean {
    return now - this.#sentAt <= timing.SESSION_MS
  }

  #use(best: Quality | undefined): void {
    if (best?.endpoint !== this.#best?.endpoint) {
      this.#liveness.reset()
      this.#heardAt = LONG_AGO
      this.#bestPingAt = LONG_AGO
    }
    if (best === undefined) this.#trustUntil = LONG_AGO
    this.#best = best
  }

  #dropLostBest(): void {
    if (this.#best !== undefined && !this.candidates.has(this.#best.endpoint)) this.#use(undefined)
  }

  /** The path in use may be dead: packets go by relay too from now on, and every candidate is asked. */
  #distrust(now: Mono): void {
    this.#trustUntil = LONG_AGO
    this.#liveness.reset()
    this.#searchAgain(now)
  }

  /** Looks for a direct path as if for the first time, where there is traffic that wants one. */
  #searchAgain(now: Mono): void {
    this.#rounds = 0
    this.#nextRound = NEVER
    if (this.#isEager(now) && this.#canPing()) this.#search(now)
  }

  #isEager(now: Mono): boolean {
    return now - this.#sentAt <= timing.EAGER_MS
  }

  #nextSearch(now: Mono): void {
    this.#nextRound = NEVER
    if (this.#calledRound) this.#round(now, false)
    if (!this.isTrusted(now) && this.#isEager(now) && this.#canPing()) this.#search(now)
  }

  /** One of the rounds that follow each other until a direct path is found. */
  #search(now: Mono): void {
    if (this.#rounds === 0) this.#searchSince = now
    const pause = timing.EARLY_ROUNDS_MS[this.#rounds++] ?? this.#laterPause(now)
    this.#round(now, true)
    this.#nextRound = later(now, pause)
  }

  #laterPause(now: Mono): number {
    const pause = now - this.#searchSince < timing.PATIENCE_MS ? timing.ROUND_MS : timing.SLOW_ROUND_MS
    return pause * (0.95 + 0.1 * this.#links.jitter())
  }

  /** Pings every candidate whose turn it is, and lets the peer do the same. */
  #round(now: Mono, mayCall: boolean): void {
    this.#roundAt = now
    this.#calledRound = false
    for (const c of this.candidates.due(now, timing.PING_SPACING_MS)) this.#ping(c.endpoint, now)
    this.#dropLostBest()
    // Also without a candidate of the peer's: it may know better how to reach us.
    if (!mayCall || this.#peer.homeRegion === 0 || now - this.#callAt < timing.CALL_SPACING_MS) return
    this.#callAt = now
    this.#links.callMeMaybe(this, now)
  }

  #ping(endpoint: Endpoint, now: Mono): void {
    this.candidates.notePing(endpoint, now)
    if (endpoint === this.#best?.endpoint) {
      this.#bestPingAt = now
      if (this.isTrusted(now)) this.#liveness.pinged(now)
    }
    this.#links.ping(this, { endpoint }, now)
  }

  #pingBest(now: Mono): void {
    if (this.#best !== undefined) this.#ping(this.#best.endpoint, now)
  }

  /** Traffic begins on a trusted path, or goes on. */
  #live(now: Mono): void {
    if (now >= later(this.#bestPingAt, LIVE_MS)) this.#pingBest(now)
    this.#nextLive = later(this.#bestPingAt, LIVE_MS)
  }

  #stayAlive(now: Mono): void {
    this.#nextLive = NEVER
    if (this.isTrusted(now) && this.#sentAt > this.#bestPingAt) this.#live(now)
  }

  #beat(now: Mono): void {
    this.#nextBeat = NEVER
    if (!this.#isActive(now)) this.#rounds = 0
    if (!this.#isActive(now) || !this.#canPing()) return
    this.#nextBeat = later(now, timing.HEARTBEAT_MS)
    const trusted = this.isTrusted(now)
    const slow = (this.#best?.latencyMs ?? 0) > timing.GOOD_LATENCY_MS
    if (!trusted) {
      if (this.#nextRound === NEVER) this.#round(now, true)
    } else if (slow && now - this.#roundAt >= timing.UPGRADE_MS) this.#round(now, true)
    else if (now - this.#bestPingAt >= LIVE_MS) this.#pingBest(now)
  }
}
