/** What preferences and the map ask of packets and of the machine: the engine's settings, and the host's plan. */

import { parseIp, parsePrefix } from '../../base/ip.ts'
import type { NetworkMap } from '../control/netmap.ts'
import type { EngineSettings } from '../engine.ts'
import { usesExitNode } from '../local/prefs.ts'
import type { Prefs } from '../local/prefs.ts'
import type { AllowedPrefix } from '../routes/allowed.ts'
import type { NetfilterMode } from '../routes/firewall.ts'
import { hostPlan } from '../routes/host-plan.ts'
import type { HostPlan } from '../routes/host-plan.ts'
import { osRoutes } from '../routes/os-routes.ts'
import type { HostFacts } from './host/facts.ts'
import type { LocalAddress } from './host/local-networks.ts'

const NETFILTER: readonly NetfilterMode[] = ['off', 'nodivert', 'on']

/** ID of the peer that is the chosen exit node, if it is in the map. */
export function exitNodeIn(map: Pick<NetworkMap, 'peers'> | undefined, prefs: Prefs): number | undefined {
  const { ExitNodeID: id, ExitNodeIP: ip } = prefs
  if (map === undefined || (id === '' && ip === '')) return undefined
  for (const peer of map.peers.values())
    if (id === '' ? peer.Addresses.some((text) => text.split('/', 1)[0] === ip) : peer.StableID === id) return peer.ID
  return undefined
}

export function engineSettings(prefs: Prefs, map: NetworkMap, local: readonly LocalAddress[]): EngineSettings {
  return {
    isShieldsUp: prefs.ShieldsUp,
    acceptsRoutes: prefs.RouteAll,
    exitNode: exitNodeIn(map, prefs),
    routes: (prefs.AdvertiseRoutes ?? []).flatMap((text) => parsePrefix(text) ?? []),
    interfaces: local.flatMap(({ prefix }) => parsePrefix(prefix) ?? []),
    hostAddresses: local.flatMap(({ address }) => parseIp(address) ?? []),
    peerApi: [],
  }
}

export interface PlanWishes {
  readonly device: string
  readonly prefs: Prefs
  readonly map: NetworkMap
  /** What of the peers' prefixes leads into the tunnel. */
  readonly installed: readonly AllowedPrefix[]
  readonly local: readonly LocalAddress[]
  readonly facts: HostFacts
  readonly udpPort: number
}

export function planFor({ device, prefs, map, installed, local, facts, udpPort }: PlanWishes): HostPlan {
  const addresses = map.fields.self.Addresses
  const routes = osRoutes({
    peers: installed,
    addresses,
    usesExitNode: usesExitNode(prefs),
    allowsLan: prefs.ExitNodeAllowLANAccess,
    local,
  })
  return hostPlan({
    device,
    addresses,
    routes: routes.tunnel,
    localRoutes: routes.local,
    netfilter: NETFILTER[prefs.NetfilterMode] as NetfilterMode,
    masquerade: !prefs.NoSNAT,
    stateful: prefs.NoStatefulFiltering === false,
    ipv6: facts.ipv6,
    priorityBase: facts.priorityBase,
    udpPort,
  })
}
