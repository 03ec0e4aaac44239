/**
 * The last map on disk, so that a node that starts while its server is away knows its peers: the frames of the stream
 * as they came, one after another. When they have grown to twice the map it is written anew.
 */

import { concat, utf8 } from '../../base/bytes.ts'
import type { Bytes } from '../../base/bytes.ts'
import { formatTime } from '../../base/clock.ts'
import type { Wall } from '../../base/clock.ts'
import { MeshError } from '../../base/errors.ts'
import type { NodeKey } from '../../base/keys.ts'
import { encodeMapFrame, MapFrameReader } from '../../wire/map-frame.ts'
import type { MapNode } from '../../wire/map-node.ts'
import { MAP_JSON_MAX, readMapResponse } from '../../wire/map-response.ts'
import type { MapResponse } from '../../wire/map-response.ts'
import { MAP_FRAME_MAX } from './map-stream.ts'
import type { Unzstd } from './map-stream.ts'
import { NetworkMap } from './netmap.ts'

export interface CacheWrite {
  readonly how: 'replace' | 'append'
  readonly bytes: Bytes
}

/** Below this nobody minds what has been added. */
const ADDED_MIN = 1 << 20

export class MapCache {
  #whole = 0
  #added = 0

  /** The first frame of a stream, which holds a whole map. */
  begin(frame: Bytes): CacheWrite {
    const bytes = concat(encodeMapFrame([frame]))
    this.#whole = bytes.length
    this.#added = 0
    return { how: 'replace', bytes }
  }

  /** A later frame, whose message has been applied to `map`. */
  add(frame: Bytes, map: NetworkMap, zstd: (bytes: Bytes) => Bytes): CacheWrite {
    const bytes = concat(encodeMapFrame([frame]))
    this.#added += bytes.length
    if (this.#added <= Math.max(ADDED_MIN, this.#whole)) return { how: 'append', bytes }
    return this.begin(zstd(encodeNetmap(map)))
  }
}

/**
 * The map that was kept; `undefined` when it is not of this node, or makes no sense. What follows the last whole
 * frame was torn off by a crash, and is passed over.
 */
export function restoreMap(
  cached: Bytes,
  own: NodeKey,
  unzstd: Unzstd,
  wall: Wall,
  believed: (message: MapResponse) => MapResponse = (message) => message,
): NetworkMap | undefined {
  let map: NetworkMap | undefined
  for (const frame of new MapFrameReader(MAP_FRAME_MAX).push(cached)) {
    const json = unzstd(frame, MAP_JSON_MAX)
    if (json === undefined) break
    try {
      const message = believed(readMapResponse(json))
      if (map !== undefined) map.apply(message, wall)
      else if (message.Node === undefined) return undefined
      else map = new NetworkMap(message as MapResponse & { readonly Node: MapNode }, wall)
    } catch (error) {
      if (error instanceof MeshError) break
      throw error
    }
  }
  return map?.fields.self.Key === own && map.fields.lock === undefined ? map : undefined
}

const TIMES = new Set(['KeyExpiry', 'Created', 'LastSeen', 'ruleExpires'])

/** A map as one message, in the JSON of the wire. */
export function encodeNetmap(map: NetworkMap): Uint8Array<ArrayBuffer> {
  const { self, domain, relays, dns, ssh, profiles, health, messages, collectServices, auditLogId } = map.fields
  const message = {
    Node: self,
    Peers: [...map.peers.values()],
    Domain: domain,
    DNSConfig: dns,
    CollectServices: collectServices,
    ...(relays && { DERPMap: { Regions: relays.regions, HomeParams: { RegionScore: relays.scores } } }),
    // Names that are all gone say nothing; that there is no rule has to be said.
    ...(map.fields.filter && (map.filters.size > 0 ? { PacketFilters: map.filters } : { PacketFilter: [] })),
    ...(ssh && { SSHPolicy: ssh }),
    UserProfiles: [...profiles.values()],
    Health: health,
    DisplayMessages: messages,
    ...(auditLogId === '' ? {} : { DomainDataPlaneAuditLogID: auditLogId }),
  }
  return utf8(JSON.stringify(toWire(message, '')))
}

function toWire(value: unknown, name: string): unknown {
  if (typeof value === 'number' && TIMES.has(name)) return formatTime(value as Wall)
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array) return value.toBase64()
  if (Array.isArray(value)) return value.map((each) => toWire(each, ''))
  const entries = value instanceof Map ? [...value] : Object.entries(value)
  // Capabilities' values are somebody else's JSON: no member of theirs is a time of ours.
  if (name === 'CapMap') return Object.fromEntries(entries)
  return Object.fromEntries(entries.map(([member, each]) => [member, toWire(each, String(member))]))
}
