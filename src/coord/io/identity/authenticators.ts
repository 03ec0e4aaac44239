/** Passkeys as browsers and authenticators speak of them. (WebAuthn, level 3) */

import {
  generateAuthenticationOptions,
  generateRegistrationOptions,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from '@simplewebauthn/server'
import type {
  AuthenticationResponseJSON,
  AuthenticatorTransport,
  RegistrationResponseJSON,
} from '@simplewebauthn/server'
import type { Authenticators } from '../../people/identity-providers.ts'

/** What people see in their authenticator. */
const NAME = 'Sett'
const TRANSPORTS: ReadonlySet<string> = new Set(['ble', 'cable', 'hybrid', 'internal', 'nfc', 'smart-card', 'usb'])

/** @param url the origin that browsers use; passkeys are bound to its host */
export function createAuthenticators(url: string, onFault: (fault: string) => void): Authenticators {
  const { origin, hostname } = new URL(url)
  const expected = { expectedOrigin: origin, expectedRPID: hostname, requireUserVerification: true }

  /** What comes from a browser may be anything; whatever the library makes of that, it is no passkey. */
  async function attempt<T>(verify: () => Promise<T>): Promise<T | undefined> {
    try {
      return await verify()
    } catch (error) {
      onFault(error instanceof Error ? error.message : String(error))
      return undefined
    }
  }

  return {
    async registrationOptions({ challenge, userHandle, loginName, displayName, existing }) {
      return await generateRegistrationOptions({
        rpName: NAME,
        rpID: hostname,
        challenge: Uint8Array.fromBase64(challenge, { alphabet: 'base64url' }),
        userID: Uint8Array.fromBase64(userHandle, { alphabet: 'base64url' }),
        userName: loginName,
        userDisplayName: displayName,
        excludeCredentials: existing.map((id) => ({ id })),
        authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
      })
    },

    async verifyRegistration(answer, challenge) {
      return await attempt(async () => {
        const response = answer as RegistrationResponseJSON
        const { verified, registrationInfo } = await verifyRegistrationResponse({
          response,
          expectedChallenge: challenge,
          ...expected,
        })
        if (!verified) return undefined
        const { id, publicKey, counter, transports = [] } = registrationInfo.credential
        return {
          credentialId: id,
          publicKey: publicKey.toBase64({ alphabet: 'base64url', omitPadding: true }),
          counter,
          transports: transports.filter((transport) => TRANSPORTS.has(transport)),
        }
      })
    },

    async authenticationOptions(challenge) {
      return await generateAuthenticationOptions({
        rpID: hostname,
        challenge: Uint8Array.fromBase64(challenge, { alphabet: 'base64url' }),
        userVerification: 'required',
      })
    },

    credentialIdOf(answer) {
      const id = typeof answer === 'object' && answer !== null && 'id' in answer ? answer.id : undefined
      return typeof id === 'string' && /^[A-Za-z0-9_-]{1,500}$/.test(id) ? id : undefined
    },

    async verifyAuthentication(answer, challenge, credentialId, passkey) {
      return await attempt(async () => {
        const { verified, authenticationInfo } = await verifyAuthenticationResponse({
          response: answer as AuthenticationResponseJSON,
          expectedChallenge: challenge,
          ...expected,
          credential: {
            id: credentialId,
            publicKey: Uint8Array.fromBase64(passkey.publicKey, { alphabet: 'base64url' }),
            counter: passkey.counter,
            transports: passkey.transports as AuthenticatorTransport[],
          },
        })
        return verified ? authenticationInfo.newCounter : undefined
      })
    },
  }
}
