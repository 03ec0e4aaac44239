/** The one proof that the authority may be looking for just now, and nothing at any other time. */

import { createHash } from 'node:crypto'
import * as der from '../../../crypto/io/der.ts'
import { critical, makeSelfSigned } from '../../../crypto/io/self-signed.ts'
import type { CertifiedKey } from '../../../crypto/io/self-signed.ts'
import type { Proof } from '../../acme/obtain.ts'

/** `id-pe-acmeIdentifier` (RFC 8737, 3). */
const ACME_IDENTIFIER = der.oid('2b0601050507011f')

export class Proofs {
  #proof: Proof | undefined
  #certificate: CertifiedKey | undefined

  present(proof: Proof, now: Date): void {
    this.#proof = proof
    this.#certificate = proof.type === 'tls-alpn-01' ? certificateOf(proof, now) : undefined
  }

  withdraw(): void {
    this.#proof = undefined
    this.#certificate = undefined
  }

  /** What `/.well-known/acme-challenge/TOKEN` says. */
  answer(token: string): string | undefined {
    const proof = this.#proof
    return proof?.type === 'http-01' && proof.token === token ? proof.keyAuthorization : undefined
  }

  /** What is shown to whoever asks for `name` and speaks `acme-tls/1`. */
  certificate(name: string): CertifiedKey | undefined {
    return this.#proof?.name === name.toLowerCase() ? this.#certificate : undefined
  }
}

function certificateOf({ name, keyAuthorization }: Proof, now: Date): CertifiedKey {
  const hash = createHash('sha256').update(keyAuthorization).digest()
  return makeSelfSigned([name], now, { days: 1, extensions: [critical(ACME_IDENTIFIER, der.octets(hash))] })
}
