/**
 * What makes, renews, uses and ends a peer's sessions (WireGuard paper §6): the rules that timers.ts and keypairs.ts
 * give the times and the places for. Functions add what is to be done to `actions`; whoever calls them refreshes the
 * peer's deadline.
 */

import { EMPTY } from '../../base/bytes.ts'
import type { Bytes } from '../../base/bytes.ts'
import { later } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'
import type { NodeKey } from '../../base/keys.ts'
import type { Primitives } from '../../crypto/primitives.ts'
import { dropped } from './actions.ts'
import type { DeviceAction, Source } from './actions.ts'
import { writeInitiation } from './handshake.ts'
import type { Identity } from './handshake.ts'
import { maySend } from './keypairs.ts'
import type { Keypair } from './keypairs.ts'
import type { Peer } from './peer.ts'
import type { Peers } from './peers.ts'
import type { StampClock } from './tai64n.ts'
import { REKEY_AFTER_TIME_MS, REKEY_ON_RECEIVE_MS } from './timers.ts'
import type { Due } from './timers.ts'
import { REJECT_AFTER_MESSAGES, REKEY_AFTER_MESSAGES } from './transport.ts'

/**
 * What went over a session since the last report, by its owner. Timers are of seconds, so a report a few times a second
 * will do; a message over a session that is not yet `sending` is worth telling at once, for it opens the way back.
 */
export interface Activity<From extends Source> {
  readonly localIndex: number
  /** When the last message was sealed, and the last that had a packet in it. */
  readonly sentAt?: Mono
  readonly sentDataAt?: Mono
  /** When the last message was opened, and the last that had a packet in it. */
  readonly receivedAt?: Mono
  readonly receivedDataAt?: Mono
  /** Messages sealed with this session in all. */
  readonly sent?: number
  /** Where the last message came from, to be said where that is news. */
  readonly from?: From
}

export class Sessions<From extends Source> {
  readonly #p: Primitives
  readonly #own: Identity
  readonly #peers: Peers
  readonly #stamps: StampClock
  readonly #firstPacket: ((peer: NodeKey) => Bytes | undefined) | undefined

  constructor(
    p: Primitives,
    own: Identity,
    peers: Peers,
    stamps: StampClock,
    firstPacket: ((peer: NodeKey) => Bytes | undefined) | undefined,
  ) {
    this.#p = p
    this.#own = own
    this.#peers = peers
    this.#stamps = stamps
    this.#firstPacket = firstPacket
  }

  sent(actions: DeviceAction<From>[], peer: Peer, keypair: Keypair, a: Activity<From>, now: Mono): void {
    if (a.sentAt !== undefined) peer.timers.sent(a.sentAt)
    if (a.sentDataAt !== undefined) peer.timers.sentData(a.sentDataAt)
    if (keypair !== peer.keypairs.current) return
    const sent = a.sent ?? 0
    if (sent >= REJECT_AFTER_MESSAGES) this.changed(actions, peer, peer.keypairs.retire())
    if (sent >= REKEY_AFTER_MESSAGES) this.want(actions, peer, now)
    else if (a.sentAt !== undefined) this.#renewOnSending(actions, peer, keypair, now)
  }

  received(actions: DeviceAction<From>[], peer: Peer, keypair: Keypair, a: Activity<From>, now: Mono): void {
    if (a.from !== undefined) actions.push({ kind: 'authenticated', peer: peer.key, from: a.from })
    peer.timers.received(a.receivedAt ?? now)
    if (a.receivedDataAt !== undefined) peer.timers.receivedData(a.receivedDataAt)
    const ended = peer.keypairs.confirm(keypair)
    if (ended !== undefined) {
      peer.lastHandshakeAt = now
      peer.timers.completed()
      this.dropPending(peer)
      this.changed(actions, peer, ended)
      this.established(actions, peer, keypair, now)
    }
    const isOld = keypair.isInitiator && now >= later(keypair.createdAt, REKEY_ON_RECEIVE_MS)
    if (!isOld || keypair !== peer.keypairs.current || keypair.localIndex === peer.renewedIndex) return
    peer.renewedIndex = keypair.localIndex
    this.want(actions, peer, now)
  }

