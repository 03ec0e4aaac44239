/** Reads the DERP map in a map (control.md §9), with what tells "unchanged" from "empty". Merging is the reader's. */

import { listOf, mapOf, orNull, readFields, readText } from '../base/go-json.ts'
import type { JsonReader } from '../base/go-json.ts'
import type { DerpNode, DerpRegion } from './derp-map.ts'
import { readFloat } from './map-node.ts'

export interface RelayNode extends DerpNode {
  /** Plain HTTP, or a certificate that nobody checks. */
  readonly InsecureForTests?: boolean
  readonly STUNTestIP?: string
}

export interface RelayRegion extends DerpRegion {
  readonly Nodes: readonly RelayNode[]
  readonly Latitude?: number
  readonly Longitude?: number
  /** Never a home. */
  readonly Avoid?: boolean
  /** Not probed, and never a home. */
  readonly NoMeasureNoHome?: boolean
}

export interface DerpMapUpdate {
  /** By number; absent: as they were. */
  readonly Regions?: ReadonlyMap<number, RelayRegion>
  /** Latency factors by region; absent: as they were. */
  readonly RegionScore?: ReadonlyMap<number, number>
}

const readNode: JsonReader<RelayNode> = (value, path) => {
  const fields = readFields(value ?? {}, path)
  const node: Record<string, unknown> = {
    Name: fields.text('Name'),
    RegionID: fields.int('RegionID'),
    HostName: fields.text('HostName'),
  }
  for (const name of ['CertName', 'IPv4', 'IPv6', 'STUNTestIP']) say(node, name, fields.text(name))
  for (const name of ['STUNPort', 'DERPPort']) say(node, name, fields.int(name))
  for (const name of ['STUNOnly', 'CanPort80', 'InsecureForTests']) say(node, name, fields.bool(name))
  return node as unknown as RelayNode
}

const readRegion: JsonReader<RelayRegion> = (value, path) => {
  const fields = readFields(value, path)
  const region: Record<string, unknown> = {
    RegionID: fields.int('RegionID'),
    RegionCode: fields.optional('RegionCode', readText) ?? '',
    RegionName: fields.optional('RegionName', readText) ?? '',
    Nodes: fields.optional('Nodes', listOf(readNode)) ?? [],
  }
  for (const name of ['Latitude', 'Longitude']) say(region, name, fields.optional(name, readFloat))
  for (const name of ['Avoid', 'NoMeasureNoHome']) say(region, name, fields.bool(name))
  return region as unknown as RelayRegion
}

/** Throws `json/malformed`. */
export const readDerpMap: JsonReader<DerpMapUpdate> = (value, path) => {
  const fields = readFields(value, path)
  const regions = fields.optional('Regions', mapOf(orNull<RelayRegion | null>(readRegion, null)))
  const scores = fields.object('HomeParams')?.optional('RegionScore', mapOf(readFloat))
  return {
    ...(regions === undefined ? {} : { Regions: byNumber(regions) }),
    ...(scores === undefined ? {} : { RegionScore: byNumber(scores) }),
  }
}

/** Without regions that are `null`: a relay that is not there. */
function byNumber<T>(members: ReadonlyMap<string, T | null>): Map<number, T> {
  const numbered = new Map<number, T>()
  for (const [name, member] of members)
    if (member !== null && /^\d{1,9}$/.test(name)) numbered.set(Number(name), member)
  return numbered
}

function say(object: Record<string, unknown>, name: string, value: unknown): void {
  if (value !== undefined && value !== '' && value !== 0 && value !== false) object[name] = value
}
