/** The one proof that the authority may be looking for just now, and nothing at any other time. */

import { createHash } from 'node:crypto'
import * as der from '../../../crypto/io/der.ts'
import { critical, makeSelfSigned } from '../../../crypto/io/self-signed.ts'
import type { CertifiedKey } from '../../../crypto/io/self-signed.ts'
import type { Proof } from '../../acme/obtain.ts'

/** `id-pe-acmeIdentifier` (RFC 8737, 3). */
const ACME_IDENTIFIER = der.oid('2b0601050507011f')

export class Proofs {
  /** By token. */
  readonly #answers = new Map<string, string>()
  /** By name. */
  readonly #certificates = new Map<string, CertifiedKey>()

  present(proof: Proof, now: Date): void {
    this.withdraw()
    if (proof.type === 'http-01') this.#answers.set(proof.token, proof.keyAuthorization)
    else this.#certificates.set(proof.name, certificateOf(proof, now))
  }

  withdraw(): void {
    this.#answers.clear()
    this.#certificates.clear()
  }

  /** What `/.well-known/acme-challenge/TOKEN` says. */
  answer(token: string): string | undefined {
    return this.#answers.get(token)
  }

  /** What is shown to whoever asks for `name` and speaks `acme-tls/1`. */
  certificate(name: string): CertifiedKey | undefined {
    return this.#certificates.get(name.toLowerCase())
  }
}

function certificateOf({ name, keyAuthorization }: Proof, now: Date): CertifiedKey {
  const hash = createHash('sha256').update(keyAuthorization).digest()
  return makeSelfSigned([name], now, { days: 1, extensions: [critical(ACME_IDENTIFIER, der.octets(hash))] })
}
