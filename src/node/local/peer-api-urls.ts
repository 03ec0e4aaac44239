/** Where nodes say that their PeerAPI listens (node.md §8.1). */

import type { MapNode } from '../../wire/map-node.ts'
import { addressesOf } from './status.ts'

/** Where to reach a peer's PeerAPI: by a family that we have an address of, IPv4 before IPv6. */
export function peerApiUrlOf(peer: MapNode, self: MapNode): string | undefined {
  for (const [proto, isV6] of [
    ['peerapi4', false],
    ['peerapi6', true],
  ] as const) {
    const port = peer.Hostinfo?.Services?.find(({ Proto }) => Proto === proto)?.Port
    const isOf = (ip: string): boolean => ip.includes(':') === isV6
    const address = addressesOf(peer).find(isOf)
    if (!port || address === undefined || !addressesOf(self).some(isOf)) continue
    return isV6 ? `http://[${address}]:${port}` : `http://${address}:${port}`
  }
  return undefined
}
