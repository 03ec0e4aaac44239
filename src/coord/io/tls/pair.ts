/** A certificate and its private key: read from files, and looked at before anybody is shown them. */

import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { MeshError } from '../../../base/errors.ts'
import type { Wall } from '../../../base/clock.ts'
import type { CertifiedKey } from '../../../crypto/io/self-signed.ts'
import type { Validity } from '../../acme/schedule.ts'
import type { TlsFiles } from '../config/options.ts'

/**
 * Reads the pair that an operator has named.
 *
 * @throws MeshError `config/invalid` when they cannot be read, or do not belong together
 */
export function readPair(files: TlsFiles): CertifiedKey {
  const refuse = (why: string, cause?: unknown) =>
    new MeshError(
      'config/invalid',
      `Cannot use the certificate ${files.cert} with the key ${files.key}: ${why}; want two PEM files that belong together`,
      { cause },
    )
  let pair: CertifiedKey
  try {
    pair = { cert: readFileSync(files.cert, 'utf8'), key: readFileSync(files.key, 'utf8') }
  } catch (cause) {
    throw refuse((cause as Error).message, cause)
  }
  if (!pair.cert.includes('-----BEGIN CERTIFICATE-----')) throw refuse('there is no certificate in the first')
  if (!/-----BEGIN (\w+ )?PRIVATE KEY-----/.test(pair.key)) throw refuse('there is no private key in the second')
  if (pair.key.includes('-----BEGIN ENCRYPTED PRIVATE KEY-----')) throw refuse('the private key has a passphrase')
  const fault = faultOf(pair)
  if (fault !== undefined) throw refuse(fault)
  return pair
}

/** Why a pair cannot be shown to anybody; `undefined` when it can. */
export function faultOf(pair: CertifiedKey): string | undefined {
  try {
    if (!new X509Certificate(pair.cert).checkPrivateKey(createPrivateKey(pair.key)))
      return 'the key is of another certificate'
    createSecureContext(pair)
    return undefined
  } catch {
    return 'one of them is damaged'
  }
}

/** From when to when the first certificate of a chain is good. */
export function validityOf(chain: string): Validity {
  const { validFromDate, validToDate } = new X509Certificate(chain)
  return { from: validFromDate.getTime() as Wall, until: validToDate.getTime() as Wall }
}
