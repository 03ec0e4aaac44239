/**
 * The meta certificate of a relay, which carries its key and saves a round trip, and the hash by which clients pin the
 * certificate beside it. (derp.md §3.3)
 *
 * Where certificates are kept is the caller's matter.
 */

import { Buffer } from 'node:buffer'
import { createHash, generateKeyPairSync, sign, X509Certificate } from 'node:crypto'
import { DAY_MS } from '../../base/clock.ts'
import type { NodeKey } from '../../base/keys.ts'
import { readNodeKey } from '../../base/keys.ts'
import * as der from '../../crypto/io/der.ts'
import { NO_AUTHORITY, pem, spki, tbsCertificate } from '../../crypto/io/self-signed.ts'
import { PROTOCOL_VERSION } from '../../wire/derp/frame.ts'

const ED25519 = der.sequence(der.oid('2b6570'))
const META_DAYS = 30
const META_NAME = 'derpkey'

/** The meta certificate of a relay, as PEM: 30 days old and good for 30 more. */
export function makeMetaCertificate(relayKey: NodeKey, now: Date): string {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const tbs = metaTbs(relayKey, spki(publicKey), now)
  return pem('CERTIFICATE', der.sequence(tbs, ED25519, der.bits(sign(null, tbs, privateKey))))
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
    extensions: [NO_AUTHORITY],
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