  do(actions: DeviceAction<From>[], peer: Peer, due: Due, now: Mono): void {
    switch (due) {
      case 'retry':
        return this.#initiate(actions, peer, now)
      case 'silence':
        return this.want(actions, peer, now)
      case 'give-up':
        for (const _ of peer.takeWaiting()) actions.push(dropped('unanswered'))
        this.dropPending(peer)
        peer.used(now)
        actions.push({ kind: 'unanswered', peer: peer.key })
        return
      case 'keepalive':
      case 'persistent-keepalive': {
        const keypair = usable(peer, now)
        if (keypair === undefined) this.want(actions, peer, now)
        else this.seal(actions, peer, keypair, EMPTY, now)
      }
    }
  }

  /** Begins a handshake now, or as soon as one may begin. */
  want(actions: DeviceAction<From>[], peer: Peer, now: Mono): void {
    if (peer.timers.want(now)) this.#initiate(actions, peer, now)
  }

  established(actions: DeviceAction<From>[], peer: Peer, keypair: Keypair, now: Mono): void {
    actions.push({ kind: 'established', peer: peer.key, keypair })
    const first = this.#firstPacket?.(peer.key)
    if (first !== undefined) this.seal(actions, peer, keypair, first, now)
    for (const packet of peer.takeWaiting()) this.seal(actions, peer, keypair, packet, now)
  }

  seal(actions: DeviceAction<From>[], peer: Peer, keypair: Keypair, packet: Bytes, now: Mono): void {
    peer.used(now)
    peer.timers.sent(now)
    if (packet.length > 0) peer.timers.sentData(now)
    actions.push({ kind: 'seal', peer: peer.key, keypair, packet })
    this.#renewOnSending(actions, peer, keypair, now)
  }

  ended(actions: DeviceAction<From>[], peer: Peer, ended: readonly Keypair[]): void {
    if (ended.length > 0) this.changed(actions, peer, ended)
  }

  /** Says what sessions the peer now has; those in `ended` are no more. */
  changed(actions: DeviceAction<From>[], peer: Peer, ended: readonly Keypair[]): void {
    this.#peers.release(ended)
    const { keypairs } = peer
    actions.push({ kind: 'sessions', peer: peer.key, sending: keypairs.current, receiving: keypairs.all() })
  }

  dropPending(peer: Peer): void {
    if (peer.pending === undefined) return
    this.#peers.releaseIndex(peer.pending.localIndex)
    peer.pending = undefined
  }

  #renewOnSending(actions: DeviceAction<From>[], peer: Peer, keypair: Keypair, now: Mono): void {
    if (keypair.isInitiator && now >= later(keypair.createdAt, REKEY_AFTER_TIME_MS)) this.want(actions, peer, now)
  }

  #initiate(actions: DeviceAction<From>[], peer: Peer, now: Mono): void {
    const isRepeated = peer.pending !== undefined
    this.dropPending(peer)
    const localIndex = this.#peers.takeIndex(peer)
    const stamp = this.#stamps.next(now, peer.lastStamp)
    peer.lastStamp = stamp
    const written = writeInitiation(this.#p, this.#own, peer, localIndex, stamp)
    peer.timers.initiated(now)
    if (written === undefined) return this.#peers.releaseIndex(localIndex)
    peer.pending = { ...written, localIndex }
    peer.macs.write(written.message, now)
    actions.push({ kind: 'send', peer: peer.key, bytes: written.message, isRepeated })
  }
}

/** The session to send to this peer with, if there is one. */
export function usable(peer: Peer, now: Mono): Keypair | undefined {
  const { current } = peer.keypairs
  return current !== undefined && maySend(current, now) ? current : undefined
}
