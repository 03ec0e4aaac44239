/** What the stage asks of whoever speaks with identity providers and with authenticators. The shell implements it. */

import type { Wall } from '../../base/clock.ts'
import type { Passkey, Provider } from '../model/records.ts'
import type { Claims } from './claims.ts'

/** What belongs to one way to a provider and back. */
export interface Journey {
  readonly state: string
  readonly nonce: string
  /** PKCE. */
  readonly verifier: string
  readonly redirectUri: string
  /** They are to prove it anew, however short ago they did. */
  readonly again: boolean
  readonly begun: Wall
}

export type Proved =
  | { readonly kind: 'proved'; readonly claims: Claims }
  /** A sentence for the person at the browser; and for the log, what it was exactly. */
  | { readonly kind: 'refused'; readonly why: string; readonly fault: string }

export interface IdentityProviders {
  /** Where the browser is to go. Rejects with `api/unreachable` when the provider does not answer. */
  begin(provider: Provider, journey: Journey): Promise<string>
  /** Reads what the browser came back with. */
  finish(provider: Provider, journey: Journey, answer: URLSearchParams): Promise<Proved>
}

export interface NewPasskey {
  readonly credentialId: string
  readonly publicKey: string
  readonly counter: number
  readonly transports: readonly string[]
}

/** WebAuthn, level 3. Options and answers are its JSON forms. */
export interface Authenticators {
  registrationOptions(ask: {
    readonly challenge: string
    readonly userHandle: string
    readonly loginName: string
    readonly displayName: string
    readonly existing: readonly string[]
  }): Promise<unknown>
  verifyRegistration(answer: unknown, challenge: string): Promise<NewPasskey | undefined>
  authenticationOptions(challenge: string): Promise<unknown>
  /** The credential that an answer claims to be of; nothing is verified. */
  credentialIdOf(answer: unknown): string | undefined
  /** The counter after it, or nothing when it does not hold. */
  verifyAuthentication(
    answer: unknown,
    challenge: string,
    credentialId: string,
    passkey: Passkey,
  ): Promise<number | undefined>
}
