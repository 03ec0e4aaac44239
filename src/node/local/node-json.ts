/** A node of the map as the local API writes it: tailcfg's Node, in its order and with its zero values left out. */

import { base64 } from '../../base/bytes.ts'
import { formatTime } from '../../base/clock.ts'
import { ZERO_MACHINE_KEY } from '../../base/keys.ts'
import type { CapMap, MapNode } from '../../wire/map-node.ts'

/** @param suffix of the tailnet's names, without dots around it: names are shown without it */
export function nodeJson(node: MapNode, suffix: string): object {
  const host = node.Hostinfo?.Hostname ?? ''
  const name = shownName(node.Name, suffix)
  return {
    ID: node.ID,
    StableID: node.StableID,
    Name: node.Name,
    User: node.User,
    Sharer: node.Sharer,
    Key: node.Key,
    KeyExpiry: node.KeyExpiry === undefined ? undefined : formatTime(node.KeyExpiry),
    KeySignature: node.KeySignature === undefined ? undefined : base64(node.KeySignature),
    Machine: node.Machine ?? ZERO_MACHINE_KEY,
    DiscoKey: node.DiscoKey,
    Addresses: node.Addresses,
    AllowedIPs: node.AllowedIPs,
    Endpoints: node.Endpoints,
    HomeDERP: node.HomeDERP,
    Hostinfo: node.Hostinfo ?? {},
    Created: node.Created === undefined ? undefined : formatTime(node.Created),
    Cap: node.Cap,
    Tags: node.Tags,
    PrimaryRoutes: node.PrimaryRoutes,
    LastSeen: node.LastSeen === undefined ? undefined : formatTime(node.LastSeen),
    Online: node.Online,
    MachineAuthorized: node.MachineAuthorized,
    Capabilities: node.CapMap === undefined ? undefined : [...node.CapMap.keys()],
    CapMap: node.CapMap === undefined ? undefined : capMapJson(node.CapMap),
    UnsignedPeerAPIOnly: node.UnsignedPeerAPIOnly,
    ComputedName: name,
    ComputedNameWithHost: host === '' || host === name ? name : `${name} (${host})`,
    DataPlaneAuditLogID: node.DataPlaneAuditLogID,
    Expired: node.Expired,
    SelfNodeV4MasqAddrForThisPeer: node.SelfNodeV4MasqAddrForThisPeer,
    SelfNodeV6MasqAddrForThisPeer: node.SelfNodeV6MasqAddrForThisPeer,
    IsWireGuardOnly: node.IsWireGuardOnly,
    IsJailed: node.IsJailed,
    ExitNodeDNSResolvers: node.ExitNodeDNSResolvers,
  }
}

/** In the order of their names; `null` where only the presence counts. */
export function capMapJson(capabilities: CapMap): { [capability: string]: readonly unknown[] | null } {
  const json: { [capability: string]: readonly unknown[] | null } = {}
  for (const name of [...capabilities.keys()].sort()) {
    const values = capabilities.get(name) ?? []
    // Defined, not assigned: the server chooses the names, and one of them might be `__proto__`.
    Object.defineProperty(json, name, { value: values.length === 0 ? null : values, enumerable: true })
  }
  return json
}

/** What the tailnet's names end with, without dots around it; empty when the node has no full name. */
export function suffixOf(selfName: string): string {
  const name = withoutDot(selfName)
  const dot = name.indexOf('.')
  return dot < 0 ? '' : name.slice(dot + 1)
}

/** A node's name as people see it: bare within one's own tailnet, else whole. */
export function shownName(nodeName: string, suffix: string): string {
  const name = withoutDot(nodeName)
  return suffix !== '' && name.endsWith(`.${suffix}`) ? name.slice(0, -suffix.length - 1) : name
}

function withoutDot(name: string): string {
  return name.endsWith('.') ? name.slice(0, -1) : name
}
