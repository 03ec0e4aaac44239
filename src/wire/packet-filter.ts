/**
 * The packet filter as control sends it: rules in JSON, in named sets of which a message says only what is new.
 * (control.md §5.5, §7.1, §7.2)
 *
 * What a rule's texts mean is packet-filter-address.ts; what the rules together admit is the node's filter.
 */

import { listOf, mapOf, readFields, readInt, readText, textAs } from '../base/go-json.ts'
import type { Fields, JsonReader } from '../base/go-json.ts'
import { MeshError } from '../base/errors.ts'
import { parsePrefix } from '../base/ip.ts'
import type { Prefix } from '../base/ip.ts'

/** Who may send what to where. Rules only ever admit, so their order does not matter. */
export interface FilterRule {
  /** Each an address, a prefix, `first-last`, `*`, or `cap:` and a node capability. */
  readonly SrcIPs: readonly string[]
  /** Obsolete: a rule that says it makes the whole filter unusable. */
  readonly SrcBits?: readonly number[]
  readonly DstPorts?: readonly FilterPorts[]
  /** IP protocols; none: TCP, UDP and both ICMPs. Numbers that are none are left out, which may leave nothing. */
  readonly IPProto?: readonly number[]
  /** What sources may do in applications; admits no packets. */
  readonly CapGrant?: readonly CapGrant[]
}

export interface FilterPorts {
  /** As in `SrcIPs`, capabilities excepted. */
  readonly IP: string
  /** Obsolete, as `SrcBits`. */
  readonly Bits?: number
  /** From the first to the last, both of them too. */
  readonly Ports: { readonly First: number; readonly Last: number }
}

export interface CapGrant {
  readonly Dsts: readonly Prefix[]
  /** Capabilities without values, from before there were any. */
  readonly Caps: readonly string[]
  readonly CapMap: ReadonlyMap<string, readonly unknown[] | null>
}

/** Rules by the name of their set. `base` is what a message's older field `PacketFilter` says. */
export type NamedFilters = ReadonlyMap<string, readonly FilterRule[]>

/** What one message says of the filter. */
export interface FilterChange {
  /** Replaces the set `base`. */
  readonly packetFilter?: readonly FilterRule[]
  /** Replaces the named sets; `null` takes one away, and for the name `*` all that was there before. */
  readonly packetFilters?: ReadonlyMap<string, readonly FilterRule[] | null>
}

const BASE = 'base'
const ALL = '*'

/** @throws MeshError `json/malformed` */
export const readFilterRules: JsonReader<readonly FilterRule[]> = listOf((value, path) =>
  ruleOf(value === null ? readFields({}, path) : readFields(value, path)),
)

/** The value of `PacketFilters`. @throws MeshError `json/malformed` */
export const readNamedFilters: JsonReader<ReadonlyMap<string, readonly FilterRule[] | null>> = mapOf((value, path) =>
  value === null ? null : readFilterRules(value, path),
)

/** The named sets after a message; the same object where it says nothing of them. */
export function changeFilters(before: NamedFilters, change: FilterChange): NamedFilters {
  const { packetFilter, packetFilters } = change
  if (packetFilter === undefined && packetFilters === undefined) return before
  const after = new Map(before)
  if (packetFilter !== undefined) after.set(BASE, packetFilter)
  if (packetFilters?.get(ALL) === null) after.clear()
  for (const [name, rules] of packetFilters ?? []) {
    if (name === ALL) continue
    if (rules === null) after.delete(name)
    else after.set(name, rules)
  }
  return after
}

/** All rules, set after set in the order of their names. */
export function rulesOf(filters: NamedFilters): readonly FilterRule[] {
  return [...filters].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, rules]) => rules)
}

function ruleOf(fields: Fields): FilterRule {
  const sourceBits = fields.list('SrcBits', readInt)
  const ports = fields.list('DstPorts', readPorts)
  const protocols = fields.list('IPProto', readInt)
  const grants = fields.list('CapGrant', readGrant)
  return {
    SrcIPs: fields.list('SrcIPs', readText),
    ...(sourceBits.length > 0 && { SrcBits: sourceBits }),
    ...(ports.length > 0 && { DstPorts: ports }),
    ...(protocols.length > 0 && { IPProto: protocols }),
    ...(grants.length > 0 && { CapGrant: grants }),
  }
}

const readPorts: JsonReader<FilterPorts> = (value, path) => {
  const fields = readFields(value, path)
  const bits = fields.optional('Bits', readInt)
  const ports = fields.object('Ports')
  return {
    IP: fields.text('IP'),
    ...(bits !== undefined && { Bits: bits }),
    Ports: { First: portOf(ports, 'First'), Last: portOf(ports, 'Last') },
  }
}

function portOf(ports: Fields | undefined, name: string): number {
  const port = ports?.int(name) ?? 0
  if (port >= 0 && port <= 0xffff) return port
  throw new MeshError('json/malformed', `Cannot read JSON: ${ports?.path}.${name}: want a port`)
}

const readGrant: JsonReader<CapGrant> = (value, path) => {
  const fields = readFields(value, path)
  return {
    Dsts: fields.list('Dsts', textAs(parsePrefix, 'a prefix')),
    Caps: fields.list('Caps', readText),
    CapMap: fields.members('CapMap', (values, at) => (values === null ? null : listOf((v) => v)(values, at))),
  }
}
