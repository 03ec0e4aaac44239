/**
 * Preferences as JSON, as they are stored and as the local API speaks them (node.md §11): written in a fixed order,
 * read as Go reads them.
 *
 * What is wrong with a text is said as official programs say it, since people look for these words.
 */

import { MeshError } from '../../base/errors.ts'
import { Fields, readObject } from '../../base/go-json.ts'
import { textOf } from '../../base/bytes.ts'
import type { Bytes } from '../../base/bytes.ts'
import { formatAddressPort, formatIp, formatPrefix, parseAddressPort, parseIp, parsePrefix } from '../../base/ip.ts'
import { ZERO_PREFS } from './prefs.ts'
import type { DriveShare, MaskedName, MaskedPrefs, Prefs } from './prefs.ts'

/** Left out when they say nothing. */
const OMITTED: ReadonlySet<keyof Prefs> = new Set([
  'AutoExitNode',
  'ForceDaemon',
  'Egg',
  'NoStatefulFiltering',
  'OperatorUser',
  'ProfileName',
  'RelayServerPort',
  'RelayServerStaticEndpoints',
])
const ZERO_PRIVATE_KEY = `privkey:${'0'.repeat(64)}`
const ZERO_LOCK_KEY = `nlpriv:${'0'.repeat(128)}`

/** For everybody to see: in place of private keys there are zeros. */
export function prefsJson(prefs: Prefs): object {
  const { Config } = prefs
  return {
    ...settingsJson(prefs),
    Config: Config && {
      PrivateNodeKey: ZERO_PRIVATE_KEY,
      OldPrivateNodeKey: ZERO_PRIVATE_KEY,
      UserProfile: Config.UserProfile,
      NetworkLockKey: ZERO_LOCK_KEY,
      NodeID: Config.NodeID,
    },
  }
}

/** Everything but the login. */
export function settingsJson(prefs: Prefs): object {
  const json: Record<string, unknown> = {}
  for (const name of NAMES)
    if (name !== 'Config' && !(OMITTED.has(name) && saysNothing(name, prefs[name]))) json[name] = prefs[name]
  return json
}

function saysNothing(name: keyof Prefs, value: unknown): boolean {
  // No, and left open on purpose, are things that are said.
  if (name === 'NoStatefulFiltering') return value === undefined
  if (value === null) return true
  return value === undefined || value === '' || value === false || (Array.isArray(value) && value.length === 0)
}

type PrefName = keyof Prefs
const NAMES = Object.keys(ZERO_PREFS) as readonly PrefName[]

/** Longer lists are nobody's routes or tags. */
const LIST_MAX = 10_000
const TEXT_MAX = 4_096
const LIMITS = { what: 'preferences', maxLength: 1 << 20 }

/** What each field takes, and what official programs call that. */
interface Kind {
  readonly goType: string
  /** `undefined`: it is not of this kind. */
  readonly read: (value: unknown) => unknown
}

const bool: Kind = { goType: 'bool', read: (value) => (typeof value === 'boolean' ? value : undefined) }
const text: Kind = { goType: 'string', read: (value) => (isText(value) ? value.toWellFormed() : undefined) }
const optBool: Kind = {
  goType: 'opt.Bool',
  read: (value) => (value === null || typeof value === 'boolean' ? value : undefined),
}
const texts = listKind('string', (value) => (isText(value) ? value.toWellFormed() : undefined))
const prefixes = listKind('netip.Prefix', (value) => {
  const prefix = isText(value) ? parsePrefix(value) : undefined
  return prefix && formatPrefix(prefix)
})
const endpoints = listKind('netip.AddrPort', (value) => {
  const endpoint = isText(value) ? parseAddressPort(value) : undefined
  return endpoint && formatAddressPort(endpoint)
})

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= TEXT_MAX
}

function listKind(goType: string, element: (value: unknown) => unknown): Kind {
  return {
    goType: `[]${goType}`,
    read: (value) => {
      if (value === null) return null
      if (!Array.isArray(value) || value.length > LIST_MAX) return undefined
      const read = value.map(element)
      return read.includes(undefined) ? undefined : read
    },
  }
}

function integerKind(goType: string, max: number): Kind {
  return {
    goType,
    read: (value) =>
      Number.isInteger(value) && (value as number) >= 0 && (value as number) <= max ? value : undefined,
  }
}

const address: Kind = {
  goType: 'netip.Addr',
  read: (value) => {
    if (value === '') return ''
    const ip = isText(value) ? parseIp(value) : undefined
    return ip && formatIp(ip)
  },
}

function objectKind(goType: string, members: { readonly [name: string]: Kind }, zero: object): Kind {
  return {
    goType,
    read: (value) => {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
      const fields = new Fields(value, goType)
      const read: Record<string, unknown> = { ...zero }
      for (const [name, kind] of Object.entries(members)) {
        const member = fields.raw(name)
        if (member === undefined) continue
        const good = kind.read(member)
        if (good === undefined) return undefined
        read[name] = good
      }
      return read
    },
  }
}

