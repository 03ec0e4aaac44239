/**
 * By which ways handshake messages go, and where they came from: the path that there is to a peer and, where nothing
 * says that it leads there, all addresses that the peer may be at.
 *
 * An initiation is understood by a peer that does not know our disco key yet, as after a start while server and relay
 * are both away. Packets keep to the path; what a handshake says about paths is path/peer-path.ts.
 */

import type { Bytes } from '../base/bytes.ts'
import type { Mono } from '../base/clock.ts'
import { formatIp } from '../base/ip.ts'
import type { AddressPort } from '../base/ip.ts'
import type { NodeKey } from '../base/keys.ts'
import type { DataPlane } from './data-plane.ts'
import type { EngineOut } from './engine.ts'
import { addressOf, endpointOf } from './path/index.ts'
import type { Endpoint, Paths } from './path/index.ts'
import type { DeviceAction, Source } from './wireguard/actions.ts'

/** Where a handshake message came from. */
export type From = Source & { readonly via: Via }
type Via =
  | { readonly kind: 'direct'; readonly address: AddressPort }
  | { readonly kind: 'relay'; readonly region: number; readonly from: NodeKey }

type Send = Extract<DeviceAction<From>, { readonly kind: 'send' }>

export class HandshakeWays {
  readonly #paths: Pick<Paths, 'route' | 'guesses'>
  readonly #plane: Pick<DataPlane, 'sendTo'>
  readonly #out: Pick<EngineOut, 'sendRelay' | 'reachesByRelay' | 'dropped'>

  constructor(
    paths: Pick<Paths, 'route' | 'guesses'>,
    plane: Pick<DataPlane, 'sendTo'>,
    out: Pick<EngineOut, 'sendRelay' | 'reachesByRelay' | 'dropped'>,
  ) {
    this.#paths = paths
    this.#plane = plane
    this.#out = out
  }

  /**
   * Sends it by the peer's route. An answer goes to where its question came from as well. An initiation goes to all
   * addresses known of the peer as well, while the direct path is not trusted and its relay not connected, or the last
   * one stayed unanswered, as over a connection that is dead without having ended.
   */
  send({ peer, bytes, isRepeated = false, answers }: Send, now: Mono): void {
    const route = this.#paths.route(peer)
    const endpoints = new Set<Endpoint>()
    if ('endpoint' in route) endpoints.add(route.endpoint)
    if (answers === undefined) {
      const isLikely = !isRepeated && 'region' in route && this.#out.reachesByRelay(route.region, peer)
      if (!isLikely) for (const endpoint of this.#paths.guesses(peer, now)) endpoints.add(endpoint)
    } else if (answers.via.kind === 'direct') endpoints.add(endpointOf(answers.via.address))
    for (const endpoint of endpoints) this.sendUdp(endpoint, bytes)
    if ('region' in route) this.#out.sendRelay(route.region, peer, bytes)
    else if (endpoints.size === 0) this.#out.dropped('no path')
  }

  /** Sends it to exactly where a message came from. */
  reply({ via }: From, bytes: Bytes): void {
    if (via.kind === 'direct') this.sendUdp(endpointOf(via.address), bytes)
    else this.#out.sendRelay(via.region, via.from, bytes)
  }

  sendUdp(to: Endpoint, bytes: Bytes): void {
    if (!this.#plane.sendTo(addressOf(to), bytes)) this.#out.dropped('send-failed')
  }
}

export function directSource(address: AddressPort): From {
  const { ip, port } = address
  // Whoever has one IPv6 address has its whole network.
  const host = ip.family === 4 ? formatIp(ip) : String(ip.value >> 64n)
  return { host, port, via: { kind: 'direct', address } }
}

export function relaySource(region: number, from: NodeKey): From {
  return { host: `${region} ${from}`, port: 0, via: { kind: 'relay', region, from } }
}
