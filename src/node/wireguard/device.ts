/**
 * The handshake machine over all peers: messages and time come in, actions go out (actions.ts). It makes and ends
 * sessions, and never touches a packet's bytes: sealing and opening is its caller's, by transport.ts or faster, in this
 * thread or another, which tells it by `report` what went over a session.
 *
 * A peer that is configured costs nothing here. What is kept of one is made when a packet is to go to it, or when it
 * proved by an initiation that it is there (disco.md §7.1), and forgotten when its sessions are over. Where messages
 * for a peer go is the path's matter: the machine says who was proved to be where, and follows nobody (disco.md §6).
 */

import { EMPTY } from '../../base/bytes.ts'
import type { Bytes } from '../../base/bytes.ts'
import { later, NEVER } from '../../base/clock.ts'
import type { Mono, Wall } from '../../base/clock.ts'
import { nodeKeyOf, rawKey } from '../../base/keys.ts'
import type { NodeKey, PrivateKey } from '../../base/keys.ts'
import type { Primitives } from '../../crypto/primitives.ts'
import { dropped } from './actions.ts'
import type { DeviceAction, Drop, Source } from './actions.ts'
import { Gate } from './gate.ts'
import { readInitiator, readResponse, readTimestamp, staticShared, writeResponse } from './handshake.ts'
import type { Identity } from './handshake.ts'
import type { Keypair } from './keypairs.ts'
import { decodeCookieReply, decodeInitiation, decodeResponse, kindOf } from './messages.ts'
import { Peer } from './peer.ts'
import { Peers } from './peers.ts'
import { Sessions, usable } from './sessions.ts'
import type { Activity } from './sessions.ts'
import { isLater, StampClock } from './tai64n.ts'

/** A peer's initiations are answered at most this often. */
export const ANSWER_EVERY_MS = 20
/** How long the news that a peer was started again may take to come round by the server. */
export const YOUNG_MS = 10_000

export interface DeviceOptions {
  readonly primitives: Primitives
  readonly privateKey: PrivateKey
  /** Is this the key of somebody we talk to? Asked before more work is done for a stranger. */
  isPeer(key: NodeKey): boolean
  /** 32 bytes agreed with the peer beforehand; nothing between nodes of a tailnet. */
  presharedKey?(peer: NodeKey): Bytes | undefined
  /** A packet that goes before all others when a session is established (disco.md §7.2). */
  firstPacket?(peer: NodeKey): Bytes | undefined
  /** Are we under load? By default, when there are many handshakes a second. */
  isBusy?(now: Mono): boolean
  /** What both clocks say at the start. */
  readonly wall: Wall
  readonly now: Mono
}

export class Device<From extends Source> {
  readonly #p: Primitives
  readonly #own: Identity
  readonly #ownKey: NodeKey
  readonly #options: DeviceOptions
  readonly #gate: Gate
  readonly #peers: Peers
  readonly #stamps: StampClock
  readonly #sessions: Sessions<From>
  /** The latest initiation of each peer. It outlives the rest of the peer, or an old one could be sent again. */
  readonly #stampsSeen = new Map<NodeKey, Bytes>()

  constructor(options: DeviceOptions) {
    const { primitives: p, privateKey } = options
    this.#p = p
    this.#options = options
    this.#own = { privateKey, publicKey: p.x25519Public(privateKey) }
    this.#ownKey = nodeKeyOf(this.#own.publicKey)
    this.#gate = new Gate(p, this.#own.publicKey, options.isBusy && ((now) => options.isBusy?.(now) === true))
    this.#peers = new Peers(p)
    this.#stamps = new StampClock(options.wall, options.now)
    const first = options.firstPacket && ((peer: NodeKey) => options.firstPacket?.(peer))
    this.#sessions = new Sessions(p, this.#own, this.#peers, this.#stamps, first)
  }

  /** Peers of which something is kept. */
  get livePeers(): number {
    return this.#peers.size
  }