const oneShare = objectKind('drive.Share', { name: text, path: text, as: text, bookmarkData: text }, {})
const shares: Kind = listKind('drive.Share', (value) => {
  const share = oneShare.read(value)
  if (share === undefined) return undefined
  const { name = '', path = '', as, bookmarkData } = share as Partial<DriveShare>
  return { name, path, ...(as ? { as } : {}), ...(bookmarkData ? { bookmarkData } : {}) }
})

const KINDS: { readonly [Name in Exclude<PrefName, 'Config'>]: Kind } = {
  ControlURL: text,
  RouteAll: bool,
  ExitNodeID: { ...text, goType: 'tailcfg.StableNodeID' },
  ExitNodeIP: address,
  AutoExitNode: text,
  InternalExitNodePrior: { ...text, goType: 'tailcfg.StableNodeID' },
  ExitNodeAllowLANAccess: bool,
  CorpDNS: bool,
  RunSSH: bool,
  RunWebClient: bool,
  WantRunning: bool,
  LoggedOut: bool,
  ShieldsUp: bool,
  AdvertiseTags: texts,
  Hostname: text,
  NotepadURLs: bool,
  ForceDaemon: bool,
  Egg: bool,
  AdvertiseRoutes: prefixes,
  AdvertiseServices: texts,
  Sync: optBool,
  NoSNAT: bool,
  NoStatefulFiltering: optBool,
  NetfilterMode: integerKind('preftype.NetfilterMode', 2),
  OperatorUser: text,
  ProfileName: text,
  AutoUpdate: objectKind('ipn.AutoUpdatePrefs', { Check: bool, Apply: optBool }, { Check: false, Apply: null }),
  AppConnector: objectKind('ipn.AppConnectorPrefs', { Advertise: bool }, { Advertise: false }),
  PostureChecking: bool,
  NetfilterKind: text,
  RemoteConfig: bool,
  DriveShares: shares,
  RelayServerPort: integerKind('uint16', 65_535),
  RelayServerStaticEndpoints: endpoints,
}

/**
 * Reads preferences: what is not said is zero, which is not the default. The login in them is passed over.
 *
 * @throws MeshError `json/malformed`
 */
export function readPrefs(json: string | Bytes): Prefs {
  return readPrefsObject(parse(json))
}

/** The same of an object within a message that has been parsed. */
export function readPrefsObject(object: object): Prefs {
  return readSettings(object, 'Prefs')
}

/**
 * Reads an edit: preferences, and for each that is to be set a member with `Set` at the end of its name.
 *
 * @throws MeshError `json/malformed`
 */
export function readMaskedPrefs(json: string | Bytes): MaskedPrefs {
  const object = parse(json)
  const fields = new Fields(object, 'MaskedPrefs')
  const values = readSettings(object, 'MaskedPrefs.Prefs')
  const set = new Set<MaskedName>()
  for (const name of NAMES) {
    const flag = fields.raw(`${name}Set`)
    if (flag === undefined) continue
    if (name === 'AutoUpdate') {
      const parts = objectKind('AutoUpdateSet', { CheckSet: bool, ApplySet: bool }, {}).read(flag)
      if (parts === undefined) throw mismatch(flag, 'MaskedPrefs.AutoUpdateSet', 'ipn.AutoUpdatePrefsMask')
      const { CheckSet, ApplySet } = parts as { CheckSet?: boolean; ApplySet?: boolean }
      if (CheckSet === true) set.add('AutoUpdate.Check')
      if (ApplySet === true) set.add('AutoUpdate.Apply')
    } else if (typeof flag !== 'boolean') throw mismatch(flag, `MaskedPrefs.${name}Set`, 'bool')
    // Who is logged in is not an edit's to say.
    else if (flag && name !== 'Config') set.add(name)
  }
  return { values, set }
}

function parse(json: string | Bytes): object {
  // Checked first, in its length and depth.
  readObject(json, LIMITS)
  return JSON.parse(typeof json === 'string' ? json : (textOf(json) as string)) as object
}

function readSettings(object: object, path: string): Prefs {
  const fields = new Fields(object, path)
  const read: Record<string, unknown> = { ...ZERO_PREFS }
  for (const [name, kind] of Object.entries(KINDS) as [Exclude<PrefName, 'Config'>, Kind][]) {
    const value = fields.raw(name)
    if (value === undefined) continue
    const good = kind.read(value)
    if (good === undefined) throw mismatch(value, `${path}.${name}`, kind.goType)
    read[name] = good
  }
  // The one field where `null` is something else than absent.
  if (isNull(object, 'nostatefulfiltering')) read['NoStatefulFiltering'] = null
  return read as unknown as Prefs
}

function isNull(object: object, lowerName: string): boolean {
  return Object.entries(object).some(([name, value]) => value === null && name.toLowerCase() === lowerName)
}

/** In the words that Go has for it, where Go would refuse it, too. The value itself is not repeated. */
function mismatch(value: unknown, field: string, goType: string): MeshError {
  if (goType === 'string' && typeof value === 'string')
    return new MeshError('json/malformed', `json: ${field} is longer than ${TEXT_MAX} characters`)
  const kind = Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value
  return new MeshError(
    'json/malformed',
    `json: cannot unmarshal ${kind} into Go struct field ${field} of type ${goType}`,
  )
}
