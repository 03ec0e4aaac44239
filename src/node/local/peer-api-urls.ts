/** Where nodes say that their PeerAPI listens (node.md §8.1). */

import { isTailscaleAddress } from '../../base/address-plan.ts'
import { parseIp } from '../../base/ip.ts'
import type { MapNode } from '../../wire/map-node.ts'
import { addressesOf } from './status.ts'

/**
 * Where to reach a peer's PeerAPI: by a family that we have an address of, IPv4 before IPv6. Only at an address that
 * nodes have: a server that called 127.0.0.1 a peer's could have programs of this machine asked things.
 */
export function peerApiUrlOf(peer: MapNode, self: MapNode): string | undefined {
  for (const [proto, isV6] of [
    ['peerapi4', false],
    ['peerapi6', true],
  ] as const) {
    const port = peer.Hostinfo?.Services?.find(({ Proto }) => Proto === proto)?.Port
    const isOf = (text: string): boolean => {
      const ip = parseIp(text)
      return ip !== undefined && (ip.family === 6) === isV6 && isTailscaleAddress(ip)
    }
    const address = addressesOf(peer).find(isOf)
    if (!port || address === undefined || !addressesOf(self).some(isOf)) continue
    return isV6 ? `http://[${address}]:${port}` : `http://${address}:${port}`
  }
  return undefined
}
