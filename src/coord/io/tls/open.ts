/**
 * Chooses where the server's certificate comes from, as the configuration says. What is not needed is not loaded: most
 * of it is for the servers that obtain their own.
 */

import type { Dice } from '../../../base/bytes.ts'
import type { Clocks } from '../../../base/clock.ts'
import { challengesOf } from '../config/acme.ts'
import type { Config } from '../config/options.ts'
import type { Log } from '../log.ts'
import type { Certificates } from './certificates.ts'

export interface CertificateDeps {
  /** The data folder. */
  readonly folder: string
  readonly log: Log
  readonly clocks: Clocks
  readonly dice: Dice
  readonly version: string
}

/**
 * Reads what there is; asks nobody for anything before `start`. `undefined`: TLS is off.
 *
 * @throws MeshError `config/invalid` when a file of it cannot be used
 */
export async function openCertificates(
  config: Pick<Config, 'tls' | 'url' | 'httpListen' | 'acmeDirectory' | 'acmeEmail' | 'acmeEab'>,
  { folder, log, clocks, dice, version }: CertificateDeps,
): Promise<Certificates | undefined> {
  if (config.tls === 'off') return undefined
  if (config.tls !== 'acme') {
    const { FileCertificates } = await import('./file-certificates.ts')
    return new FileCertificates(config.tls, { log, wall: () => clocks.wall() })
  }
  const [{ AcmeCertificates }, { fromBase64url }] = await Promise.all([
    import('../acme/acme-certificates.ts'),
    import('../../acme/jws.ts'),
  ])
  const { acmeDirectory: directory, acmeEmail: email, acmeEab: customer } = config
  return new AcmeCertificates({
    folder,
    directory,
    name: new URL(config.url ?? '').hostname,
    email,
    externalAccount:
      customer === undefined ? undefined : { kid: customer.kid, hmacKey: fromBase64url(customer.key.reveal()) },
    challenges: challengesOf(config),
    log,
    clocks,
    dice,
    agent: `sett/${version}`,
  })
}
