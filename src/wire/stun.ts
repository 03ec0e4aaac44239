/**
 * STUN binding requests and responses, as Tailscale's nodes and relays exchange them. (derp.md §6)
 *
 *   0      2        4        8                20
 *   | type | length | cookie | transaction id | attributes: | type | length | value, padded to 4 |
 *
 * Relays answer only requests of this very software (a SOFTWARE attribute and a fingerprint), so that they
 * are of little use to reflect traffic; nodes read any server's answer.
 */

import { sameBytes, utf8 } from '../base/bytes.ts'
import type { Bytes } from '../base/bytes.ts'
import { unmapIp } from '../base/ip.ts'
import type { AddressPort } from '../base/ip.ts'
import { ipBytes, ipOfBytes } from './ip-bytes.ts'

export const TRANSACTION_BYTES = 12

const HEADER_BYTES = 20
const COOKIE = 0x2112a442
const REQUEST = 0x0001
const RESPONSE = 0x0101
const MAPPED_ADDRESS = 0x0001
const XOR_MAPPED_ADDRESS = 0x0020
/** Some servers write XOR-MAPPED-ADDRESS so. */
const XOR_MAPPED_ADDRESS_OLD = 0x8020
const SOFTWARE = 0x8022
const FINGERPRINT = 0x8028
const FINGERPRINT_XOR = 0x5354554e
const OUR_SOFTWARE = utf8('tailnode')

/** Is this datagram STUN of any kind? */
export function isStun(b: Bytes): boolean {
  return b.length >= HEADER_BYTES && ((b[0] as number) & 0xc0) === 0 && viewOf(b).getUint32(4) === COOKIE
}

/** The request of derp.md §6.2: 40 bytes. @param tx 12 random bytes */
export function encodeRequest(tx: Bytes): Uint8Array<ArrayBuffer> {
  const b = new Uint8Array(40)
  const view = viewOf(b)
  putHeader(view, REQUEST, 20)
  b.set(tx, 8)
  view.setUint16(20, SOFTWARE)
  view.setUint16(22, OUR_SOFTWARE.length)
  b.set(OUR_SOFTWARE, 24)
  view.setUint16(32, FINGERPRINT)
  view.setUint16(34, 4)
  view.setUint32(36, fingerprint(b, 32))
  return b
}

/** The transaction id of a request that a relay answers; `undefined` for all else. */
export function decodeRequest(b: Bytes): Uint8Array | undefined {
  if (!isStun(b)) return undefined
  const view = viewOf(b)
  if (view.getUint16(0) !== REQUEST) return undefined
  let ours = false
  let last: Attribute | undefined
  const whole = eachAttribute(b, b.length, (a) => {
    last = a
    if (a.type === SOFTWARE && sameBytes(b.subarray(a.at, a.at + a.length), OUR_SOFTWARE)) ours = true
  })
  if (!whole || !ours || last === undefined || last.type !== FINGERPRINT || last.length !== 4) return undefined
  if (view.getUint32(last.at) !== fingerprint(b, last.at - 4)) return undefined
  return b.slice(8, HEADER_BYTES)
}

/** The answer of derp.md §6.3: 32 bytes for IPv4, 44 for IPv6. */
export function encodeResponse(tx: Bytes, seen: AddressPort): Uint8Array<ArrayBuffer> {
  const ip = ipBytes(seen.ip)
  const b = new Uint8Array(HEADER_BYTES + 8 + ip.length)
  const view = viewOf(b)
  putHeader(view, RESPONSE, 8 + ip.length)
  b.set(tx, 8)
  view.setUint16(20, XOR_MAPPED_ADDRESS)
  view.setUint16(22, 4 + ip.length)
  b[25] = seen.ip.family === 4 ? 1 : 2
  view.setUint16(26, seen.port ^ (COOKIE >>> 16))
  for (let i = 0; i < ip.length; i++) b[28 + i] = (ip[i] as number) ^ (b[4 + i] as number)
  return b
}

/** What an answer says; an IPv4 address that was written mapped comes back as IPv4. */
export function decodeResponse(b: Bytes): { readonly tx: Uint8Array; readonly seen: AddressPort } | undefined {
  if (!isStun(b)) return undefined
  const view = viewOf(b)
  if (view.getUint16(0) !== RESPONSE) return undefined
  const end = HEADER_BYTES + view.getUint16(2)
  if (end > b.length) return undefined
  let xored: AddressPort | undefined
  let plain: AddressPort | undefined
  let readable = true
  const whole = eachAttribute(b, end, (a) => {
    const hidden = a.type === XOR_MAPPED_ADDRESS || a.type === XOR_MAPPED_ADDRESS_OLD
    if (!hidden && a.type !== MAPPED_ADDRESS) return
    const address = readAddress(b, a, hidden)
    if (address === undefined) readable = false
    else if (hidden) xored ??= address
    else plain ??= address
  })
  const seen = xored ?? plain
  return whole && readable && seen !== undefined ? { tx: b.slice(8, HEADER_BYTES), seen } : undefined
}

interface Attribute {
  readonly type: number
  /** Where the value begins. */
  readonly at: number
  readonly length: number
}

/** Visits the attributes up to `end`; false when they don't end exactly there. */
function eachAttribute(b: Bytes, end: number, visit: (a: Attribute) => void): boolean {
  const view = viewOf(b)
  let at = HEADER_BYTES
  while (at < end) {
    if (end - at < 4) return false
    const type = view.getUint16(at)
    const length = view.getUint16(at + 2)
    const next = at + 4 + ((length + 3) & ~3)
    if (next > end) return false
    visit({ type, at: at + 4, length })
    at = next
  }
  return true
}

function readAddress(b: Bytes, a: Attribute, hidden: boolean): AddressPort | undefined {
  if (a.length < 4) return undefined
  const family = b[a.at + 1]
  const size = family === 1 ? 4 : family === 2 ? 16 : 0
  if (size === 0 || a.length < 4 + size) return undefined
  const port = viewOf(b).getUint16(a.at + 2) ^ (hidden ? COOKIE >>> 16 : 0)
  const ip = b.slice(a.at + 4, a.at + 4 + size)
  if (hidden) for (let i = 0; i < size; i++) ip[i] = (ip[i] as number) ^ (b[4 + i] as number)
  return { ip: unmapIp(ipOfBytes(ip)), port }
}

function putHeader(view: DataView, type: number, length: number): void {
  view.setUint16(0, type)
  view.setUint16(2, length)
  view.setUint32(4, COOKIE)
}

function viewOf(b: Bytes): DataView {
  return new DataView(b.buffer, b.byteOffset, b.byteLength)
}

/** CRC-32 (IEEE) of the first `length` bytes, as the attribute carries it. */
function fingerprint(b: Bytes, length: number): number {
  let crc = 0xffffffff
  for (let i = 0; i < length; i++) {
    crc ^= b[i] as number
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return (crc ^ 0xffffffff ^ FINGERPRINT_XOR) >>> 0
}
