/**
 * What the certificates of a relay must be, and what they state of it (derp.md §3.3): a chain to a known root, or the
 * one certificate that the DERP map pins; and behind it, perhaps, the meta certificate with the relay's own key.
 */

import { createHash } from 'node:crypto'
import type { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { checkServerIdentity, createSecureContext, getCACertificates } from 'node:tls'
import type { ConnectionOptions, PeerCertificate, SecureContext, TLSSocket } from 'node:tls'
import { sameSecret } from '../../base/bytes.ts'
import { readBareKey } from '../../base/keys.ts'
import type { Wall } from '../../base/clock.ts'
import type { RelayMeta, RelayTls } from '../relay/index.ts'

/** A chain is three or four long; a stranger's is read no further than this. */
const CHAIN_MAX = 10

/**
 * How TLS is to be opened so that `checkCertificates` has its say, or the chain has been checked by then.
 *
 * @param roots asked for only where a chain is to lead to one: they take 50 ms to read, and some megabytes
 */
export function tlsOptions({ serverName, verify }: RelayTls, roots: () => SecureContext): ConnectionOptions {
  const options: ConnectionOptions = {
    secureContext: verify.by === 'roots' ? roots() : withoutRoots(),
    // The upgrade is HTTP/1.1's.
    ALPNProtocols: ['http/1.1'],
    minVersion: 'TLSv1.2',
    ...(serverName === undefined ? {} : { servername: serverName }),
  }
  if (verify.by !== 'roots') return { ...options, rejectUnauthorized: false }
  const check = (_host: string, certificate: PeerCertificate) => checkServerIdentity(verify.name, certificate)
  return { ...options, rejectUnauthorized: true, checkServerIdentity: check }
}

let bare: SecureContext | undefined

/** By default Node would read its own. */
function withoutRoots(): SecureContext {
  bare ??= createSecureContext({ ca: [], minVersion: 'TLSv1.2' })
  return bare
}

/** The roots of Node and of the system, and others. Make it once: reading them takes a while. */
export function rootsWith(others: readonly string[]): SecureContext {
  const ca = [...new Set([...getCACertificates('bundled'), ...getCACertificates('system'), ...others])]
  return createSecureContext({ ca, minVersion: 'TLSv1.2' })
}

/** Why the relay behind this socket is not the one that is meant; `undefined` when it is. */
export function checkCertificates(socket: TLSSocket, { verify }: RelayTls, now: Wall): string | undefined {
  if (verify.by !== 'pin') return undefined
  const [leaf, ...others] = chainOf(socket).filter((certificate) => metaOf(certificate) === undefined)
  if (leaf === undefined || others.length > 0) return 'the relay must present one certificate, the pinned one'
  const found = createHash('sha256').update(leaf.raw).digest()
  if (!sameSecret(found, Uint8Array.fromHex(verify.sha256))) return 'the certificate is not the pinned one'
  if (now < leaf.validFromDate.getTime() || now > leaf.validToDate.getTime())
    return 'the pinned certificate is not valid now'
  const isForHost =
    isIP(verify.name) === 0 ? leaf.checkHost(verify.name, { subject: 'never' }) : leaf.checkIP(verify.name)
  return isForHost === undefined ? 'the pinned certificate is for another host' : undefined
}

/** The relay's key, if its certificates state one. Before TLS 1.3 they came in the clear, and anybody could have. */
export function metaIn(socket: TLSSocket): RelayMeta | undefined {
  if (socket.getProtocol() !== 'TLSv1.3') return undefined
  for (const certificate of chainOf(socket)) {
    const meta = metaOf(certificate)
    if (meta !== undefined) return meta
  }
  return undefined
}

/** The certificates in the order they came in. */
function chainOf(socket: TLSSocket): X509Certificate[] {
  const chain: X509Certificate[] = []
  let next = socket.getPeerX509Certificate()
  for (; next !== undefined && chain.length < CHAIN_MAX; next = next.issuerCertificate) chain.push(next)
  return chain
}

function metaOf({ subject, serialNumber }: X509Certificate): RelayMeta | undefined {
  const key = readBareKey(/^CN=derpkey([0-9a-f]{64})$/m.exec(subject)?.[1] ?? '')
  return key === undefined ? undefined : { key, version: Number.parseInt(serialNumber, 16) }
}