  /** When a session with this peer was last agreed on, as far as that is still known. */
  lastHandshakeAt(key: NodeKey): Mono | undefined {
    return this.#peers.get(key)?.lastHandshakeAt
  }

  /** Takes a message that is no transport message. */
  receive(message: Bytes, from: From, now: Mono): DeviceAction<From>[] {
    switch (kindOf(message)) {
      case 'initiation':
        return this.#initiation(message, from, now)
      case 'response':
        return this.#response(message, from, now)
      case 'cookie-reply':
        return this.#cookieReply(message, now)
      default:
        return [dropped('malformed')]
    }
  }

  /**
   * Takes a packet for which its peer has no session that can be sent with. It waits, and a handshake begins.
   *
   * @param packet copied, where it has to wait
   */
  stage(key: NodeKey, packet: Bytes, now: Mono): DeviceAction<From>[] {
    const peer = this.#need(key, now)
    if (typeof peer === 'string') return [dropped(peer)]
    const keypair = usable(peer, now)
    const actions: DeviceAction<From>[] = []
    if (keypair !== undefined) this.#sessions.seal(actions, peer, keypair, packet, now)
    else {
      if (peer.stage(packet.slice())) actions.push(dropped('too-many-waiting'))
      this.#sessions.want(actions, peer, now)
    }
    this.#peers.refresh(peer)
    return actions
  }

  /** Takes note of what went over a session. */
  report(a: Activity<From>, now: Mono): DeviceAction<From>[] {
    const peer = this.#peers.atIndex(a.localIndex)
    const keypair = peer?.keypairs.all().find((k) => k.localIndex === a.localIndex)
    if (peer === undefined || keypair === undefined) return []
    const actions: DeviceAction<From>[] = []
    peer.used(now)
    // In the order in which they happened: silence is counted from what was sent after the last sign of life.
    const sentLast = (a.sentAt ?? -Infinity) >= (a.receivedAt ?? -Infinity)
    if (!sentLast) this.#sessions.sent(actions, peer, keypair, a, now)
    if (a.receivedAt !== undefined) this.#sessions.received(actions, peer, keypair, a, now)
    if (sentLast) this.#sessions.sent(actions, peer, keypair, a, now)
    this.#peers.refresh(peer)
    return actions
  }

  /**
   * Ends a peer's sessions, since the peer has lost them; the next packet begins a new one (disco.md §7.3).
   *
   * The news that a peer was started again comes by the server, and often after the peer itself: a young session may be
   * with the new run, which would not notice its end for 15 s. It stays until a handshake, begun at once, replaces it.
   */
  reset(key: NodeKey, now: Mono): DeviceAction<From>[] {
    const peer = this.#peers.get(key)
    return peer === undefined ? [] : this.#restart(peer, (now - YOUNG_MS) as Mono, now)
  }

  /**
   * Somebody who seems to be this peer uses a session that is not known: where there is no other, it has one that we
   * have lost, and a new one takes its place. Whoever only pretends to be the peer has an initiation sent in 5 s.
   */
  lost(key: NodeKey, now: Mono): DeviceAction<From>[] {
    const peer = this.#need(key, now)
    if (typeof peer === 'string') return [dropped(peer)]
    const actions: DeviceAction<From>[] = []
    if (usable(peer, now) === undefined) this.#sessions.want(actions, peer, now)
    this.#peers.refresh(peer)
    return actions
  }

  /** Another way to this peer has opened: an initiation that waits for its answer is repeated there, not in 5 s. */
  retry(key: NodeKey, now: Mono): DeviceAction<From>[] {
    const peer = this.#peers.get(key)
    if (peer === undefined) return []
    const actions: DeviceAction<From>[] = []
    if (peer.timers.mayRepeat(now)) this.#sessions.do(actions, peer, 'retry', now)
    this.#peers.refresh(peer)
    return actions
  }

