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
import { exitNodeIn } from './exit-choice.ts'
import type { HostFacts } from './host/facts.ts'
import type { LocalAddress } from './host/local-networks.ts'

const NETFILTER: readonly NetfilterMode[] = ['off', 'nodivert', 'on']

/** All but where PeerAPI listens, which is seen only when it does. */
export function engineSettings(
  prefs: Prefs,
  map: NetworkMap,
  local: readonly LocalAddress[],
): Omit<EngineSettings, 'peerApi'> {
  return {
    isShieldsUp: prefs.ShieldsUp,
    acceptsRoutes: prefs.RouteAll,
    exitNode: exitNodeIn(map, prefs),
    routes: (prefs.AdvertiseRoutes ?? []).flatMap((text) => parsePrefix(text) ?? []),
    interfaces: local.flatMap(({ prefix }) => parsePrefix(prefix) ?? []),
    hostAddresses: local.flatMap(({ address }) => parseIp(address) ?? []),
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
