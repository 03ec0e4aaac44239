/** Requests for certificates (PKCS #10, RFC 2986), each for a key of its own. */

import { generateKeyPairSync, sign } from 'node:crypto'
import * as der from '../../../crypto/io/der.ts'
import { ECDSA_SHA256, spki, subjectAltName } from '../../../crypto/io/self-signed.ts'

const VERSION_1 = der.integer(Buffer.from([0]))
const EXTENSION_REQUEST = der.oid('2a864886f70d01090e')

export interface CertificateRequest {
  /** DER. */
  readonly request: Uint8Array
  /** The private key of the certificate to come, PEM. */
  readonly key: string
}

/** @param name The DNS name that the certificate is for; the subject stays empty, as nobody looks at it */
export function makeRequest(name: string): CertificateRequest {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const wanted = der.sequence(EXTENSION_REQUEST, der.set(der.sequence(subjectAltName([name]))))
  const info = der.sequence(VERSION_1, der.sequence(), spki(publicKey), der.explicit(0, wanted))
  return {
    request: der.sequence(info, ECDSA_SHA256, der.bits(sign('sha256', info, privateKey))),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  }
}
