/**
 * Paths to all peers, as one machine: disco bytes, what the network map says and the time come in; bytes to send and
 * routes come out. (disco.md §3 to §5, §7.3)
 *
 * A peer that nobody speaks with is an entry in a table. Where own endpoints come from is own-endpoints.ts and the
 * shell's matter, as are the sockets and relay connections.
 */

import type { Bytes } from '../../base/bytes.ts'
import type { Mono } from '../../base/clock.ts'
import type { AddressPort } from '../../base/ip.ts'
import type { DiscoKey, NodeKey, PrivateKey } from '../../base/keys.ts'
import type { Primitives } from '../../crypto/primitives.ts'
import { decodeDisco, TX_BYTES } from '../../wire/disco.ts'
import type { DiscoMessage, Ping, Pong } from '../../wire/disco.ts'
import { decodeEnvelope } from '../../wire/disco-envelope.ts'
import { NOTHING } from './actions.ts'
import type { PathAction } from './actions.ts'
import { Calls } from './calls.ts'
import { CALLED_MAX } from './candidates.ts'
import { Deadlines } from './deadlines.ts'
import { Directory } from './directory.ts'
import type { Entered } from './directory.ts'
import { addressOf, endpointOf, isIpv6 } from './endpoint.ts'
import type { Endpoint } from './endpoint.ts'
import type { Peer } from './peer.ts'
import { PeerPath } from './peer-path.ts'
import type { Links } from './peer-path.ts'
import { PingBook } from './pings.ts'
import type { PingTarget } from './pings.ts'
import { Questions } from './questions.ts'
import type { Question } from './questions.ts'
import { makeRoute, NO_ROUTE, sameRoute } from './route.ts'
import type { Route } from './route.ts'
import { Seals } from './seals.ts'
import { REBIND_MS } from './timing.ts'

/** Address that stands for a relay where an address is asked for; the port is its region. (disco.md §1) */
const RELAY_IP = { family: 4, value: 0x7f030328n } as const
/** A ping without padding, as a UDP payload; IP and UDP headers come on top. */
const PING_WIRE_BYTES = 124

/** Why a disco packet was dropped. */
export type Drop =
  | 'no envelope'
  | 'unknown sender'
  | 'box does not open'
  | 'unreadable'
  | 'not from a relay'
  | 'sender is not the peer'
  | 'unknown transaction'
  | 'of no use here'

export interface PathsOptions {
  readonly primitives: Primitives
  /** This run's disco key. */
  readonly disco: PrivateKey
  readonly nodeKey: NodeKey
  /** False where only TCP may leave the machine: everything goes by relay. */
  readonly udp?: boolean
}

export class Paths {
  /** How many disco packets were dropped, and why. */
  readonly drops = new Map<Drop, number>()
  readonly #primitives: Primitives
  readonly #nodeKey: NodeKey
  readonly #seals: Seals
  readonly #links: Links
  readonly #directory = new Directory()
  readonly #active = new Map<NodeKey, PeerPath>()
  readonly #deadlines = new Deadlines<PeerPath>()
  readonly #pings = new PingBook<PeerPath>()
  /** Questions of people that wait for the first pong. */
  readonly #questions = new Questions()
  readonly #calls = new Calls<PeerPath>()
  #reboundAt = -Infinity as Mono
  #out: PathAction[] = []

