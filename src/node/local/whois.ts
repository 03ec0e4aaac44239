/** Whose an address is: the node, its user, and what the policy lets it do here (node.md §9). */

import { canonicalIp, formatIp, parseAddressPort, parseIp, unmapIp } from '../../base/ip.ts'
import { readNodeKey } from '../../base/keys.ts'
import type { MapNode } from '../../wire/map-node.ts'
import { capMapJson, nodeJson, suffixOf } from './node-json.ts'
import type { NodeView } from './node-view.ts'
import { addressesOf } from './status.ts'

/** `undefined`: not an address, with or without port, and no node key. */
export function readWhoisAddress(text: string): { readonly ip: string } | { readonly key: string } | undefined {
  const key = readNodeKey(text)
  if (key !== undefined) return { key }
  const ip = parseIp(text) ?? parseAddressPort(text)?.ip
  return ip === undefined ? undefined : { ip: formatIp(unmapIp(ip)) }
}

/** The node of this address or key, this one included. */
export function findNode(
  view: Pick<NodeView, 'netmap'>,
  who: { readonly ip: string } | { readonly key: string },
): MapNode | undefined {
  const fits = (node: MapNode) => ('key' in who ? node.Key === who.key : addressesOf(node).includes(who.ip))
  const { netmap } = view
  if (netmap === undefined) return undefined
  if (fits(netmap.fields.self)) return netmap.fields.self
  for (const peer of netmap.peers.values()) if (fits(peer)) return peer
  return undefined
}

export function whoisJson(view: NodeView, node: MapNode, ip: string | undefined): object {
  const { fields } = view.netmap as NonNullable<NodeView['netmap']>
  const address = ip ?? addressesOf(node)[0]
  const capabilities = address === undefined ? undefined : view.capabilitiesOf(canonicalIp(address) ?? address)
  return {
    Node: nodeJson(node, suffixOf(fields.self.Name)),
    UserProfile: fields.profiles.get(node.Sharer ?? node.User) ?? { ID: node.User, LoginName: '', DisplayName: '' },
    CapMap: capabilities === undefined || capabilities.size === 0 ? null : capMapJson(capabilities),
  }
}
