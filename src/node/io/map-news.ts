/**
 * What a new map, or a change of it, means on this machine beside the tunnel: names and owner of the profile, the
 * server's messages, which relays there are, and what watchers of the bus hear of peers.
 */

import type { Mono } from '../../base/clock.ts'
import type { Primitives } from '../../crypto/primitives.ts'
import { displayMessages, magicDnsSuffix } from '../control/names.ts'
import type { NetmapChanges, NetworkMap } from '../control/netmap.ts'
import type { Bus } from '../local/bus.ts'
import type { Health } from '../local/health.ts'
import type { Profiles } from '../local/profiles.ts'
import type { HealthWatch } from './health-watch.ts'
import type { Login } from './login.ts'
import { RoutedPeers } from './routed-peers.ts'

export interface MapNewsOptions {
  readonly bus: Bus
  readonly health: Health
  readonly healthWatch: HealthWatch
  readonly profiles: Profiles
  readonly primitives: Primitives
  readonly now: () => Mono
}

export class MapNews {
  readonly #options: MapNewsOptions
  readonly #routedPeers = new RoutedPeers()
  #relayMap: NetworkMap['fields']['relays']

  constructor(options: MapNewsOptions) {
    this.#options = options
  }

  /** The last that was known. */
  get relayMap(): NetworkMap['fields']['relays'] {
    return this.#relayMap
  }

  /** Does any peer lead to networks? */
  get hasRoutedPeers(): boolean {
    return this.#routedPeers.any
  }

  /** @param map as it is now; `undefined`: none that counts. To be called for every change, in their order */
  take(map: NetworkMap | undefined, changes: NetmapChanges, login: Login): void {
    this.#routedPeers.take(changes)
    if (map === undefined) return
    const { profiles, health, healthWatch, primitives } = this.#options
    const { self, domain, relays } = map.fields
    if (relays !== undefined) this.#relayMap = relays
    const suffix = magicDnsSuffix(self)
    if (changes.parts.has('self') || changes.parts.has('profiles') || changes.parts.has('domain'))
      login.write(() => profiles.setNetwork(self.StableID, map.fields.profiles.get(self.User), suffix, domain))
    if (changes.parts.has('messages') || changes.parts.has('health')) {
      health.setMessages(displayMessages(map.fields, (bytes) => primitives.sha256(bytes)))
      healthWatch.tell()
    }
    this.#tellPeers(map, changes, suffix)
  }

  #tellPeers({ fields: { self } }: NetworkMap, changes: NetmapChanges, suffix: string): void {
    const { bus, now } = this.#options
    if (bus.isQuiet) return
    const news = changes.peers.flatMap(({ now: peer }) => peer ?? [])
    const gone = changes.peers.flatMap(({ id, now: peer }) => (peer === undefined ? [id] : []))
    bus.publish(
      {
        ...(changes.parts.has('self') ? { self } : {}),
        ...(news.length > 0 ? { peersChanged: news } : {}),
        ...(gone.length > 0 ? { peersRemoved: gone } : {}),
        suffix,
      },
      now(),
    )
  }
}
