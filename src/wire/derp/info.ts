/**
 * The clear text of the two sealed DERP greetings: ClientInfo and ServerInfo as JSON. (derp.md §4.3)
 *
 * Read as the reference reads them: member names in any case, unknown members ignored, `null` leaves a member
 * at its zero value (except the mesh key), a member of the wrong type refuses the whole.
 */

import { fromHex, sameSecret, textOf, utf8 } from '../../base/bytes.ts'
import type { Bytes } from '../../base/bytes.ts'

export interface ClientInfo {
  /** 32 bytes; grants mesh rights when it equals the server's. */
  readonly meshKey?: Bytes
  readonly version: number
  readonly canAckPings: boolean
  readonly isProber: boolean
  readonly appName: string
}

/** Rates are what the server asks its client to keep to; 0 means none. */
export interface ServerInfo {
  readonly version: number
  readonly bytesPerSecond: number
  readonly burst: number
}

const MESH_KEY_BYTES = 32

/** Byte for byte what the reference writes, its escapes included. */
export function encodeClientInfo(info: ClientInfo): Uint8Array<ArrayBuffer> {
  return encodeObject([
    ['meshKey', info.meshKey === undefined ? undefined : info.meshKey.toHex()],
    ['version', info.version === 0 ? undefined : info.version],
    ['CanAckPings', info.canAckPings],
    ['IsProber', info.isProber || undefined],
    ['AppName', info.appName === '' ? undefined : info.appName],
  ])
}

export function encodeServerInfo(info: ServerInfo): Uint8Array<ArrayBuffer> {
  return encodeObject([
    ['version', info.version === 0 ? undefined : info.version],
    ['TokenBucketBytesPerSecond', info.bytesPerSecond === 0 ? undefined : info.bytesPerSecond],
    ['TokenBucketBytesBurst', info.burst === 0 ? undefined : info.burst],
  ])
}

/** `undefined` for anything that the reference would refuse. */
export function decodeClientInfo(clear: Bytes): ClientInfo | undefined {
  const members = readObject(clear)
  if (members === undefined) return undefined
  const version = integer(members.get('version'))
  const canAckPings = boolean(members.get('canackpings'))
  const isProber = boolean(members.get('isprober'))
  const appName = text(members.get('appname'))
  if (version === undefined || canAckPings === undefined || isProber === undefined || appName === undefined)
    return undefined
  const info = { version, canAckPings, isProber, appName }
  if (!members.has('meshkey')) return info
  const written = members.get('meshkey')
  if (typeof written !== 'string') return undefined
  const meshKey = fromHex(written)
  if (meshKey === undefined || meshKey.length !== MESH_KEY_BYTES) return undefined
  // Zeros are how "no key" is written.
  return sameSecret(meshKey, new Uint8Array(MESH_KEY_BYTES)) ? info : { ...info, meshKey }
}

/** `undefined` for anything that the reference would refuse. */
export function decodeServerInfo(clear: Bytes): ServerInfo | undefined {
  const members = readObject(clear)
  if (members === undefined) return undefined
  const version = integer(members.get('version'))
  const bytesPerSecond = integer(members.get('tokenbucketbytespersecond'))
  const burst = integer(members.get('tokenbucketbytesburst'))
  if (version === undefined || bytesPerSecond === undefined || burst === undefined) return undefined
  return { version, bytesPerSecond, burst }
}

function encodeObject(members: readonly (readonly [string, string | number | boolean | undefined])[]) {
  const written = Object.fromEntries(members.filter(([, value]) => value !== undefined))
  // Go escapes these five in every text.
  const escaped = JSON.stringify(written).replace(
    /[<>&\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  return utf8(escaped)
}

/** Members under lower-case names. */
function readObject(clear: Bytes): Map<string, unknown> | undefined {
  const json = textOf(clear)
  if (json === undefined) return undefined
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    return undefined
  }
  // Go reads a lone `null` into a struct as "leave it at zero".
  if (value === null) return new Map()
  if (typeof value !== 'object' || Array.isArray(value)) return undefined
  return new Map(Object.entries(value).map(([name, member]) => [name.toLowerCase(), member]))
}

function integer(value: unknown): number | undefined {
  if (value === undefined || value === null) return 0
  // Adding zero makes 0 of -0.
  return Number.isSafeInteger(value) ? (value as number) + 0 : undefined
}

function boolean(value: unknown): boolean | undefined {
  if (value === undefined || value === null) return false
  return typeof value === 'boolean' ? value : undefined
}

function text(value: unknown): string | undefined {
  if (value === undefined || value === null) return ''
  return typeof value === 'string' ? value : undefined
}
