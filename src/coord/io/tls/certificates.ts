/** Where the server's certificate comes from and what is known of it: what listeners, health and metrics are handed. */

import { formatTime } from '../../../base/clock.ts'
import type { Wall } from '../../../base/clock.ts'
import type { CertifiedKey } from '../../../crypto/io/self-signed.ts'

/** What clients are shown, and whether it is in order. */
export interface CertificateState {
  /** When it ends; absent: there is only a stand-in that nobody trusts. */
  readonly until?: Wall
  /** It could not be replaced when it was last tried. */
  readonly failure?: { readonly at: Wall; readonly why: string }
}

export interface Certificates {
  /** From now on it is kept good; before, it is only read. */
  start?(): void
  /** What an authority finds under a token, if it may look for it now (RFC 8555, 8.3). */
  answer?(token: string): string | undefined
  /** What is shown now. */
  readonly current: CertifiedKey
  readonly state: CertificateState
  /** How often it could not be replaced. */
  readonly failures: number
  /** Has every later one be shown as well, until `close`. */
  follow(show: (pair: CertifiedKey) => void): void
  /** What proves a name to an authority that asks for it just now (RFC 8737). */
  proofOf?(name: string): CertifiedKey | undefined
  close(): void
}

/** What is wrong with it, for everybody to know; `undefined` when it is in order. The log says why. */
export function troubleOf({ until, failure }: CertificateState, now: Wall): string | undefined {
  if (until === undefined) return 'there is no certificate yet'
  if (until <= now) return `the certificate ran out at ${formatTime(until)}`
  if (failure === undefined) return undefined
  return `the certificate could not be replaced at ${formatTime(failure.at)} and is good until ${formatTime(until)}`
}
