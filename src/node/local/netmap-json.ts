/** The whole network map, as the notification bus gives it to a watcher once (node.md §9.2). */

import type { RelayRegion } from '../../wire/derp-map-reader.ts'
import type { NetmapView } from './node-view.ts'
import { nodeJson, suffixOf } from './node-json.ts'

export function netmapJson(
  { fields, peers }: NetmapView,
  relays: ReadonlyMap<number, RelayRegion> | undefined,
  scores?: ReadonlyMap<number, number>,
): object {
  const { self } = fields
  const suffix = suffixOf(self.Name)
  return {
    Cached: false,
    SelfNode: nodeJson(self, suffix),
    AllCaps: [...(self.CapMap?.keys() ?? [])].sort(),
    NodeKey: self.Key,
    MachineKey: self.Machine,
    Peers: [...peers.values()].sort((a, b) => a.ID - b.ID).map((peer) => nodeJson(peer, suffix)),
    DNS: dnsJson(fields.dns),
    PacketFilter: null,
    PacketFilterRules: null,
    SSHPolicy: null,
    CollectServices: fields.collectServices,
    DERPMap: derpMapJson(relays, scores),
    DisplayMessages: null,
    TKAEnabled: false,
    TKAHead: 'A'.repeat(52),
    Domain: fields.domain,
    DomainAuditLogID: '',
    UserProfiles: Object.fromEntries(fields.profiles),
  }
}

/** Relays by number, `{}` when none are known; and how near the server says they are, where it says so. */
export function derpMapJson(
  relays: ReadonlyMap<number, RelayRegion> | undefined,
  scores: ReadonlyMap<number, number> = new Map(),
): object {
  const home = scores.size === 0 ? {} : { HomeParams: { RegionScore: Object.fromEntries(scores) } }
  return { ...home, Regions: Object.fromEntries(relays ?? []) }
}

/** The DNS configuration with its maps as objects. */
export function dnsJson(dns: NetmapView['fields']['dns']): object {
  return dns.Routes === undefined ? dns : { ...dns, Routes: Object.fromEntries(dns.Routes) }
}
