/**
 * A node as it stands in a map, self or peer, and the changes of one that come alone (control.md §5.6, §6.1): read as
 * Go reads them, so that a message that an official client drops is dropped here too. What the changes do to a node
 * is node/control/peers.ts.
 *
 * Field names are those of the wire; times are numbers, zero values are left out. Fields that a node has no use for
 * are not kept.
 */

import type { Wall } from '../base/clock.ts'
import { listOf, readBool, readBytes, readInt, readNumber, readText, readTime, textAs } from '../base/go-json.ts'
import { orNull, readFields } from '../base/go-json.ts'
import type { Fields, JsonReader } from '../base/go-json.ts'
import { MeshError } from '../base/errors.ts'
import { formatAddressPort, formatIp, formatPrefix, parseAddressPort, parseIp, parsePrefix } from '../base/ip.ts'
import { isZeroKey, readDiscoKey, readMachineKey, readNodeKey } from '../base/keys.ts'
import type { DiscoKey, MachineKey, NodeKey } from '../base/keys.ts'
import type { Location, Service } from './hostinfo.ts'
import { readResolver } from './dns-config.ts'
import type { Resolver } from './dns-config.ts'

/** What a peer says of its host, as far as others see it. (control.md §6.2) */
export interface PeerHost {
  readonly OS?: string
  readonly OSVersion?: string
  readonly DeviceModel?: string
  readonly Hostname?: string
  readonly IPNVersion?: string
  readonly App?: string
  readonly RoutableIPs?: readonly string[]
  readonly RequestTags?: readonly string[]
  readonly Services?: readonly Service[]
  readonly sshHostKeys?: readonly string[]
  readonly Location?: Location
  readonly ShareeNode?: boolean
  readonly ShieldsUp?: boolean
  readonly AppConnector?: boolean
  readonly PeerRelay?: boolean
}

/** Values by capability: JSON as it came, none when only the presence counts. */
export type CapMap = ReadonlyMap<string, readonly unknown[]>

export interface MapNode {
  readonly ID: number
  readonly StableID: string
  /** With a dot at its end. */
  readonly Name: string
  readonly User: number
  readonly Sharer?: number
  readonly Key: NodeKey
  readonly KeyExpiry?: Wall
  readonly KeySignature?: Uint8Array
  readonly Machine?: MachineKey
  readonly DiscoKey?: DiscoKey
  /** Canonical prefixes of one address each. An empty text is Go's "no prefix": pass it over. */
  readonly Addresses: readonly string[]
  /** Canonical prefixes; its addresses when the server does not say. */
  readonly AllowedIPs: readonly string[]
  /** `ip:port`, in order of preference. */
  readonly Endpoints?: readonly string[]
  readonly HomeDERP?: number
  readonly Hostinfo?: PeerHost
  readonly Created?: Wall
  readonly Cap?: number
  readonly Tags?: readonly string[]
  readonly PrimaryRoutes?: readonly string[]
  readonly LastSeen?: Wall
  readonly Online?: boolean
  readonly MachineAuthorized?: boolean
  /** With what came in the old list of capabilities. */
  readonly CapMap?: CapMap
  readonly UnsignedPeerAPIOnly?: boolean
  readonly DataPlaneAuditLogID?: string
  readonly Expired?: boolean
  readonly SelfNodeV4MasqAddrForThisPeer?: string
  readonly SelfNodeV6MasqAddrForThisPeer?: string
  readonly IsWireGuardOnly?: boolean
  readonly IsJailed?: boolean
  readonly ExitNodeDNSResolvers?: readonly Resolver[]
}

/** Absent: unchanged. */
export interface PeerChange {
  readonly NodeID: number
  readonly DERPRegion?: number
  readonly Cap?: number
  readonly CapMap?: CapMap
  readonly Endpoints?: readonly string[]
  readonly Key?: NodeKey
  readonly KeySignature?: Uint8Array
  readonly DiscoKey?: DiscoKey
  readonly Online?: boolean
  readonly LastSeen?: Wall
  /** `null`: never. */
  readonly KeyExpiry?: Wall | null
}

/** The address that old maps write a relay region as. */
const OLD_RELAY = /^127\.3\.3\.40:(\d{1,5})$/

