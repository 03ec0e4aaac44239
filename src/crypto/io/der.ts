/**
 * Writes the few ASN.1 values that certificates and requests for them are made of, in DER (X.690). Reading is left to others.
 */

import { Buffer } from 'node:buffer'

export type Der = Buffer

function tlv(tag: number, ...parts: readonly Uint8Array[]): Der {
  const body = Buffer.concat(parts)
  if (body.length < 0x80) return Buffer.concat([Buffer.from([tag, body.length]), body])
  const size = body.length < 0x100 ? [0x81, body.length] : [0x82, body.length >>> 8, body.length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), body])
}

export const sequence = (...parts: readonly Uint8Array[]): Der => tlv(0x30, ...parts)
export const set = (...parts: readonly Uint8Array[]): Der => tlv(0x31, ...parts)
export const octets = (bytes: Uint8Array): Der => tlv(0x04, bytes)
export const utf8String = (text: string): Der => tlv(0x0c, Buffer.from(text))
export const printable = (text: string): Der => tlv(0x13, Buffer.from(text, 'latin1'))
export const TRUE: Der = Buffer.from([0x01, 0x01, 0xff])

/** An object identifier, given by its body in hex. */
export const oid = (hex: string): Der => tlv(0x06, Buffer.from(hex, 'hex'))

/** A whole number, not negative, big-endian. */
export function integer(bytes: Uint8Array): Der {
  let from = 0
  while (from < bytes.length - 1 && bytes[from] === 0) from++
  const digits = bytes.subarray(from)
  return (digits[0] as number) & 0x80 ? tlv(0x02, Buffer.from([0]), digits) : tlv(0x02, digits)
}

/** Whole bytes as a bit string; `unused` bits at the end don't count. */
export const bits = (bytes: Uint8Array, unused = 0): Der => tlv(0x03, Buffer.from([unused]), bytes)

/** `[n]` around a value, or in its place. */
export const explicit = (n: number, inner: Uint8Array): Der => tlv(0xa0 | n, inner)
export const implicit = (n: number, bytes: Uint8Array): Der => tlv(0x80 | n, bytes)

/** Whole seconds; two-digit years up to 2049, as RFC 5280 wants it. */
export function time(at: Date): Der {
  const digits = at.toISOString().replace(/[-:T]/g, '').slice(0, 14)
  return at.getUTCFullYear() < 2050
    ? tlv(0x17, Buffer.from(`${digits.slice(2)}Z`))
    : tlv(0x18, Buffer.from(`${digits}Z`))
}