  /**
   * The machine has slept while `now` stood still: peers have let sessions expire that look young here. All end, so
   * that the next packet begins a new one.
   */
  wake(wall: Wall, now: Mono): DeviceAction<From>[] {
    this.#stamps.set(wall, now)
    return this.#peers.all().flatMap((peer) => this.#restart(peer, NEVER, now))
  }

  /** Forgets a peer that is none any more. */
  remove(key: NodeKey): DeviceAction<From>[] {
    this.#stampsSeen.delete(key)
    const peer = this.#peers.get(key)
    if (peer === undefined) return []
    const actions: DeviceAction<From>[] = []
    this.#sessions.ended(actions, peer, peer.keypairs.clear())
    this.#peers.delete(peer)
    actions.push({ kind: 'forgotten', peer: key })
    return actions
  }

  /** From now on something is sent to this peer at least every `ms` milliseconds; 0 ends that. */
  setPersistentKeepalive(key: NodeKey, ms: number, now: Mono): void {
    const peer = ms > 0 ? this.#need(key, now) : this.#peers.get(key)
    if (peer === undefined || typeof peer === 'string') return
    peer.timers.setPersistentKeepalive(ms, now)
    this.#peers.refresh(peer)
  }

  /** What the calendar says; to be told after sleep and when the clock was set. */
  setWall(wall: Wall, now: Mono): void {
    this.#stamps.set(wall, now)
  }

  /** Does what is due. */
  tick(now: Mono): DeviceAction<From>[] {
    const actions: DeviceAction<From>[] = []
    for (let peer = this.#peers.takeDue(now); peer !== undefined; peer = this.#peers.takeDue(now)) {
      this.#sessions.ended(actions, peer, peer.keypairs.expire(now))
      for (const due of peer.timers.due(now)) this.#sessions.do(actions, peer, due, now)
      if (peer.isIdle(now)) {
        this.#peers.delete(peer)
        actions.push({ kind: 'forgotten', peer: peer.key })
      } else this.#peers.refresh(peer)
    }
    return actions
  }

  /** When tick() next may have something to do. */
  deadline(): Mono {
    return this.#peers.deadline()
  }

  #initiation(message: Bytes, from: From, now: Mono): DeviceAction<From>[] {
    const m = decodeInitiation(message)
    if (m === undefined) return [dropped('malformed')]
    const stopped = this.#stopAtGate(message, m.sender, from, now)
    if (stopped !== undefined) return [stopped]

