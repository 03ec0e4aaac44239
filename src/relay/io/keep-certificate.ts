/**
 * The relay's own certificate, where it is given no other: a self-signed one that is kept in the data folder, so that
 * the pin in the DERP map outlives a restart.
 */

import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DAY_MS } from '../../base/clock.ts'
import { MeshError } from '../../base/errors.ts'
import { parseIp } from '../../base/ip.ts'
import { makeSelfSigned } from '../../crypto/io/self-signed.ts'
import type { CertifiedKey } from '../../crypto/io/self-signed.ts'

/** One file for both, so that they can't get out of step. */
const FILE = 'relay-certificate.pem'
/** Replaced so long before it runs out. */
const MARGIN_DAYS = 30

/**
 * The self-signed certificate kept in `folder`; made when there is none, when it is about to run out, or when it
 * lacks one of `hosts` (DNS names and IP addresses).
 *
 * @throws MeshError `config/invalid` when the file is not what it should be: it is never replaced silently
 */
export async function keepCertificate(folder: string, hosts: readonly string[], now: Date): Promise<CertifiedKey> {
  const path = join(folder, FILE)
  const kept = await readKept(path)
  if (kept !== undefined && isGood(new X509Certificate(kept.cert), hosts, now)) return kept
  const made = makeSelfSigned(hosts, now)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await writeFile(`${path}.new`, made.cert + made.key, { mode: 0o600, flush: true })
  await rename(`${path}.new`, path)
  return made
}

/** `undefined`: there is no such file. */
async function readKept(path: string): Promise<CertifiedKey | undefined> {
  const refuse = (why: string, cause: unknown) =>
    new MeshError('config/invalid', `Cannot read the relay's certificate ${path}: ${why}`, { cause })
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw refuse((cause as Error).message, cause)
  }
  try {
    const cert = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/.exec(text)?.[0] ?? ''
    const key = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----\n/.exec(text)?.[0] ?? ''
    if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) throw new Error('not a pair')
    return { cert, key }
  } catch (cause) {
    const want = 'want a certificate and its private key in PEM'
    throw refuse(`${want}; restore it from a backup, or delete it to have a new one made`, cause)
  }
}

function isGood(certificate: X509Certificate, hosts: readonly string[], now: Date): boolean {
  const until = new Date(certificate.validTo).getTime() - MARGIN_DAYS * DAY_MS
  return (
    until > now.getTime() &&
    hosts.every(
      (host) => (parseIp(host) === undefined ? certificate.checkHost(host) : certificate.checkIP(host)) !== undefined,
    )
  )
}