  constructor({ primitives, disco, nodeKey, udp = true }: PathsOptions) {
    this.#primitives = primitives
    this.#nodeKey = nodeKey
    this.#seals = new Seals(primitives, disco)
    this.#links = {
      udp,
      ping: (path, to, now) => this.#sendPing(path, to, now),
      callMeMaybe: (path, now) => this.#call(path, now),
      jitter: () => (primitives.random(1)[0] as number) / 255,
    }
  }

  /** The key that peers must know us by. */
  get ownDisco(): DiscoKey {
    return this.#seals.ownKey
  }

  /** How many peers are known, and how many of them cost anything. */
  get counts(): { readonly known: number; readonly active: number } {
    return { known: this.#directory.size, active: this.#active.size }
  }

  /** Where packets for this peer go. Also told by a 'route' action whenever it changes for a peer spoken with. */
  route(key: NodeKey): Route {
    const path = this.#active.get(key)
    if (path !== undefined) return path.route
    const peer = this.#directory.get(key)
    return peer === undefined || peer.expired === true ? NO_ROUTE : makeRoute(undefined, peer.homeRegion)
  }

  /** What the network map says of a peer, new or changed. */
  setPeer(peer: Peer, now: Mono): readonly PathAction[] {
    return this.#entered(this.#directory.enter(peer), now)
  }

  /** A peer said in the tunnel which disco key it has (disco.md §7.2): the map will follow, the session stays. */
  learnDisco(key: NodeKey, disco: DiscoKey, now: Mono): readonly PathAction[] {
    const entered = this.#directory.learn(key, disco)
    return entered === undefined ? NOTHING : this.#entered(entered, now)
  }

  /** The peer is gone from the network map. */
  removePeer(key: NodeKey): void {
    const orphan = this.#directory.delete(key)
    if (orphan !== undefined) this.#seals.forget(orphan)
    const path = this.#active.get(key)
    if (path !== undefined) this.#drop(path)
  }

  /** Where we can be reached, as peers are to be told. */
  setOwnEndpoints(endpoints: readonly Endpoint[], now: Mono): readonly PathAction[] {
    for (const path of this.#calls.found(endpoints, now)) this.#call(path, now)
    return this.#flush()
  }

  /** We speak under a new disco key. Peers have to hear of it from the map before they answer. */
  rotateDisco(disco: PrivateKey, now: Mono): readonly PathAction[] {
    this.#seals.rotate(disco)
    this.#pings.clear()
    this.#calls.expire()
    return this.#startAnew(now)
  }

  /** Default route, addresses or sockets are others than before: no path is known to work, and candidates stay. */
  networkChanged(now: Mono): readonly PathAction[] {
    this.#calls.expire()
    return this.#startAnew(now)
  }

  /**
   * Packets for the peer go out. Before each packet, or, where a worker sends by itself, at least every LIVE_MS while
   * packets go; then route() says where to.
   */
  sent(key: NodeKey, now: Mono): readonly PathAction[] {
    const path = this.#open(key, now)
    if (path === undefined) return NOTHING
    return path.sent(now) ? this.#settled(path, now) : this.#flush()
  }

  /** A WireGuard packet of the peer was authentic; `from` is its source, or the region of the relay that brought it. */
  heard(key: NodeKey, from: Endpoint | number, now: Mono): readonly PathAction[] {
    const path = typeof from === 'number' ? this.#open(key, now) : this.#active.get(key)
    if (path === undefined) return NOTHING
    path.heard(from, now)
    return typeof from === 'number' ? this.#settled(path, now) : NOTHING
  }

  /** A handshake message of the peer, which only it can have made, came from there. */
  met(key: NodeKey, from: Endpoint, now: Mono): readonly PathAction[] {
    const path = this.#open(key, now)
    if (path === undefined) return NOTHING
    path.met(from, now)
    return this.#settled(path, now)
  }

  /** Where a peer that is spoken with may be, besides its route; none where its direct path is trusted. */
  guesses(key: NodeKey, now: Mono): readonly Endpoint[] {
    return this.#active.get(key)?.guesses(now) ?? []
  }

  /** A datagram that classify() takes for disco. */
  fromUdp(source: AddressPort, datagram: Bytes, now: Mono): readonly PathAction[] {
    const read = this.#read(datagram)
    if (read === undefined) return NOTHING
    const { sender, message } = read
    if (message.kind === 'ping') this.#answerUdp(sender, message, source, now)
    else if (message.kind === 'pong') this.#pong(sender, message, now)
    else this.#dropped(message.kind === 'call-me-maybe' ? 'not from a relay' : 'of no use here')
    return this.#flush()
  }

  /** A packet that isDisco() takes for disco, which the relay of a region brought from the node `from`. */
  fromRelay(region: number, from: NodeKey, packet: Bytes, now: Mono): readonly PathAction[] {
    const read = this.#read(packet)
    if (read === undefined) return NOTHING
    const { sender, message } = read
    const isPeer = this.#directory.get(from)?.disco === sender
    if (message.kind === 'pong') this.#pong(sender, message, now)
    else if (message.kind === 'ping') {
      this.#send(sender, { kind: 'pong', tx: message.tx, src: { ip: RELAY_IP, port: region } }, { region }, from)
    } else if (message.kind !== 'call-me-maybe') this.#dropped('of no use here')
    else if (!isPeer) this.#dropped('sender is not the peer')
    else {
      const path = this.#open(from, now) as PeerPath
      path.heard(region, now)
      path.called(message.endpoints.slice(0, CALLED_MAX).map(endpointOf), now)
      this.#settle(path, now)
    }
    return this.#flush()
  }

  /**
   * A person asks whether the peer is there: one 'ping-answered' or 'ping-unanswered' with `asked` follows. (§5.11)
   *
   * @param asked names the question; unique while it waits
   * @param wireMtu size of IP packet to pad the pings to; 0 for as small as they are
   */
  ping(key: NodeKey, asked: string, now: Mono, wireMtu = 0): readonly PathAction[] {
    const path = this.#open(key, now)
    if (path === undefined || path.peer.expired === true) return [{ kind: 'ping-unanswered', asked, peer: key }]
    this.#ask(path, this.#questions.add(asked, key, wireMtu, now), now)
    return this.#flush()
  }

  /**
   * The socket did not take a datagram for `to`: 'unreachable' for EHOSTUNREACH and its kind, 'forbidden' for EPERM,
   * EPIPE and ENOTCONN. (§5.8)
   */
  sendFailed(to: Endpoint, why: 'unreachable' | 'forbidden', now: Mono): readonly PathAction[] {
    for (const path of this.#active.values()) {
      path.sendFailed(to, why, now)
      this.#settle(path, now)
    }
    if (why === 'forbidden' && now - this.#reboundAt >= REBIND_MS) {
      this.#reboundAt = now
      this.#out.push({ kind: 'rebind' })
    }
    return this.#flush()
  }

  tick(now: Mono): readonly PathAction[] {
    for (const ping of this.#pings.expired(now))
      if ('endpoint' in ping.to && this.#isActive(ping.peer)) {
        ping.peer.unanswered(ping.to.endpoint, now)
        this.#settle(ping.peer, now)
      }
    this.#askAgain(now)
    for (const path of this.#deadlines.due(now)) {
      if (path.isForgotten(now)) {
        this.#drop(path)
        const route = this.route(path.peer.key)
        if (!sameRoute(route, path.route)) this.#out.push({ kind: 'route', peer: path.peer.key, route })
        continue
      }
      path.tick(now)
      this.#settle(path, now)
    }
    return this.#flush()
  }

  /** When tick() next has something to do. */
  deadline(): Mono {
    return Math.min(this.#deadlines.next(), this.#pings.deadline(), this.#questions.deadline()) as Mono
  }

  #entered({ peer, restarted, orphan }: Entered, now: Mono): readonly PathAction[] {
    if (orphan !== undefined) this.#seals.forget(orphan)
    if (restarted) this.#out.push({ kind: 'reset-session', peer: peer.key })
    const path = this.#active.get(peer.key)
    if (path !== undefined) {
      path.update(peer, now)
      this.#settle(path, now)
    }
    return this.#flush()
  }

  #startAnew(now: Mono): readonly PathAction[] {
    for (const path of this.#active.values()) {
      path.startAnew(now)
      this.#settle(path, now)
    }
    return this.#flush()
  }

  /** The path of a known peer; it comes into being when first asked for. */
  #open(key: NodeKey, now: Mono): PeerPath | undefined {
    const path = this.#active.get(key)
    if (path !== undefined) return path
    const peer = this.#directory.get(key)
    if (peer === undefined) return undefined
    const fresh = new PeerPath(peer, this.#links, now)
    this.#active.set(key, fresh)
    this.#settle(fresh, now)
    return fresh
  }

  #isActive(path: PeerPath): boolean {
    return this.#active.get(path.peer.key) === path
  }

  #drop(path: PeerPath): void {
    this.#active.delete(path.peer.key)
    this.#deadlines.delete(path)
    this.#calls.forget(path)
  }

  #read(packet: Bytes): { sender: DiscoKey; message: DiscoMessage } | undefined {
    const envelope = decodeEnvelope(packet)
    if (envelope === undefined) return this.#dropped('no envelope')
    // Strangers cost no arithmetic.
    if (this.#directory.withDisco(envelope.sender).length === 0) return this.#dropped('unknown sender')
    const clear = this.#seals.open(envelope)
    if (clear === undefined) return this.#dropped('box does not open')
    const message = decodeDisco(clear)
    return message === undefined ? this.#dropped('unreadable') : { sender: envelope.sender, message }
  }

  #dropped(why: Drop): undefined {
    this.drops.set(why, (this.drops.get(why) ?? 0) + 1)
  }

  #answerUdp(sender: DiscoKey, ping: Ping, source: AddressPort, now: Mono): void {
    const from = endpointOf(source)
    const tx = ping.tx.toHex()
    let isNew = false
    const paths = this.#directory.withDisco(sender).map((key) => this.#open(key, now) as PeerPath)
    for (const path of paths) if (path.pinged(from, tx, now)) isNew = true
    if (isNew) this.#send(sender, { kind: 'pong', tx: ping.tx, src: source }, { endpoint: from })
    for (const path of paths) this.#settle(path, now)
  }

  #pong(sender: DiscoKey, pong: Pong, now: Mono): void {
    const ping = this.#pings.take(pong.tx.toHex(), (path) => this.#isActive(path) && path.peer.disco === sender)
    if (ping === undefined) return this.#dropped('unknown transaction')
    if (ping.asked !== undefined && this.#questions.answered(ping.asked)) {
      const { asked, to } = ping
      this.#out.push({ kind: 'ping-answered', asked, peer: ping.peer.peer.key, latencyMs: now - ping.at, via: to })
    }
    if ('endpoint' in ping.to) ping.peer.ponged(ping, ping.to.endpoint, now)
    this.#settle(ping.peer, now)
  }

  /** Puts a person's question by all ways that may lead to the peer, or by the one that does. */
  #ask(path: PeerPath, { asked, wireMtu }: Question, now: Mono): void {
    path.sent(now)
    const { best } = path
    const { homeRegion } = path.peer
    const trusted = best !== undefined && path.isTrusted(now)
    const endpoints = trusted ? [best.endpoint] : path.candidates.due(now, 0).map((c) => c.endpoint)
    if (this.#links.udp) for (const endpoint of endpoints) this.#sendPing(path, { endpoint }, now, { asked, wireMtu })
    if (!trusted && homeRegion !== 0) this.#sendPing(path, { region: homeRegion }, now, { asked, wireMtu })
    this.#settle(path, now)
  }

  #askAgain(now: Mono): void {
    for (const { asked, peer } of this.#questions.expired(now)) this.#out.push({ kind: 'ping-unanswered', asked, peer })
    for (const question of this.#questions.due(now)) {
      const path = this.#open(question.peer, now)
      if (path !== undefined && path.peer.expired !== true) this.#ask(path, question, now)
    }
  }

  #sendPing(
    path: PeerPath,
    to: PingTarget,
    now: Mono,
    { asked, wireMtu = 0 }: { asked?: string; wireMtu?: number } = {},
  ): void {
    const { disco, key } = path.peer
    if (disco === undefined) return
    const tx = this.#primitives.random(TX_BYTES)
    const headers = 'endpoint' in to && isIpv6(to.endpoint) ? 48 : 28
    const padding = Math.max(0, wireMtu - headers - PING_WIRE_BYTES)
    if (!this.#send(disco, { kind: 'ping', tx, nodeKey: this.#nodeKey, padding }, to, key)) return
    this.#pings.add(tx.toHex(), { peer: path, to, at: now, wireMtu, ...(asked === undefined ? {} : { asked }) })
  }

  #call(path: PeerPath, now: Mono): void {
    const { disco, key, homeRegion } = path.peer
    if (disco === undefined || homeRegion === 0) return
    const endpoints = this.#calls.endpointsFor(path, now)?.map(addressOf)
    if (endpoints !== undefined) this.#send(disco, { kind: 'call-me-maybe', endpoints }, { region: homeRegion }, key)
    else if (this.#calls.wantsRefresh()) this.#out.push({ kind: 'refresh-endpoints' })
  }

  /** Seals and hands out. @param key whom the relay is to give it to */
  #send(disco: DiscoKey, message: DiscoMessage, to: PingTarget, key?: NodeKey): boolean {
    const bytes = this.#seals.seal(disco, message)
    if (bytes === undefined) return false
    if ('endpoint' in to) this.#out.push({ kind: 'send-udp', to: to.endpoint, bytes })
    else if (key !== undefined) this.#out.push({ kind: 'send-relay', region: to.region, to: key, bytes })
    return true
  }

  #settle(path: PeerPath, now: Mono): void {
    const route = path.settle(now)
    if (route !== undefined) this.#out.push({ kind: 'route', peer: path.peer.key, route })
    this.#deadlines.set(path, path.deadline(now))
  }

  #settled(path: PeerPath, now: Mono): readonly PathAction[] {
    this.#settle(path, now)
    return this.#flush()
  }

  #flush(): readonly PathAction[] {
    if (this.#out.length === 0) return NOTHING
    const out = this.#out
    this.#out = []
    return out
  }
}