/** A canonical prefix; an empty text stays one. */
export const readPrefixText: JsonReader<string> = textAs((text) => {
  if (text === '') return ''
  const prefix = parsePrefix(text)
  return prefix && formatPrefix(prefix)
}, 'an IP prefix')

/** A canonical address; an empty text stays one. */
export const readIpText: JsonReader<string> = textAs((text) => {
  if (text === '') return ''
  const ip = parseIp(text)
  return ip && formatIp(ip)
}, 'an IP address')

const readEndpoint: JsonReader<string> = textAs((text) => {
  if (text === '') return ''
  const endpoint = parseAddressPort(text)
  return endpoint && formatAddressPort(endpoint)
}, 'an address and port')

const readKeyOfNode = textAs(readNodeKey, 'a node key')
const readKeyOfDisco = textAs(readDiscoKey, 'a disco key')
const readKeyOfMachine = textAs(readMachineKey, 'a machine key')
const readPrefixes = listOf(orNull(readPrefixText, ''))
const readEndpoints = listOf(orNull(readEndpoint, ''))
const readTexts = listOf(orNull(readText, ''))
const readValues: JsonReader<readonly unknown[]> = orNull(
  listOf((value) => value),
  [],
)

const readPort: JsonReader<number> = (value, path) => {
  const port = readInt(value, path)
  if (port < 0 || port > 65_535) throw new MeshError('json/malformed', `Cannot read JSON: ${path}: want 0 to 65535`)
  return port
}

const readService: JsonReader<Service> = (value, path) => {
  const fields = readFields(value ?? {}, path)
  const description = fields.text('Description')
  return {
    Proto: fields.text('Proto'),
    Port: fields.optional('Port', readPort) ?? 0,
    ...(description === '' ? {} : { Description: description }),
  }
}

const readLocation: JsonReader<Location> = (value, path) => {
  const fields = readFields(value, path)
  const location: Record<string, unknown> = {}
  for (const name of ['Country', 'CountryCode', 'City', 'CityCode']) put(location, name, fields.text(name))
  for (const name of ['Latitude', 'Longitude']) put(location, name, fields.optional(name, readFloat))
  put(location, 'Priority', fields.int('Priority'))
  return location
}

const HOST_TEXTS = ['OS', 'OSVersion', 'DeviceModel', 'Hostname', 'IPNVersion', 'App'] as const
const HOST_FLAGS = ['ShareeNode', 'ShieldsUp', 'AppConnector', 'PeerRelay'] as const

const readHost: JsonReader<PeerHost> = (value, path) => {
  const fields = readFields(value, path)
  const host: Record<string, unknown> = {}
  for (const name of HOST_TEXTS) put(host, name, fields.text(name))
  for (const name of HOST_FLAGS) put(host, name, fields.bool(name))
  put(host, 'RoutableIPs', fields.optional('RoutableIPs', readPrefixes))
  put(host, 'RequestTags', fields.optional('RequestTags', readTexts))
  put(host, 'Services', fields.optional('Services', listOf(readService)))
  put(host, 'sshHostKeys', fields.optional('sshHostKeys', readTexts))
  put(host, 'Location', fields.optional('Location', readLocation))
  return host
}

/** A number that may be a fraction. One that was written as a fraction comes boxed (map-response.ts). */
export const readFloat: JsonReader<number> = (value, path) =>
  readNumber(typeof value === 'object' && value !== null ? value.valueOf() : value, path)

