/** Which peer is the exit node: as preferences name it, by its address, or the best there is (node.md §3.4). */

import type { Dice } from '../../base/bytes.ts'
import type { MapNode } from '../../wire/map-node.ts'
import { displayName, magicDnsSuffix } from '../control/names.ts'
import type { NetworkMap } from '../control/netmap.ts'
import { withExitNodeId } from '../local/prefs-edit.ts'
import { leadsEverywhere, usesExitNode } from '../local/prefs.ts'
import type { Prefs } from '../local/prefs.ts'
import { suggestExitNode } from '../routes/exit-suggestion.ts'

/** What is known of the relays around. */
export interface RelaysSeen {
  /** Region of our home; 0: none. */
  readonly home: number
  /** In ms, by region. */
  readonly latencies: ReadonlyMap<number, number>
}

const RECOMMENDED = 'suggest-exit-node'
const STEERED = 'traffic-steering'

/** ID of the peer that is the chosen exit node, if it is in the map. */
export function exitNodeIn(map: Pick<NetworkMap, 'peers'> | undefined, prefs: Prefs): number | undefined {
  const { ExitNodeID: id, ExitNodeIP: ip } = prefs
  if (map === undefined || (id === '' && ip === '')) return undefined
  for (const peer of map.peers.values()) if (id === '' ? hasAddress(peer, ip) : peer.StableID === id) return peer.ID
  return undefined
}

/** Why the chosen exit node takes nothing, as the beginning of a sentence; `undefined`: none is chosen, or it does. */
export function whyNoExit(map: NetworkMap | undefined, prefs: Prefs): string | undefined {
  if (map === undefined || !usesExitNode(prefs)) return undefined
  const { ExitNodeID: id, ExitNodeIP: ip, AutoExitNode: auto } = prefs
  if (auto !== '' && id === '') return 'No exit node is recommended and online'
  const peer = map.peers.get(exitNodeIn(map, prefs) ?? NaN)
  if (peer === undefined) return `The exit node ${id === '' ? ip : id} is not in the network, or not for this machine`
  const name = displayName(peer, magicDnsSuffix(map.fields.self))
  if (peer.Expired === true) return `The key of the exit node ${name} has expired`
  return leadsEverywhere(peer.AllowedIPs) ? undefined : `${name} is not offered, or not approved, as an exit node now`
}

/** The peer to suggest now; `undefined`: none is recommended and online. */
export function suggestion(
  map: NetworkMap,
  { home, latencies }: RelaysSeen,
  previous: string,
  dice: Dice,
): MapNode | undefined {
  const { self, relays } = map.fields
  const candidates = [...map.peers.values()].filter(isCandidate)
  const region = relays?.regions.get(home)
  const id = suggestExitNode({
    candidates: candidates.map((peer) => ({
      id: peer.StableID,
      home: peer.HomeDERP ?? 0,
      ...(peer.Hostinfo?.Location === undefined ? {} : { location: peer.Hostinfo.Location }),
    })),
    isSteered: self.CapMap?.has(STEERED) === true,
    self: self.StableID,
    ...(region === undefined ? {} : { home: region }),
    latencies,
    previous,
    chance: () => (dice(1)[0] as number) / 256,
  })
  return candidates.find(({ StableID }) => StableID === id)
}

/** Preferences with the exit node in them by its ID, wherever it can be told which it is. */
export function withExitNodeNamed(prefs: Prefs, map: NetworkMap | undefined, relays: RelaysSeen, dice: Dice): Prefs {
  if (map === undefined) return prefs
  if (prefs.AutoExitNode !== '') {
    const id = suggestion(map, relays, prefs.ExitNodeID, dice)?.StableID ?? ''
    return id === prefs.ExitNodeID ? prefs : { ...prefs, ExitNodeID: id, ExitNodeIP: '' }
  }
  return withExitNodeId(prefs, (ip) => [...map.peers.values()].find((peer) => hasAddress(peer, ip))?.StableID)
}

/** What the local API says of a suggestion. */
export function suggestionJson(map: NetworkMap, peer: MapNode | undefined): Record<string, unknown> {
  if (peer === undefined) return { ID: '', Name: '' }
  const { Location } = peer.Hostinfo ?? {}
  const Name = displayName(peer, magicDnsSuffix(map.fields.self))
  return { ID: peer.StableID, Name, ...(Location === undefined ? {} : { Location }) }
}

function isCandidate({ Online, CapMap, AllowedIPs }: MapNode): boolean {
  return Online === true && CapMap?.has(RECOMMENDED) === true && leadsEverywhere(AllowedIPs)
}

function hasAddress({ Addresses }: MapNode, ip: string): boolean {
  return Addresses.some((text) => text.split('/', 1)[0] === ip)
}
