/**
 * The certificate that was obtained last, in the data folder: chain and private key in one file, so that they can't get
 * out of step, and by whom and for what it was obtained.
 */

import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { MeshError } from '../../../base/errors.ts'
import type { CertifiedKey } from '../../../crypto/io/self-signed.ts'
import { writeWhole } from '../folder.ts'
import { faultOf } from '../tls/pair.ts'

const FILE = 'acme-certificate.pem'
/** The line before the certificate; readers of PEM pass it over. */
const FROM = 'Obtained from '

export interface KeptCertificate extends CertifiedKey {
  /** Address of the directory of the authority that gave it. */
  readonly directory: string
}

/**
 * What was kept, however old it is; `undefined` when there is none for this name.
 *
 * @throws MeshError `config/invalid` when the file is not what it should be: it is never replaced silently
 */
export function readKept(folder: string, name: string): KeptCertificate | undefined {
  const file = join(folder, FILE)
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new MeshError('config/invalid', `Cannot read the certificate ${file}: ${(cause as Error).message}`, { cause })
  }
  const [, directory = '', cert = '', key = ''] =
    /^Obtained from (\S+)\n((?:-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\s+)+)(-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----\n)$/.exec(
      text,
    ) ?? []
  if (faultOf({ cert, key }) !== undefined)
    throw new MeshError(
      'config/invalid',
      `Cannot read the certificate ${file}: want certificates and a private key in PEM; restore it from a backup, or delete it to have another one obtained`,
    )
  return new X509Certificate(cert).checkHost(name) === undefined ? undefined : { directory, cert, key }
}

/** @throws MeshError `config/invalid` when it cannot be written */
export function keep(folder: string, { directory, cert, key }: KeptCertificate): void {
  writeWhole(join(folder, FILE), `${FROM}${directory}\n${cert.trimEnd()}\n${key}`)
}

/** Why a chain that the authority sent is not what was asked for; `undefined` when it is. */
export function faultOfChain(pair: CertifiedKey, name: string): string | undefined {
  const blocks = pair.cert.match(/-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g)
  if (blocks === null || blocks.length > 10) return 'it sent no certificate'
  const fault = faultOf(pair)
  if (fault !== undefined) return `what it sent cannot be used: ${fault}`
  return new X509Certificate(pair.cert).checkHost(name) === undefined ? 'what it sent is for another name' : undefined
}
