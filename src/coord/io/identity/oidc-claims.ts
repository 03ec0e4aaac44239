/**
 * Reads the claims of OpenID Connect, where providers differ: who has verified the address, and where the groups are.
 * (OpenID Connect Core 1.0, §5.1)
 */

import type { OidcSettings } from '../../model/records.ts'
import type { Claims } from '../../people/claims.ts'
import { addressOf, listOf, pictureOf, textOf } from './said.ts'

export type Said = Readonly<Record<string, unknown>>

const GOOGLE = 'https://accounts.google.com'

/** @param token claims of the ID token; @param userInfo what the provider says beside it, asked with its access token */
export function readClaims(settings: OidcSettings, token: Said, userInfo: Said): Claims {
  const email = verifiedEmail(settings, token, userInfo)
  const said = { ...userInfo, ...token }
  const handle = textOf(said['preferred_username']) ?? textOf(said['nickname'])
  const displayName = textOf(said['name'])
  const pictureUrl = pictureOf(said['picture'])
  return {
    issuer: String(token['iss']),
    subject: String(token['sub']),
    ...(email === undefined ? {} : { email }),
    ...(handle === undefined ? {} : { handle }),
    ...(displayName === undefined ? {} : { displayName }),
    ...(pictureUrl === undefined ? {} : { pictureUrl }),
    groups: listOf(said[settings.groupsClaim]),
  }
}

/** The address, where somebody vouches for it. What is said of one address is not believed of another. */
function verifiedEmail(settings: OidcSettings, token: Said, userInfo: Said): string | undefined {
  const email = addressOf(token['email'] ?? userInfo['email'])
  if (email === undefined) return undefined
  if (settings.trustEmail) return email
  const sayings = [token, userInfo].filter((said) => (said['email'] ?? email) === email)
  return sayings.some((said) => isVouchedFor(email, String(token['iss']), said, token)) ? email : undefined
}

function isVouchedFor(email: string, issuer: string, said: Said, token: Said): boolean {
  // Entra ID: the owner of the address' domain is verified. It says 1 as well as true.
  if (isTrue(said['xms_edov'])) return true
  if (!isTrue(said['email_verified'])) return false
  // Google verifies an address when an account is made, and vouches for it later only where it runs the mailbox:
  // whoever has left a company may still hold a Google account of its address. `hd` is in accounts that are managed.
  return issuer !== GOOGLE || /@gmail\.com$/i.test(email) || textOf(token['hd']) !== undefined
}

/** Some write it as a text or a number. */
function isTrue(value: unknown): boolean {
  return value === true || value === 'true' || value === 1 || value === '1'
}