    const named = readInitiator(this.#p, this.#own, m)
    if (named === undefined) return [dropped('handshake')]
    const key = nodeKeyOf(named.initiator)
    const known = this.#find(key, now)
    if (typeof known === 'string') return [dropped(known)]
    const proved = readTimestamp(this.#p, named, known.shared)
    if (proved === undefined) return [dropped('handshake')]
    const seen = this.#stampsSeen.get(key)
    if (seen !== undefined && !isLater(proved.timestamp, seen)) return [dropped('old-timestamp')]
    if (now < later(known.answeredAt, ANSWER_EVERY_MS)) return [dropped('too-soon')]

    const localIndex = this.#peers.takeIndex(known)
    const written = writeResponse(this.#p, proved, localIndex, known.psk)
    if (written === undefined) {
      this.#peers.releaseIndex(localIndex)
      return [dropped('handshake')]
    }
    this.#stampsSeen.set(key, proved.timestamp.slice())
    this.#peers.add(known)
    known.answeredAt = now
    known.used(now)
    known.macs.write(written.message, now)
    known.timers.received(now)
    known.timers.sent(now)

    const actions: DeviceAction<From>[] = [{ kind: 'authenticated', peer: key, from }]
    const keypair: Keypair = {
      peer: key,
      localIndex,
      remoteIndex: m.sender,
      sendKey: written.keys.sendKey,
      receiveKey: written.keys.receiveKey,
      isInitiator: false,
      createdAt: now,
    }
    this.#sessions.changed(actions, known, known.keypairs.offer(keypair))
    actions.push({ kind: 'send', peer: key, bytes: written.message, answers: from })
    this.#peers.refresh(known)
    return actions
  }

  #response(message: Bytes, from: From, now: Mono): DeviceAction<From>[] {
    const m = decodeResponse(message)
    if (m === undefined) return [dropped('malformed')]
    const stopped = this.#stopAtGate(message, m.sender, from, now)
    if (stopped !== undefined) return [stopped]

    const peer = this.#peers.atIndex(m.receiver)
    const pending = peer?.pending
    if (peer === undefined || pending?.localIndex !== m.receiver) return [dropped('unknown-index')]
    const keys = readResponse(this.#p, this.#own, pending, m, peer.psk)
    if (keys === undefined) return [dropped('handshake')]

    // The index lives on as the session's.
    peer.pending = undefined
    peer.lastHandshakeAt = now
    peer.used(now)
    peer.timers.completed()
    peer.timers.received(now)
    const keypair: Keypair = {
      peer: peer.key,
      localIndex: m.receiver,
      remoteIndex: m.sender,
      sendKey: keys.sendKey,
      receiveKey: keys.receiveKey,
      isInitiator: true,
      createdAt: now,
    }
    const actions: DeviceAction<From>[] = [{ kind: 'authenticated', peer: peer.key, from }]
    this.#sessions.changed(actions, peer, peer.keypairs.use(keypair))
    this.#sessions.established(actions, peer, keypair, now)
    // The responder may not send before it has seen that we have the keys.
    if (actions.at(-1)?.kind !== 'seal') this.#sessions.seal(actions, peer, keypair, EMPTY, now)
    this.#peers.refresh(peer)
    return actions
  }

  #cookieReply(message: Bytes, now: Mono): DeviceAction<From>[] {
    const m = decodeCookieReply(message)
    if (m === undefined) return [dropped('malformed')]
    const peer = this.#peers.atIndex(m.receiver)
    if (peer === undefined) return [dropped('unknown-index')]
    // The cookie goes with the next message, when that is due: answering at once would only add to the load.
    return peer.macs.take(message, now) ? [] : [dropped('cookie')]
  }

  /** @param since sessions that are no older stay until a handshake has replaced them */
  #restart(peer: Peer, since: Mono, now: Mono): DeviceAction<From>[] {
    const actions: DeviceAction<From>[] = []
    this.#sessions.ended(actions, peer, peer.keypairs.keepSince(since))
    this.#sessions.dropPending(peer)
    peer.timers.reset()
    peer.used(now)
    if (peer.hasWaiting || peer.keypairs.all().length > 0) this.#sessions.want(actions, peer, now)
    this.#peers.refresh(peer)
    return actions
  }

  #stopAtGate(message: Bytes, sender: number, from: From, now: Mono): DeviceAction<From> | undefined {
    const verdict = this.#gate.check(message, sender, from, now)
    if (verdict.kind === 'pass') return undefined
    return verdict.kind === 'drop' ? dropped(verdict.why) : { kind: 'reply', to: from, bytes: verdict.bytes }
  }

  /** What is kept of a peer, made and kept if nothing is; or why it can't be one. */
  #need(key: NodeKey, now: Mono): Peer | Drop {
    const peer = this.#find(key, now)
    if (typeof peer !== 'string') this.#peers.add(peer)
    return peer
  }

  /** What is kept of a peer, made if nothing is. */
  #find(key: NodeKey, now: Mono): Peer | Drop {
    if (key === this.#ownKey || !this.#options.isPeer(key)) return 'unknown-peer'
    const live = this.#peers.get(key)
    if (live !== undefined) return live
    const shared = staticShared(this.#p, this.#own, rawKey(key))
    if (shared === undefined) return 'handshake'
    return new Peer(this.#p, key, shared, this.#options.presharedKey?.(key), now)
  }
}