/** Throws `json/malformed`. */
export const readMapNode: JsonReader<MapNode> = (value, path) => {
  const fields = readFields(value ?? {}, path)
  const addresses = fields.optional('Addresses', readPrefixes) ?? []
  const unsigned = fields.bool('UnsignedPeerAPIOnly')
  const allowed = fields.optional('AllowedIPs', readPrefixes)
  const node: Record<string, unknown> = {
    ID: fields.int('ID'),
    StableID: fields.text('StableID'),
    Name: fields.text('Name'),
    User: fields.int('User'),
    Key: fields.optional('Key', readKeyOfNode) ?? '',
    Addresses: addresses,
    // A peer that nobody signed must not draw other addresses to itself. (control.md §6.1)
    AllowedIPs: unsigned ? addresses : (allowed ?? addresses),
  }
  put(node, 'Sharer', fields.int('Sharer'))
  put(node, 'KeyExpiry', fields.time('KeyExpiry'))
  put(node, 'KeySignature', fields.bytes('KeySignature'))
  put(node, 'Machine', nonZero(fields.optional('Machine', readKeyOfMachine)))
  put(node, 'DiscoKey', nonZero(fields.optional('DiscoKey', readKeyOfDisco)))
  put(node, 'Endpoints', fields.optional('Endpoints', readEndpoints), true)
  put(node, 'HomeDERP', fields.int('HomeDERP') || oldRelay(fields.text('DERP')))
  put(node, 'Hostinfo', fields.optional('Hostinfo', readHost))
  put(node, 'Created', fields.time('Created'))
  put(node, 'Cap', fields.int('Cap'))
  put(node, 'Tags', fields.optional('Tags', readTexts))
  put(node, 'PrimaryRoutes', fields.optional('PrimaryRoutes', readPrefixes))
  put(node, 'LastSeen', fields.time('LastSeen'))
  put(node, 'Online', fields.optBool('Online'), true)
  put(node, 'MachineAuthorized', fields.bool('MachineAuthorized'))
  put(node, 'CapMap', readCapabilities(fields))
  put(node, 'UnsignedPeerAPIOnly', unsigned)
  put(node, 'DataPlaneAuditLogID', fields.text('DataPlaneAuditLogID'))
  put(node, 'Expired', fields.bool('Expired'))
  put(node, 'SelfNodeV4MasqAddrForThisPeer', fields.optional('SelfNodeV4MasqAddrForThisPeer', readIpText))
  put(node, 'SelfNodeV6MasqAddrForThisPeer', fields.optional('SelfNodeV6MasqAddrForThisPeer', readIpText))
  put(node, 'IsWireGuardOnly', fields.bool('IsWireGuardOnly'))
  put(node, 'IsJailed', fields.bool('IsJailed'))
  put(node, 'ExitNodeDNSResolvers', fields.optional('ExitNodeDNSResolvers', listOf(readResolver)))
  return node as unknown as MapNode
}

/** Throws `json/malformed`. */
export const readPeerChange: JsonReader<PeerChange> = (value, path) => {
  const fields = readFields(value ?? {}, path)
  const change: Record<string, unknown> = { NodeID: fields.int('NodeID') }
  put(change, 'DERPRegion', fields.int('DERPRegion'))
  put(change, 'Cap', fields.int('Cap'))
  put(change, 'CapMap', readCapMap(fields), true)
  put(change, 'Endpoints', fields.optional('Endpoints', readEndpoints), true)
  put(change, 'Key', fields.optional('Key', readKeyOfNode))
  put(change, 'KeySignature', fields.optional('KeySignature', readBytes), true)
  put(change, 'DiscoKey', fields.optional('DiscoKey', readKeyOfDisco))
  put(change, 'Online', fields.optional('Online', readBool), true)
  put(change, 'LastSeen', fields.time('LastSeen'))
  if (fields.has('KeyExpiry')) change['KeyExpiry'] = fields.optional('KeyExpiry', readTime) ?? null
  return change as unknown as PeerChange
}

function readCapMap(fields: Fields): CapMap | undefined {
  return fields.has('CapMap') ? fields.members('CapMap', readValues) : undefined
}

function readCapabilities(fields: Fields): CapMap | undefined {
  const old = fields.optional('Capabilities', readTexts) ?? []
  const capabilities = readCapMap(fields)
  if (old.length === 0) return capabilities
  const all = new Map(capabilities)
  for (const name of old) if (!all.has(name)) all.set(name, [])
  return all
}

function oldRelay(text: string): number {
  const region = Number(OLD_RELAY.exec(text)?.[1] ?? 0)
  return region > 0xffff ? 0 : region
}

function nonZero<K extends MachineKey | DiscoKey>(key: K | undefined): K | undefined {
  return key === undefined || isZeroKey(key) ? undefined : key
}

/** Sets a member that says something; with `zeros` one that is zero or empty counts as saying it. */
function put(object: Record<string, unknown>, name: string, value: unknown, zeros = false): void {
  if (value === undefined || (!zeros && isEmpty(value))) return
  object[name] = value
}

function isEmpty(value: unknown): boolean {
  if (value === '' || value === 0 || value === false) return true
  return (Array.isArray(value) || value instanceof Uint8Array) && value.length === 0
}
