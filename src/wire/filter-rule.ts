/**
 * Packet filter rules in a map (control.md §7.1, §7.2), read as Go reads them. Addresses stay text: one that makes no
 * sense costs its rule, not the message, and that is for the stage to say that compiles them.
 */

import { MeshError } from '../base/errors.ts'
import { listOf, mapOf, orNull, readFields, readInt, readText } from '../base/go-json.ts'
import type { JsonReader } from '../base/go-json.ts'
import { readPrefixText } from './map-node.ts'

export interface PortRange {
  readonly First: number
  readonly Last: number
}

export interface FilterDestination {
  readonly IP: string
  /** A member that was removed: its presence spoils the whole filter. */
  readonly Bits?: number
  readonly Ports: PortRange
}

export interface CapGrant {
  readonly Dsts: readonly string[]
  /** The old form: capabilities without values. */
  readonly Caps: readonly string[]
  /** `null` where it says so: whois passes it on. */
  readonly CapMap: ReadonlyMap<string, readonly unknown[] | null>
}

export interface FilterRule {
  readonly SrcIPs: readonly string[]
  /** A member that was removed: its presence spoils the whole filter. */
  readonly SrcBits?: readonly number[]
  readonly DstPorts: readonly FilterDestination[]
  readonly IPProto: readonly number[]
  readonly CapGrant: readonly CapGrant[]
}

const readTexts = listOf(orNull(readText, ''))
const readValues = orNull<readonly unknown[] | null>(
  listOf((value) => value),
  null,
)

const readPort: JsonReader<number> = (value, path) => {
  const port = readInt(value, path)
  if (port < 0 || port > 65_535) throw new MeshError('json/malformed', `Cannot read JSON: ${path}: want 0 to 65535`)
  return port
}

const readDestination: JsonReader<FilterDestination> = (value, path) => {
  const fields = readFields(value ?? {}, path)
  const bits = fields.optional('Bits', readInt)
  const ports = fields.object('Ports')
  return {
    IP: fields.text('IP'),
    ...(bits === undefined ? {} : { Bits: bits }),
    Ports: { First: ports?.optional('First', readPort) ?? 0, Last: ports?.optional('Last', readPort) ?? 0 },
  }
}

const readCapGrant: JsonReader<CapGrant> = (value, path) => {
  const fields = readFields(value ?? {}, path)
  return {
    Dsts: fields.optional('Dsts', listOf(orNull(readPrefixText, ''))) ?? [],
    Caps: fields.optional('Caps', readTexts) ?? [],
    CapMap: fields.optional('CapMap', mapOf(readValues)) ?? new Map(),
  }
}

/** Throws `json/malformed`. */
export const readFilterRule: JsonReader<FilterRule> = (value, path) => {
  const fields = readFields(value ?? {}, path)
  const bits = fields.optional('SrcBits', listOf(readInt)) ?? []
  return {
    SrcIPs: fields.optional('SrcIPs', readTexts) ?? [],
    ...(bits.length === 0 ? {} : { SrcBits: bits }),
    DstPorts: fields.optional('DstPorts', listOf(readDestination)) ?? [],
    IPProto: fields.optional('IPProto', listOf(readInt)) ?? [],
    CapGrant: fields.optional('CapGrant', listOf(readCapGrant)) ?? [],
  }
}

/** Spoils a member that was removed the filter? Official clients then let nothing in. (control.md §7.1) */
export function hasRemovedMembers(rule: FilterRule): boolean {
  return rule.SrcBits !== undefined || rule.DstPorts.some((destination) => destination.Bits !== undefined)
}
