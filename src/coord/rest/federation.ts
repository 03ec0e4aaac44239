/**
 * Federated identities: what an ID token of somebody else's issuer must say to stand for one. (api-v2.md §2.2)
 *
 * Signatures, and what issuers publish, are the shell's to look after; the rest is compared here.
 */

import type { Wall } from '../../base/clock.ts'
import type { Federation } from '../model/records.ts'

export type Claims = Readonly<Record<string, unknown>>

export type IdToken =
  /** Signed by a key that the issuer publishes, for this audience, and good now. */
  | { readonly kind: 'proved'; readonly claims: Claims }
  /** A sentence for whoever sent it; and for the log, what it was exactly. */
  | { readonly kind: 'refused'; readonly why: string; readonly fault: string }

export interface FederatedLogins {
  /** Never rejects. */
  verify(jwt: string, by: Pick<Federation, 'issuer' | 'audience'>, now: Wall): Promise<IdToken>
}

/** Where nobody asks issuers, nobody comes by them. */
export const NO_FEDERATION: FederatedLogins = {
  verify: () =>
    Promise.resolve({
      kind: 'refused',
      why: 'This server takes no ID tokens',
      fault: 'nobody verifies ID tokens',
    }),
}

/** The first claim that is not as the identity wants it; `undefined`: all are. */
export function claimAmiss({ issuer, subject, claims: rules }: Federation, claims: Claims): string | undefined {
  if (claims['iss'] !== issuer) return 'iss'
  if (!isLike(claims['sub'], subject)) return 'sub'
  return Object.entries(rules).find(
    ([name, pattern]) => !Object.hasOwn(claims, name) || !isLike(claims[name], pattern),
  )?.[0]
}

/** A claim that is a list says any of its items. */
function isLike(claim: unknown, pattern: string): boolean {
  if (Array.isArray(claim)) return claim.some((item) => !Array.isArray(item) && isLike(item, pattern))
  if (typeof claim === 'number' || typeof claim === 'boolean') return matchesGlob(String(claim), pattern)
  return typeof claim === 'string' && matchesGlob(claim, pattern)
}

/** Is this the text, where `*` stands for any, the empty one included? Takes at most length times length steps. */
export function matchesGlob(text: string, pattern: string): boolean {
  const [first = '', ...parts] = pattern.split('*')
  const last = parts.pop()
  if (last === undefined) return text === pattern
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false
  const end = text.length - last.length
  let from = first.length
  for (const part of parts) {
    const found = text.indexOf(part, from)
    if (found === -1 || found + part.length > end) return false
    from = found + part.length
  }
  return true
}

/** Does the pattern let everything through? */
export function isAnything(pattern: string): boolean {
  return /^\**$/.test(pattern)
}

/** An issuer's own name: an URL without anything that has no place in one. Over loopback nobody reads along. */
export function issuerFault(text: string): string | undefined {
  if (!URL.canParse(text)) return 'it is no URL'
  const url = new URL(text)
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopbackHost(url.hostname))) return 'want https://'
  if (url.username !== '' || url.password !== '' || /[?#\s]/.test(text))
    return 'want neither user, query, fragment nor blanks in it'
  return undefined
}

/** This machine itself, by a name that nobody else can give it. */
export function isLoopbackHost(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(hostname)
}
