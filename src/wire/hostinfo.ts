/**
 * What a client says of its host (control.md §6.2, §6.3): read strictly, since parts of it go into the maps of
 * its peers, and one malformed field there would make them drop their whole stream.
 *
 * Field names are those of the wire. Fields that nobody here uses are left out; so are empty ones.
 */

import { MeshError } from '../base/errors.ts'
import { listUpTo, readBool, readFields, readInt32, readNumber, textAs, textUpTo } from '../base/go-json.ts'
import type { Fields, JsonReader } from '../base/go-json.ts'
import { formatPrefix, parsePrefix } from '../base/ip.ts'

export interface Service {
  readonly Proto: string
  readonly Port: number
  readonly Description?: string
}

export interface NetInfo {
  readonly MappingVariesByDestIP?: boolean
  readonly WorkingIPv6?: boolean
  readonly OSHasIPv6?: boolean
  readonly WorkingUDP?: boolean
  readonly WorkingICMPv4?: boolean
  readonly HavePortMap?: boolean
  readonly HairPinning?: boolean
  readonly UPnP?: boolean
  readonly PMP?: boolean
  readonly PCP?: boolean
  readonly PreferredDERP?: number
  readonly LinkType?: string
  readonly FirewallMode?: string
  /** Seconds, by `<region>-v4` or `-v6`. */
  readonly DERPLatency?: { readonly [region: string]: number }
}

export interface Location {
  readonly Country?: string
  readonly CountryCode?: string
  readonly City?: string
  readonly CityCode?: string
  readonly Latitude?: number
  readonly Longitude?: number
  readonly Priority?: number
}

const TEXTS = [
  'IPNVersion',
  'BackendLogID',
  'OS',
  'OSVersion',
  'Distro',
  'DistroVersion',
  'DistroCodeName',
  'Env',
  'Package',
  'DeviceModel',
  'App',
  'Hostname',
  'Machine',
  'GoArch',
  'GoArchVar',
  'GoVersion',
  'Cloud',
  'ServicesHash',
  'ExitNodeID',
] as const

const FLAGS = [
  'Container',
  'Desktop',
  'ShieldsUp',
  'AllowsUpdate',
  'NoLogsNoSupport',
  'RemoteConfig',
  'Userspace',
  'UserspaceRouter',
  'AppConnector',
  'PeerRelay',
  'StateEncrypted',
  'WireIngress',
  'IngressEnabled',
] as const

export type Hostinfo = { readonly [text in (typeof TEXTS)[number]]?: string } & {
  readonly [flag in (typeof FLAGS)[number]]?: boolean
} & {
  /** Canonical prefixes that the node offers to route. */
  readonly RoutableIPs?: readonly string[]
  readonly RequestTags?: readonly string[]
  readonly Services?: readonly Service[]
  readonly WoLMACs?: readonly string[]
  /** Lines of authorized keys; present while the node runs an SSH server. */
  readonly sshHostKeys?: readonly string[]
  readonly NetInfo?: NetInfo
  readonly Location?: Location
}

const TEXT_MAX = 1024
const LIST_MAX = 1024
/** Tags are kept with every login that waits, and anybody may begin one. */
const TAG_MAX = 256
const TAGS_MAX = 128
const NET_FLAGS = [
  'MappingVariesByDestIP',
  'WorkingIPv6',
  'OSHasIPv6',
  'WorkingUDP',
  'WorkingICMPv4',
  'HavePortMap',
  'HairPinning',
  'UPnP',
  'PMP',
  'PCP',
] as const

const readShortText = textUpTo(TEXT_MAX)

function shortList<T>(read: JsonReader<T>): JsonReader<T[]> {
  return listUpTo(LIST_MAX, read)
}

const readPrefix = textAs((text) => {
  const prefix = parsePrefix(text)
  return prefix === undefined ? undefined : formatPrefix(prefix)
}, 'an IP prefix')

/** A port, or the number of a relay region, which travels as one (disco.md §1). */
const readUint16: JsonReader<number> = (value, path) => {
  const number = readInt32(value, path)
  if (number < 0 || number > 65_535) throw new MeshError('json/malformed', `Cannot read ${path}: want 0 to 65535`)
  return number
}

const readService: JsonReader<Service> = (value, path) => {
  const fields = readFields(value, path)
  return pruned({
    Proto: fields.optional('Proto', readShortText) ?? '',
    Port: fields.optional('Port', readUint16) ?? 0,
    Description: fields.optional('Description', readShortText),
  }) as unknown as Service
}

const readLocation: JsonReader<Location> = (value, path) => {
  const fields = readFields(value, path)
  return pruned({
    Country: fields.optional('Country', readShortText),
    CountryCode: fields.optional('CountryCode', readShortText),
    City: fields.optional('City', readShortText),
    CityCode: fields.optional('CityCode', readShortText),
    Latitude: fields.optional('Latitude', readNumber),
    Longitude: fields.optional('Longitude', readNumber),
    Priority: fields.optional('Priority', readInt32),
  })
}

const readNetInfo: JsonReader<NetInfo> = (value, path) => {
  const fields = readFields(value, path)
  const latency: Record<string, number> = {}
  let known = 0
  for (const [region, seconds] of fields.members('DERPLatency', readNumber))
    if (/^\d{1,10}-v[46]$/.test(region) && ++known <= LIST_MAX) latency[region] = seconds
  const info: Record<string, unknown> = {}
  for (const flag of NET_FLAGS) info[flag] = fields.optional(flag, readBool)
  info['PreferredDERP'] = fields.optional('PreferredDERP', readUint16)
  info['LinkType'] = fields.optional('LinkType', readShortText)
  info['FirewallMode'] = fields.optional('FirewallMode', readShortText)
  if (Object.keys(latency).length > 0) info['DERPLatency'] = latency
  return pruned(info)
}

/** Without members that are absent or say nothing. */
function pruned(object: Record<string, unknown>): Record<string, unknown> {
  const kept: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(object))
    if (value !== undefined && value !== '' && !(Array.isArray(value) && value.length === 0)) kept[name] = value
  return kept
}

/** Reads a Hostinfo object. Throws `json/malformed` with the field's path. */
export function readHostinfo(fields: Fields): Hostinfo {
  const host: Record<string, unknown> = {}
  for (const name of TEXTS) host[name] = fields.optional(name, readShortText)
  for (const name of FLAGS) host[name] = fields.optional(name, readBool)
  host['RoutableIPs'] = fields.optional('RoutableIPs', shortList(readPrefix))
  host['RequestTags'] = fields.optional('RequestTags', listUpTo(TAGS_MAX, textUpTo(TAG_MAX)))
  host['Services'] = fields.optional('Services', shortList(readService))
  host['WoLMACs'] = fields.optional('WoLMACs', shortList(readShortText))
  host['sshHostKeys'] = fields.optional('sshHostKeys', shortList(readShortText))
  host['NetInfo'] = fields.optional('NetInfo', readNetInfo)
  host['Location'] = fields.optional('Location', readLocation)
  return pruned(host)
}
