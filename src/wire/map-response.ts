/**
 * One message of a map stream as a client reads it (control.md §5.5): absent, empty and said are told apart where
 * the chapter tells them apart. What a message does to what is known is node/control/netmap.ts.
 */

import type { Bytes } from '../base/bytes.ts'
import { textOf } from '../base/bytes.ts'
import type { Wall } from '../base/clock.ts'
import { MeshError } from '../base/errors.ts'
import { Fields, listOf, mapOf, orNull, readBool, readFields, readInt, readObject, readText } from '../base/go-json.ts'
import type { JsonReader } from '../base/go-json.ts'
import { readDerpMap } from './derp-map-reader.ts'
import type { DerpMapUpdate } from './derp-map-reader.ts'
import { readDnsConfig } from './dns-config.ts'
import type { DnsConfig } from './dns-config.ts'
import { readFilterRule } from './filter-rule.ts'
import type { FilterRule } from './filter-rule.ts'
import { readFloat, readIpText, readMapNode, readPeerChange } from './map-node.ts'
import type { MapNode, PeerChange } from './map-node.ts'
import { readSshPolicy } from './ssh-policy.ts'
import type { SshPolicy } from './ssh-policy.ts'

export interface UserProfile {
  readonly ID: number
  readonly LoginName: string
  readonly DisplayName: string
  readonly ProfilePicURL?: string
}

export interface DisplayMessage {
  readonly Title: string
  readonly Text: string
  readonly Severity: string
  readonly ImpactsConnectivity?: boolean
  readonly PrimaryAction?: { readonly URL: string; readonly Label: string }
}

/** What the server wants answered. (control.md §11.2) */
export interface PingRequest {
  readonly URL: string
  readonly URLIsNoise: boolean
  readonly Log: boolean
  /** '', `c2n`, or a list with commas of `disco`, `TSMP`, `ICMP`, `peerapi`. */
  readonly Types: string
  readonly IP: string
  /** A raw HTTP/1 request. */
  readonly Payload: Uint8Array
}

/** An address to reach the server at. (control.md §3.2) */
export interface DialCandidate {
  readonly IP?: string
  readonly ACEHost?: string
  readonly DialStartDelaySec: number
  readonly DialTimeoutSec: number
}

export interface ClientVersion {
  readonly RunningLatest: boolean
  readonly LatestVersion: string
  readonly UrgentSecurityUpdate: boolean
  readonly Notify: boolean
  readonly NotifyURL: string
  readonly NotifyText: string
}

export interface MapDebug {
  readonly Exit?: number
  readonly DisableLogTail: boolean
  readonly SleepSeconds: number
}

/** Members that are left out are absent; lists and maps that are there may be empty. */
export interface MapResponse {
  readonly KeepAlive: boolean
  readonly PingRequest?: PingRequest
  readonly PopBrowserURL?: string
  readonly Debug?: MapDebug
  readonly Node?: MapNode
  readonly DERPMap?: DerpMapUpdate
  readonly Peers?: readonly MapNode[]
  readonly PeersRemoved?: readonly number[]
  readonly PeersChanged?: readonly MapNode[]
  readonly PeerSeenChange?: ReadonlyMap<number, boolean>
  readonly OnlineChange?: ReadonlyMap<number, boolean>
  readonly PeersChangedPatch?: readonly PeerChange[]
  readonly DNSConfig?: DnsConfig
  readonly Domain?: string
  readonly CollectServices?: boolean
  readonly PacketFilter?: readonly FilterRule[]
  readonly PacketFilters?: ReadonlyMap<string, readonly FilterRule[] | null>
  readonly UserProfiles?: readonly UserProfile[]
  readonly Health?: readonly string[]
  readonly DisplayMessages?: ReadonlyMap<string, DisplayMessage | null>
  readonly SSHPolicy?: SshPolicy
  readonly ControlTime?: Wall
  readonly TKAInfo?: { readonly Head: string; readonly Disabled: boolean }
  readonly DomainDataPlaneAuditLogID?: string
  readonly ControlDialPlan?: readonly DialCandidate[]
  readonly ClientVersion?: ClientVersion
}

/** JSON of one message at most, in bytes: many times what 10,000 nodes take. */
export const MAP_JSON_MAX = 64 << 20
const MAX_DEPTH = 64

/** Reads one message. Throws `json/malformed`: then the whole stream is to be dropped. (control.md §0.3) */
export function readMapResponse(json: Bytes): MapResponse {
  const fields = readMessage(json)
  const response: Record<string, unknown> = { KeepAlive: fields.bool('KeepAlive') }
  for (const [name, read] of MEMBERS) {
    const value = fields.optional(name, read)
    if (value !== undefined && value !== '') response[name] = value
  }
  return response as unknown as MapResponse
}

function readMessage(json: Bytes): Fields {
  if (json.length > MAP_JSON_MAX)
    throw new MeshError('json/malformed', `Cannot read a map: longer than ${MAP_JSON_MAX} bytes`)
  const text = textOf(json)
  if (text === undefined) throw new MeshError('json/malformed', 'Cannot read a map: not UTF-8')
  // Go takes `null` for a message that says nothing.
  if (text.trim() === 'null') return new Fields({}, 'map')
  const fields = readObject(text, { what: 'map', maxLength: MAP_JSON_MAX, maxDepth: MAX_DEPTH })
  return FRACTION.test(text) ? new Fields(boxed(text), 'map') : fields
}

/** Where an integer may be written as a fraction or with an exponent; within a text it is none, but costs only time. */
const FRACTION = /[:,[]\s*-?\d+(?:\.0+|(?:\.\d+)?[eE][+-]?\d+)\s*[,\]}]/

