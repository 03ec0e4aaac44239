/**
 * Makes certificates that sign themselves: for a relay that is pinned, for a challenge that proves a name, and for the
 * time in which there is no better one. Writing only; who may be trusted is for others to say.
 */

import { Buffer } from 'node:buffer'
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { DAY_MS } from '../../base/clock.ts'
import { parseIp } from '../../base/ip.ts'
import * as der from './der.ts'

/** A certificate chain and its private key, both PEM. */
export interface CertifiedKey {
  readonly cert: string
  readonly key: string
}

export interface SelfSigned {
  /** Days from now; ten years if nobody says. */
  readonly days?: number
  /** Further extensions, as `extension` or `critical` write them. */
  readonly extensions?: readonly Uint8Array[]
}

export const ECDSA_SHA256: Uint8Array = der.sequence(der.oid('2a8648ce3d040302'))
const COMMON_NAME = der.oid('550403')
const BASIC_CONSTRAINTS = der.oid('551d13')
const KEY_USAGE = der.oid('551d0f')
const EXTENDED_KEY_USAGE = der.oid('551d25')
const SUBJECT_ALT_NAME = der.oid('551d11')
const SERVER_AUTH = der.oid('2b06010505070301')

/** Pinned, not trusted by a root: there is no reason for it to run out while its owner lives. */
const SELF_SIGNED_DAYS = 3650
/** Clocks of clients may be behind. */
const EARLIER_DAYS = 2

/**
 * Makes an ECDSA P-256 certificate for the given names.
 *
 * @param hosts DNS names and IP addresses that clients may reach its owner at; the first is the common name
 */
export function makeSelfSigned(hosts: readonly string[], now: Date, options: SelfSigned = {}): CertifiedKey {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const serial = randomBytes(16)
  // Positive whatever the dice say, and never zero.
  serial[0] = ((serial[0] as number) & 0x7f) | 0x40
  const tbs = tbsCertificate({
    serial,
    algorithm: ECDSA_SHA256,
    commonName: hosts[0] ?? 'relay',
    notBefore: new Date(now.getTime() - EARLIER_DAYS * DAY_MS),
    notAfter: new Date(now.getTime() + (options.days ?? SELF_SIGNED_DAYS) * DAY_MS),
    publicKey: spki(publicKey),
    extensions: [
      NO_AUTHORITY,
      critical(KEY_USAGE, der.bits(Buffer.from([0x80]), 7)),
      extension(EXTENDED_KEY_USAGE, der.sequence(SERVER_AUTH)),
      ...(hosts.length > 0 ? [subjectAltName(hosts)] : []),
      ...(options.extensions ?? []),
    ],
  })
  const certificate = der.sequence(tbs, ECDSA_SHA256, der.bits(sign('sha256', tbs, privateKey)))
  return { cert: pem('CERTIFICATE', certificate), key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string }
}

/** The extension that says which names and addresses a certificate, or a request for one, is for. */
export function subjectAltName(hosts: readonly string[]): Uint8Array {
  const names = hosts.map((host) => {
    const ip = parseIp(host)
    if (ip === undefined) return der.implicit(2, Buffer.from(host, 'latin1'))
    return der.implicit(7, Buffer.from(ip.value.toString(16).padStart(ip.family === 4 ? 8 : 32, '0'), 'hex'))
  })
  return extension(SUBJECT_ALT_NAME, der.sequence(...names))
}

/** The signed part of a certificate whose issuer is its subject (RFC 5280, 4.1). */
export function tbsCertificate(parts: {
  readonly serial: Uint8Array
  readonly algorithm: Uint8Array
  readonly commonName: string
  readonly notBefore: Date
  readonly notAfter: Date
  readonly publicKey: Uint8Array
  readonly extensions: readonly Uint8Array[]
}): Uint8Array {
  const name = nameOf(parts.commonName)
  return der.sequence(
    der.explicit(0, der.integer(Buffer.from([2]))),
    der.integer(parts.serial),
    parts.algorithm,
    name,
    der.sequence(der.time(parts.notBefore), der.time(parts.notAfter)),
    name,
    parts.publicKey,
    der.explicit(3, der.sequence(...parts.extensions)),
  )
}

function nameOf(commonName: string): Uint8Array {
  return der.sequence(der.set(der.sequence(COMMON_NAME, commonNameText(commonName))))
}

/** As Go writes it: PrintableString where the text allows. At most 64 characters may be a common name, but the 71 of a
 * relay's meta certificate are what clients look for. */
function commonNameText(text: string): Uint8Array {
  return /^[A-Za-z0-9 '()+,./:=?-]*$/.test(text) ? der.printable(text) : der.utf8String(text)
}

export function extension(id: Uint8Array, value: Uint8Array): Uint8Array {
  return der.sequence(id, der.octets(value))
}

/** One that whoever does not know it must refuse. */
export function critical(id: Uint8Array, value: Uint8Array): Uint8Array {
  return der.sequence(id, der.TRUE, der.octets(value))
}

/** It signs no certificates of others. */
export const NO_AUTHORITY: Uint8Array = critical(BASIC_CONSTRAINTS, der.sequence())

/** SubjectPublicKeyInfo, DER. */
export function spki(key: KeyObject): Uint8Array {
  return key.export({ type: 'spki', format: 'der' })
}

/** @param label Such as `CERTIFICATE` */
export function pem(label: string, bytes: Uint8Array): string {
  const lines = Buffer.from(bytes)
    .toString('base64')
    .match(/.{1,64}/g) as string[]
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
