/**
 * WireGuard whole, in one thread: the handshake machine and a plain way for packets. Datagrams, packets and time come
 * in, actions go out. Where packets go by other ways, device.ts is used without this.
 *
 *   packet   -> seal    -> send       to the path
 *   datagram -> receive -> packet     to the filter and the tun
 */

import type { Bytes } from '../../base/bytes.ts'
import type { Mono, Wall } from '../../base/clock.ts'
import type { NodeKey } from '../../base/keys.ts'
import type { Primitives } from '../../crypto/primitives.ts'
import { dropped } from './actions.ts'
import type { Action, DeviceAction, Source } from './actions.ts'
import { Device } from './device.ts'
import type { DeviceOptions } from './device.ts'
import { maySend } from './keypairs.ts'
import type { Keypair } from './keypairs.ts'
import { kindOf, receiverOf } from './messages.ts'
import { Opener, Sealer, unpad } from './transport.ts'

export interface WireGuardOptions extends DeviceOptions {
  /** What the tunnel carries, in bytes: packets are not padded beyond it. */
  readonly mtu: number
  /**
   * Is the packet's source one of this peer's addresses (its AllowedIPs)? Asked for every packet that came in; a peer
   * can lie about nothing else, for the session says who it is.
   */
  isSourceOf(peer: NodeKey, packet: Bytes): boolean
  /** Counter of a session's first message, for tests. */
  readonly firstCounter?: number
}

/** What seals for one session, from its first packet on. */
interface Sending {
  readonly keypair: Keypair
  readonly sealer: Sealer
}

/** What opens for one session, and where its last message came from. */
interface Receiving<From extends Source> {
  readonly opener: Opener
  from: From | undefined
}

export class WireGuard<From extends Source> {
  readonly #p: Primitives
  readonly #options: WireGuardOptions
  readonly #device: Device<From>
  readonly #sending = new Map<NodeKey, Sending>()
  readonly #receiving = new Map<number, Receiving<From>>()
  readonly #indices = new Map<NodeKey, readonly number[]>()

  constructor(options: WireGuardOptions) {
    this.#p = options.primitives
    this.#options = options
    this.#device = new Device(options)
  }

  get livePeers(): number {
    return this.#device.livePeers
  }

  lastHandshakeAt(peer: NodeKey): Mono | undefined {
    return this.#device.lastHandshakeAt(peer)
  }

  /** A packet for a peer. It goes at once, or waits for a session. */
  seal(peer: NodeKey, packet: Bytes, now: Mono): Action<From>[] {
    const sending = this.#sending.get(peer)
    if (sending === undefined || !maySend(sending.keypair, now))
      return this.#done(this.#device.stage(peer, packet, now))
    const actions: Action<From>[] = []
    const { keypair, sealer } = sending
    const bytes = sealer.seal(packet, this.#options.mtu)
    if (bytes !== undefined) actions.push({ kind: 'send', peer, bytes })
    const at = packet.length > 0 ? { sentAt: now, sentDataAt: now } : { sentAt: now }
    const { localIndex } = keypair
    actions.push(...this.#done(this.#device.report({ localIndex, ...at, sent: sealer.sent }, now)))
    // The session has sent all that it may, which the report has just ended.
    if (bytes === undefined) actions.push(...this.#done(this.#device.stage(peer, packet, now)))
    return actions
  }

  /** A datagram that is WireGuard's, of any kind. */
  receive(message: Bytes, from: From, now: Mono): Action<From>[] {
    if (kindOf(message) !== 'transport') return this.#done(this.#device.receive(message, from, now))
    const receiving = this.#receiving.get(receiverOf(message) as number)
    if (receiving === undefined) return [dropped('unknown-index')]
    const clear = receiving.opener.open(message, now)
    if (typeof clear === 'string') return [dropped(clear)]

    const { peer, localIndex } = receiving.opener.keypair
    const isNews = receiving.from?.host !== from.host || receiving.from.port !== from.port
    receiving.from = from
    const place = isNews ? { from } : {}
    const isData = clear.length > 0
    const at = isData ? { receivedAt: now, receivedDataAt: now } : { receivedAt: now }
    const actions = this.#done(this.#device.report({ localIndex, ...at, ...place }, now))
    if (!isData) return actions
    const packet = unpad(clear)
    if (packet === undefined) actions.push(dropped('not-ip'))
    else if (!this.#options.isSourceOf(peer, packet)) actions.push(dropped('source'))
    else actions.push({ kind: 'packet', peer, packet })
    return actions
  }

  reset(peer: NodeKey, now: Mono): Action<From>[] {
    return this.#done(this.#device.reset(peer, now))
  }

  remove(peer: NodeKey): Action<From>[] {
    return this.#done(this.#device.remove(peer))
  }

  setPersistentKeepalive(peer: NodeKey, ms: number, now: Mono): void {
    this.#device.setPersistentKeepalive(peer, ms, now)
  }

  setWall(wall: Wall, now: Mono): void {
    this.#device.setWall(wall, now)
  }

  tick(now: Mono): Action<From>[] {
    return now < this.#device.deadline() ? [] : this.#done(this.#device.tick(now))
  }

  deadline(): Mono {
    return this.#device.deadline()
  }

  /** Does what concerns sessions and passes the rest on. */
  #done(asked: readonly DeviceAction<From>[]): Action<From>[] {
    const actions: Action<From>[] = []
    for (const action of asked) {
      if (action.kind === 'sessions') this.#keep(action.peer, action.sending, action.receiving)
      else if (action.kind === 'seal') this.#sealNow(actions, action.keypair, action.packet)
      else actions.push(action)
    }
    return actions
  }

  #sealNow(actions: Action<From>[], keypair: Keypair, packet: Bytes): void {
    const sending = this.#sending.get(keypair.peer)
    if (sending?.keypair !== keypair) return
    const bytes = sending.sealer.seal(packet, this.#options.mtu)
    if (bytes === undefined) return
    actions.push({ kind: 'send', peer: keypair.peer, bytes })
  }

  #keep(peer: NodeKey, sending: Keypair | undefined, receiving: readonly Keypair[]): void {
    if (sending === undefined) this.#sending.delete(peer)
    else if (this.#sending.get(peer)?.keypair !== sending)
      this.#sending.set(peer, { keypair: sending, sealer: new Sealer(this.#p, sending, this.#options.firstCounter) })

    const indices = receiving.map((k) => k.localIndex)
    for (const old of this.#indices.get(peer) ?? []) if (!indices.includes(old)) this.#receiving.delete(old)
    for (const k of receiving)
      if (!this.#receiving.has(k.localIndex))
        this.#receiving.set(k.localIndex, { opener: new Opener(this.#p, k), from: undefined })
    if (indices.length === 0) this.#indices.delete(peer)
    else this.#indices.set(peer, indices)
  }
}