/**
 * Go takes `2.0` for no integer, and JavaScript's parser does not tell it from `2`. Such numbers are boxed, which
 * integers' readers refuse; `readFloat` takes them out again.
 */
function boxed(text: string): object {
  const reviver = (_: string, value: unknown, context?: { source?: string }) =>
    typeof value === 'number' && Number.isInteger(value) && !/^-?\d+$/.test(context?.source ?? '')
      ? Object(value)
      : value
  return JSON.parse(text, reviver) as object
}

const readTexts = listOf(orNull(readText, ''))
const readRules = listOf(readFilterRule)

const readIds: JsonReader<ReadonlyMap<number, boolean>> = (value, path) => {
  const ids = new Map<number, boolean>()
  for (const [name, flag] of mapOf(orNull(readBool, false))(value, path)) {
    const id = Number(name)
    if (!/^-?\d+$/.test(name) || !Number.isSafeInteger(id))
      throw new MeshError('json/malformed', `Cannot read JSON: ${path}: want numbers of nodes`)
    ids.set(id, flag)
  }
  return ids
}

const readProfile: JsonReader<UserProfile> = (value, path) => {
  const fields = readFields(value ?? {}, path)
  const picture = fields.text('ProfilePicURL')
  return {
    ID: fields.int('ID'),
    LoginName: fields.text('LoginName'),
    DisplayName: fields.text('DisplayName'),
    ...(picture === '' ? {} : { ProfilePicURL: picture }),
  }
}

/** An action is only shown when its link is one to the web. */
const WEB_LINK = /^https?:\/\/[^\s/]/

const readDisplayMessage: JsonReader<DisplayMessage> = (value, path) => {
  const fields = readFields(value, path)
  const action = fields.object('PrimaryAction')
  const url = action?.text('URL') ?? ''
  return {
    Title: fields.text('Title'),
    Text: fields.text('Text'),
    Severity: fields.text('Severity'),
    ...(fields.bool('ImpactsConnectivity') ? { ImpactsConnectivity: true } : {}),
    ...(action !== undefined && WEB_LINK.test(url) ? { PrimaryAction: { URL: url, Label: action.text('Label') } } : {}),
  }
}

const readPing: JsonReader<PingRequest> = (value, path) => {
  const fields = readFields(value, path)
  return {
    URL: fields.text('URL'),
    URLIsNoise: fields.bool('URLIsNoise'),
    Log: fields.bool('Log'),
    Types: fields.text('Types'),
    IP: fields.optional('IP', readIpText) ?? '',
    Payload: fields.bytes('Payload'),
  }
}

const readCandidate: JsonReader<DialCandidate> = (value, path) => {
  const fields = readFields(value ?? {}, path)
  const ip = fields.optional('IP', readIpText) ?? ''
  const ace = fields.text('ACEHost')
  return {
    ...(ip === '' ? {} : { IP: ip }),
    ...(ace === '' ? {} : { ACEHost: ace }),
    DialStartDelaySec: fields.optional('DialStartDelaySec', readFloat) ?? 0,
    DialTimeoutSec: fields.optional('DialTimeoutSec', readFloat) ?? 0,
  }
}

const readClientVersion: JsonReader<ClientVersion> = (value, path) => {
  const fields = readFields(value, path)
  return {
    RunningLatest: fields.bool('RunningLatest'),
    LatestVersion: fields.text('LatestVersion'),
    UrgentSecurityUpdate: fields.bool('UrgentSecurityUpdate'),
    Notify: fields.bool('Notify'),
    NotifyURL: fields.text('NotifyURL'),
    NotifyText: fields.text('NotifyText'),
  }
}

const readDebug: JsonReader<MapDebug> = (value, path) => {
  const fields = readFields(value, path)
  const exit = fields.optional('Exit', readInt)
  return {
    ...(exit === undefined ? {} : { Exit: exit }),
    DisableLogTail: fields.bool('DisableLogTail'),
    SleepSeconds: fields.optional('SleepSeconds', readFloat) ?? 0,
  }
}

const MEMBERS: readonly (readonly [string, JsonReader<unknown>])[] = [
  ['PingRequest', readPing],
  ['PopBrowserURL', readText],
  ['Debug', readDebug],
  ['Node', readMapNode],
  ['DERPMap', readDerpMap],
  ['Peers', listOf(readMapNode)],
  ['PeersRemoved', listOf(readInt)],
  ['PeersChanged', listOf(readMapNode)],
  ['PeerSeenChange', readIds],
  ['OnlineChange', readIds],
  ['PeersChangedPatch', listOf(readPeerChange)],
  ['DNSConfig', readDnsConfig],
  ['Domain', readText],
  ['CollectServices', readBool],
  ['PacketFilter', readRules],
  ['PacketFilters', mapOf(orNull<readonly FilterRule[] | null>(readRules, null))],
  ['UserProfiles', listOf(readProfile)],
  ['Health', readTexts],
  ['DisplayMessages', mapOf(orNull<DisplayMessage | null>(readDisplayMessage, null))],
  ['SSHPolicy', readSshPolicy],
  ['ControlTime', (value, path) => new Fields({ T: value }, path).time('T')],
  [
    'TKAInfo',
    (value, path) => {
      const fields = readFields(value, path)
      return { Head: fields.text('Head'), Disabled: fields.bool('Disabled') }
    },
  ],
  ['DomainDataPlaneAuditLogID', readText],
  ['ControlDialPlan', (value, path) => readFields(value, path).optional('Candidates', listOf(readCandidate)) ?? []],
  ['ClientVersion', readClientVersion],
]
