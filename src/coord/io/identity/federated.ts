/** Verifies ID tokens of federated identities: signature, issuer, audience and times. (RFC 7519; OpenID Connect Core §3.1.3.7) */

import { decodeJwt, errors, jwtVerify } from 'jose'
import type { JWTPayload, JWTVerifyOptions } from 'jose'
import type { Wall } from '../../../base/clock.ts'
import type { Federation } from '../../model/records.ts'
import type { FederatedLogins, IdToken } from '../../rest/federation.ts'
import { IssuerKeys } from './issuer-keys.ts'
import type { IssuerKeysOptions, KeySet } from './issuer-keys.ts'
import { fetchPublicJson } from './public-json.ts'

/** Those by which a key that everybody may read verifies and does not sign. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']
/** Clocks of issuers may be off by so much. */
const TOLERANCE_S = 60
/** Of keys that a token may mean, when it does not say which. */
const MOST_TRIED = 10

export type FederatedOptions = Pick<IssuerKeysOptions, 'mono' | 'failed'> & Partial<Pick<IssuerKeysOptions, 'fetch'>>

type Wanted = Pick<Federation, 'issuer' | 'audience'>

export class Federated implements FederatedLogins {
  readonly #keys: IssuerKeys

  /** Without `fetch`, the network is asked. */
  constructor({ fetch = (url) => fetchPublicJson(url), ...options }: FederatedOptions) {
    this.#keys = new IssuerKeys({ fetch, ...options })
  }

  async verify(jwt: string, wanted: Wanted, now: Wall): Promise<IdToken> {
    const amiss = amissAtSight(jwt, wanted, now)
    if (amiss !== undefined) return refused(amiss, amiss)
    let keys: KeySet
    try {
      keys = await this.#keys.of(wanted.issuer)
    } catch (error) {
      return unread(error)
    }
    try {
      return { kind: 'proved', claims: await verifyBy(keys, jwt, wanted, now) }
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) return unverified(error)
    }
    try {
      keys = await this.#keys.of(wanted.issuer, true)
    } catch (error) {
      return unread(error)
    }
    try {
      return { kind: 'proved', claims: await verifyBy(keys, jwt, wanted, now) }
    } catch (error) {
      return unverified(error)
    }
  }
}

/** What anybody can see; issuers are not asked about tokens that could not be good whatever their keys are. */
function amissAtSight(jwt: string, { issuer, audience }: Wanted, now: Wall): string | undefined {
  let claims: JWTPayload
  try {
    claims = decodeJwt(jwt)
  } catch {
    return 'The ID token is no JSON Web Token'
  }
  if (claims.iss !== issuer) return 'The ID token is not of this identity’s issuer: its claim "iss" does not match'
  if (![claims.aud].flat().includes(audience))
    return 'The ID token is not for this identity: its claim "aud" does not match'
  if (typeof claims.exp !== 'number') return 'The ID token has no time at which it expires'
  return claims.exp + TOLERANCE_S <= now / 1000 ? 'The ID token has expired' : undefined
}

async function verifyBy(keys: KeySet, jwt: string, { issuer, audience }: Wanted, now: Wall): Promise<JWTPayload> {
  const options: JWTVerifyOptions = {
    issuer,
    audience,
    algorithms: ALGORITHMS,
    clockTolerance: TOLERANCE_S,
    currentDate: new Date(now),
    requiredClaims: ['exp', 'sub'],
  }
  try {
    return (await jwtVerify(jwt, keys, options)).payload
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
    let tried = 0
    for await (const key of error) {
      try {
        return (await jwtVerify(jwt, key, options)).payload
      } catch (cause) {
        if (!(cause instanceof errors.JWSSignatureVerificationFailed) || ++tried >= MOST_TRIED) throw cause
      }
    }
    throw new errors.JWSSignatureVerificationFailed(undefined, { cause: error })
  }
}

function unread(error: unknown): IdToken {
  const fault = error instanceof Error ? error.message : String(error)
  // What exactly happened would tell an administrator of one tailnet what is where in the server's network.
  return refused('The keys of the issuer cannot be read; the server’s log says why', `keys of the issuer: ${fault}`)
}

function unverified(error: unknown): IdToken {
  const fault = error instanceof Error ? error.message : String(error)
  if (error instanceof errors.JWTExpired) return refused('The ID token has expired', fault)
  if (error instanceof errors.JWTClaimValidationFailed)
    return refused(`The ID token is not good: its claim "${error.claim}" does not hold`, fault)
  return refused('The ID token is not signed by a key that its issuer publishes', fault)
}

function refused(why: string, fault: string): IdToken {
  return { kind: 'refused', why, fault: fault.slice(0, 300) }
}
