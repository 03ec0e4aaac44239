/** Keeps the data plane's filter as settings and map ask for it, and knows what of the map's rules could not be taken. */

import { parsePrefix } from '../base/ip.ts'
import type { Ip } from '../base/ip.ts'
import type { MapNode } from '../wire/map-node.ts'
import type { NetmapFields } from './control/netmap.ts'
import type { DataPlane } from './data-plane.ts'
import type { EngineSettings } from './engine.ts'
import { localNets } from './filter/local-nets.ts'
import { filterSet, forgetsFlows } from './filter/settings.ts'
import type { FilterInputs, FilterSet } from './filter/settings.ts'
import type { Known } from './known-peers.ts'

export class FilterKeeper {
  readonly #plane: DataPlane
  #inputs: FilterInputs | undefined
  #problem: FilterSet['problem']

  constructor(plane: DataPlane) {
    this.#plane = plane
  }

  /** Why the server's rules are not in force as it sent them. */
  get problem(): FilterSet['problem'] {
    return this.#problem
  }

  /** Compiles all anew, which takes time in proportion to rules and peers. */
  set(settings: EngineSettings, fields: NetmapFields | undefined, peers: readonly Known[]): void {
    const { isShieldsUp, routes, interfaces, hostAddresses, peerApi } = settings
    const inputs: FilterInputs = {
      rules: fields?.filter,
      localNets: localNets({
        addresses: addressesOf(fields?.self),
        services: [],
        routes,
        interfaces,
        hostAddresses,
        isAppConnector: false,
      }),
      peers: peers.map(({ node }) => ({ addresses: addressesOf(node), capabilities: node.CapMap?.keys() ?? [] })),
      limitedPeers: [],
      isShieldsUp,
      peerApi,
    }
    const { program, jailed, problem } = filterSet(inputs)
    const jailedPeers = new Set(peers.filter(({ node }) => node.IsJailed === true).map(({ number }) => number))
    this.#plane.setFilter({ program, jailed, jailedPeers })
    if (forgetsFlows(this.#inputs, inputs)) this.#plane.forgetFlows()
    this.#inputs = inputs
    this.#problem = problem
  }
}

export function addressesOf(node: MapNode | undefined): Ip[] {
  return (node?.Addresses ?? []).flatMap((text) => parsePrefix(text)?.ip ?? [])
}
