/**
 * Pings inside the tunnel, and what else nodes say to each other there: TSMP pings of ours and of peers, echo requests
 * of ours, disco keys, and refusals of our connections (node.md §2.7). Whether a path is direct is no matter here.
 *
 * A machine: packets and time in, actions out. Peers are the data plane's numbers.
 */

import { hex } from '../../base/bytes.ts'
import type { Bytes, Dice } from '../../base/bytes.ts'
import { later, NEVER, SECOND_MS } from '../../base/clock.ts'
import type { Mono } from '../../base/clock.ts'
import { compareIps } from '../../base/ip.ts'
import type { AddressPort, Ip } from '../../base/ip.ts'
import type { DiscoKey } from '../../base/keys.ts'
import { ECHO_TOKEN_BYTES, encodeOwnEcho, ownEchoToken } from '../../wire/icmp-echo.ts'
import { PacketHeader } from '../../wire/ip-packet.ts'
import { addressesOf, decodeTsmp, encodePing, encodePong } from '../../wire/tsmp.ts'
import type { RejectedFlow, RejectReason } from '../../wire/tsmp.ts'

/** How long an answer is waited for. */
export const ANSWER_MS = 10 * SECOND_MS
/** Anybody on this machine may ask for pings; who asks for more at once gets no answer. */
const WAITING_MOST = 256

export type InnerPingAction =
  | { readonly kind: 'send'; readonly peer: number; readonly packet: Uint8Array }
  | {
      readonly kind: 'answered'
      readonly asked: string
      readonly latencyMs: number
      /** Where the peer's PeerAPI listens; absent: nowhere, or it did not say. */
      readonly peerApiPort?: number
    }
  | { readonly kind: 'unanswered'; readonly asked: string }
  /** The peer speaks with this disco key from now on. */
  | { readonly kind: 'disco-key'; readonly peer: number; readonly key: DiscoKey }
  /** A peer has refused a connection of this machine's. */
  | {
      readonly kind: 'rejected'
      readonly peer: number
      readonly flow: RejectedFlow
      readonly reason: RejectReason
    }

export interface AskedPing {
  readonly kind: 'TSMP' | 'ICMP'
  /** The name that the answer comes under. */
  readonly asked: string
  readonly peer: number
  /** An address of ours, and one that leads to the peer, of one family. */
  readonly src: Ip
  readonly dst: Ip
}

interface Waiting {
  readonly ping: AskedPing
  readonly at: Mono
}

export class InnerPings {
  readonly #dice: Dice
  /** By kind and token, in the order in which they were sent. */
  readonly #waiting = new Map<string, Waiting>()
  /** Our own PeerAPI, where it listens. */
  peerApi: readonly AddressPort[] = []

  /** @param dice for tokens: only who has seen a ping can answer it */
  constructor(dice: Dice) {
    this.#dice = dice
  }

  /** Sends one ping. `answered` or `unanswered` follows. */
  ask(ping: AskedPing, now: Mono): InnerPingAction[] {
    const { kind, asked, peer, src, dst } = ping
    if (this.#waiting.size >= WAITING_MOST) return [{ kind: 'unanswered', asked }]
    const token = this.#dice(ECHO_TOKEN_BYTES)
    this.#waiting.set(`${kind} ${hex(token)}`, { ping, at: now })
    return [
      { kind: 'send', peer, packet: kind === 'TSMP' ? encodePing(src, dst, token) : encodeOwnEcho(src, dst, token) },
    ]
  }

  /** A packet that the data plane has set apart for the engine: TSMP, or an answer to an echo request of ours. */
  take(peer: number, packet: Bytes, now: Mono): InnerPingAction[] {
    const h = new PacketHeader()
    h.read(packet)
    const token = ownEchoToken(packet, h)
    if (token !== undefined) return this.#answered('ICMP', peer, token, undefined, now)
    const message = decodeTsmp(packet, h)
    switch (message?.kind) {
      case 'ping': {
        const { src, dst } = addressesOf(packet, h)
        return [{ kind: 'send', peer, packet: encodePong(dst, src, message.data, this.#peerApiPortAt(dst)) }]
      }
      case 'pong':
        return this.#answered('TSMP', peer, message.data, message.peerApiPort, now)
      case 'disco-key':
        return [{ kind: 'disco-key', peer, key: message.key }]
      case 'reject':
        return [{ kind: 'rejected', peer, flow: message.flow, reason: message.reason }]
      case undefined:
        return []
    }
  }

  tick(now: Mono): InnerPingAction[] {
    const lost: InnerPingAction[] = []
    for (const [token, { ping, at }] of this.#waiting) {
      if (now < at + ANSWER_MS) break
      this.#waiting.delete(token)
      lost.push({ kind: 'unanswered', asked: ping.asked })
    }
    return lost
  }

  deadline(): Mono {
    for (const { at } of this.#waiting.values()) return later(at, ANSWER_MS)
    return NEVER
  }

  #answered(
    kind: AskedPing['kind'],
    peer: number,
    token: Bytes,
    port: number | undefined,
    now: Mono,
  ): InnerPingAction[] {
    const key = `${kind} ${hex(token)}`
    const waiting = this.#waiting.get(key)
    if (waiting === undefined || waiting.ping.peer !== peer) return []
    this.#waiting.delete(key)
    const { ping, at } = waiting
    const peerApiPort = port === undefined || port === 0 ? {} : { peerApiPort: port }
    return [{ kind: 'answered', asked: ping.asked, latencyMs: now - at, ...peerApiPort }]
  }

  #peerApiPortAt(own: Ip): number {
    return this.peerApi.find(({ ip }) => compareIps(ip, own) === 0)?.port ?? 0
  }
}
