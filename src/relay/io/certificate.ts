/**
 * The two certificates that a relay makes itself: a self-signed one for TLS, which clients pin through the DERP
 * map, and the meta certificate that carries the relay's key and saves a round trip. (derp.md §3.3)
 *
 * Where they are kept is the caller's matter.
 */

import { Buffer } from 'node:buffer'
import { createHash, generateKeyPairSync, randomBytes, sign, X509Certificate } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { DAY_MS } from '../../base/clock.ts'
import type { NodeKey } from '../../base/keys.ts'
import { readNodeKey } from '../../base/keys.ts'
import { parseIp } from '../../base/ip.ts'
import { PROTOCOL_VERSION } from '../../wire/derp/frame.ts'
import { ipBytes } from '../../wire/ip-bytes.ts'
import * as der from './der.ts'

/** A certificate chain and its private key, both PEM. */
export interface CertifiedKey {
  readonly cert: string
  readonly key: string
}

const ECDSA_SHA256 = der.sequence(der.oid('2a8648ce3d040302'))
const ED25519 = der.sequence(der.oid('2b6570'))
const COMMON_NAME = der.oid('550403')
const BASIC_CONSTRAINTS = der.oid('551d13')
const KEY_USAGE = der.oid('551d0f')
const EXTENDED_KEY_USAGE = der.oid('551d25')
const SUBJECT_ALT_NAME = der.oid('551d11')
const SERVER_AUTH = der.oid('2b06010505070301')

/** Pinned, not trusted by a root: there is no reason for it to run out while the relay lives. */
const SELF_SIGNED_DAYS = 3650
/** Clocks of clients may be behind. */
const EARLIER_DAYS = 2
const META_DAYS = 30
const META_NAME = 'derpkey'

/**
 * Makes an ECDSA P-256 certificate for the given names.
 *
 * @param hosts DNS names and IP addresses that clients may reach the relay at; the first is the common name
 */
export function makeSelfSigned(hosts: readonly string[], now: Date): CertifiedKey {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const names = hosts.map((host) => {
    const ip = parseIp(host)
    return ip === undefined ? der.implicit(2, Buffer.from(host, 'latin1')) : der.implicit(7, ipBytes(ip))
  })
  const serial = randomBytes(16)
  // Positive whatever the dice say, and never zero.
  serial[0] = ((serial[0] as number) & 0x7f) | 0x40
  const tbs = tbsCertificate({
    serial,
    algorithm: ECDSA_SHA256,
    commonName: hosts[0] ?? 'relay',
    notBefore: new Date(now.getTime() - EARLIER_DAYS * DAY_MS),
    notAfter: new Date(now.getTime() + SELF_SIGNED_DAYS * DAY_MS),
    publicKey: spki(publicKey),
    extensions: [
      critical(BASIC_CONSTRAINTS, der.sequence()),
      critical(KEY_USAGE, der.bits(Buffer.from([0x80]), 7)),
      extension(EXTENDED_KEY_USAGE, der.sequence(SERVER_AUTH)),
      ...(names.length > 0 ? [extension(SUBJECT_ALT_NAME, der.sequence(...names))] : []),
    ],
  })
  const certificate = der.sequence(tbs, ECDSA_SHA256, der.bits(sign('sha256', tbs, privateKey)))
  return { cert: pem(certificate), key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string }
}

/** The meta certificate of a relay, as PEM: 30 days old and good for 30 more. */
export function makeMetaCertificate(relayKey: NodeKey, now: Date): string {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const tbs = metaTbs(relayKey, spki(publicKey), now)
  return pem(der.sequence(tbs, ED25519, der.bits(sign(null, tbs, privateKey))))
}

/** The signed part of a meta certificate. @param publicKey SubjectPublicKeyInfo of an Ed25519 key, DER */
export function metaTbs(relayKey: NodeKey, publicKey: Uint8Array, now: Date): Uint8Array {
  return tbsCertificate({
    serial: Buffer.from([PROTOCOL_VERSION]),
    algorithm: ED25519,
    commonName: META_NAME + relayKey.slice(8),
    notBefore: new Date(now.getTime() - META_DAYS * DAY_MS),
    notAfter: new Date(now.getTime() + META_DAYS * DAY_MS),
    publicKey,
    extensions: [critical(BASIC_CONSTRAINTS, der.sequence())],
  })
}

/** The relay key and protocol version that a meta certificate states; `undefined` for any other certificate. */
export function readMetaCertificate(
  certificate: Uint8Array,
): { readonly key: NodeKey; readonly version: number } | undefined {
  let parsed: X509Certificate
  try {
    parsed = new X509Certificate(certificate)
  } catch {
    return undefined
  }
  const name = /^CN=derpkey([0-9a-f]{64})$/m.exec(parsed.subject)?.[1]
  const key = name === undefined ? undefined : readNodeKey(`nodekey:${name}`)
  return key === undefined ? undefined : { key, version: Number.parseInt(parsed.serialNumber, 16) }
}

/** What a DERP map's `CertName` says to pin this certificate: the first one of a PEM chain. */
export function pinOf(cert: string): string {
  return `sha256-raw:${createHash('sha256').update(new X509Certificate(cert).raw).digest('hex')}`
}

function tbsCertificate(parts: {
  readonly serial: Uint8Array
  readonly algorithm: Uint8Array
  readonly commonName: string
  readonly notBefore: Date
  readonly notAfter: Date
  readonly publicKey: Uint8Array
  readonly extensions: readonly Uint8Array[]
}): Uint8Array {
  const name = der.sequence(der.set(der.sequence(COMMON_NAME, commonNameText(parts.commonName))))
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

/** As Go writes it: PrintableString where the text allows. At most 64 characters may be a common name, but the
 * meta certificate's 71 are what clients look for. */
function commonNameText(text: string): Uint8Array {
  return /^[A-Za-z0-9 '()+,./:=?-]*$/.test(text) ? der.printable(text) : der.utf8String(text)
}

function extension(id: Uint8Array, value: Uint8Array): Uint8Array {
  return der.sequence(id, der.octets(value))
}

function critical(id: Uint8Array, value: Uint8Array): Uint8Array {
  return der.sequence(id, der.TRUE, der.octets(value))
}

function spki(key: KeyObject): Uint8Array {
  return key.export({ type: 'spki', format: 'der' })
}

function pem(bytes: Uint8Array): string {
  const lines = Buffer.from(bytes)
    .toString('base64')
    .match(/.{1,64}/g) as string[]
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}
