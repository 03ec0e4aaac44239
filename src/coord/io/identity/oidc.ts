/**
 * OpenID Connect: authorization code with PKCE, nonce and state, whatever the provider. (OpenID Connect Core 1.0)
 *
 * What a provider publishes is read when it is first asked, and again after an hour; nothing of it is believed that
 * does not come over TLS, but for providers on this machine itself.
 */

import * as client from 'openid-client'
import type { Configuration } from 'openid-client'
import { HOUR_MS, MINUTE_MS } from '../../../base/clock.ts'
import { MeshError } from '../../../base/errors.ts'
import type { OidcSettings } from '../../model/records.ts'
import { isLoopbackHost } from '../../rest/federation.ts'
import type { Journey, Proved } from '../../people/identity-providers.ts'
import { readClaims } from './oidc-claims.ts'
import type { Said } from './oidc-claims.ts'
import { messageOf, provedBefore, refused, refusedByProvider } from './said.ts'

/** A provider that has not answered by then is taken to be away. */
const TIMEOUT_S = 10
/** Providers whose publications are kept. */
const KNOWN_MAX = 200
/** How far a provider's clock may be behind ours. */
const SKEW_MS = MINUTE_MS

export interface OidcDeps {
  /** Opens what was sealed with the server's key. */
  readonly unseal: (sealed: string, provider: string) => string
  /** Milliseconds of any clock that does not jump. */
  readonly mono: () => number
}

interface Known {
  readonly configuration: Configuration
  readonly until: number
}

export class Oidc {
  readonly #deps: OidcDeps
  readonly #known = new Map<string, Known>()

  constructor(deps: OidcDeps) {
    this.#deps = deps
  }

  /** Rejects with `api/unreachable` when the provider does not answer, or not as one. */
  async begin(provider: string, settings: OidcSettings, journey: Journey): Promise<string> {
    const configuration = await this.#configuration(provider, settings)
    const url = client.buildAuthorizationUrl(configuration, {
      redirect_uri: journey.redirectUri,
      scope: ['openid', ...settings.scopes.filter((scope) => scope !== 'openid')].join(' '),
      state: journey.state,
      nonce: journey.nonce,
      code_challenge: await client.calculatePKCECodeChallenge(journey.verifier),
      code_challenge_method: 'S256',
      ...(journey.again ? { prompt: 'login', max_age: '0' } : {}),
    })
    return url.href
  }

  async finish(provider: string, settings: OidcSettings, journey: Journey, answer: URLSearchParams): Promise<Proved> {
    const refusal = answer.get('error')
    if (refusal !== null) return refusedByProvider(refusal, answer.get('error_description') ?? '')
    try {
      const configuration = await this.#configuration(provider, settings)
      const tokens = await client.authorizationCodeGrant(
        configuration,
        new URL(`${journey.redirectUri}?${answer.toString()}`),
        {
          expectedState: journey.state,
          expectedNonce: journey.nonce,
          pkceCodeVerifier: journey.verifier,
          idTokenExpected: true,
        },
      )
      const said = tokens.claims()
      if (said === undefined) return refused('it sent no ID token')
      // Providers that cannot say when they last asked, such as Google, are taken at their word that they just did.
      const when = said.auth_time
      if (journey.again && typeof when === 'number' && when * 1000 < journey.begun - SKEW_MS)
        return provedBefore('auth_time is before the login began')
      return {
        kind: 'proved',
        claims: readClaims(settings, said, await userInfo(configuration, tokens.access_token, said.sub)),
      }
    } catch (error) {
      return refused(messageOf(error))
    }
  }

  async #configuration(provider: string, settings: OidcSettings): Promise<Configuration> {
    const { mono, unseal } = this.#deps
    const key = JSON.stringify([settings.issuer, settings.clientId, settings.clientSecret])
    const known = this.#known.get(key)
    if (known !== undefined && known.until > mono()) return known.configuration
    const secret = settings.clientSecret === undefined ? undefined : unseal(settings.clientSecret, provider)
    try {
      const configuration = await discover(settings, secret)
      this.#known.delete(key)
      for (const oldest of this.#known.keys()) if (this.#known.size >= KNOWN_MAX) this.#known.delete(oldest)
      this.#known.set(key, { configuration, until: mono() + HOUR_MS })
      return configuration
    } catch (cause) {
      throw new MeshError('api/unreachable', `Cannot read what ${settings.issuer} publishes: ${messageOf(cause)}`, {
        cause,
      })
    }
  }
}

async function discover({ issuer, clientId }: OidcSettings, secret: string | undefined): Promise<Configuration> {
  const url = new URL(issuer)
  const configuration = await client.discovery(
    url,
    clientId,
    undefined,
    secret === undefined ? client.None() : authenticate(secret),
    { timeout: TIMEOUT_S, ...(isLoopbackHost(url.hostname) ? { execute: [client.allowInsecureRequests] } : {}) },
  )
  // Entra ID's `common` and `organizations` log in whoever has an account anywhere, whose administrators say what they like.
  if (configuration.serverMetadata().issuer.includes('{tenantid}'))
    throw new Error(
      'it speaks for every tenant: give the issuer of your own, https://login.microsoftonline.com/TENANT-ID/v2.0',
    )
  return configuration
}

/** In the body where the provider takes that; else as the standard has it. (OpenID Connect Discovery 1.0, §3) */
function authenticate(secret: string): client.ClientAuth {
  const [inBody, inHeader] = [client.ClientSecretPost(secret), client.ClientSecretBasic(secret)]
  return (server, metadata, body, headers) => {
    const methods = server.token_endpoint_auth_methods_supported
    return (methods?.includes('client_secret_post') === true ? inBody : inHeader)(server, metadata, body, headers)
  }
}

async function userInfo(configuration: Configuration, token: string, subject: string): Promise<Said> {
  if (configuration.serverMetadata().userinfo_endpoint === undefined) return {}
  return await client.fetchUserInfo(configuration, token, subject)
}
