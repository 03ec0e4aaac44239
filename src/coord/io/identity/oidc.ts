/**
 * OpenID Connect: authorization code with PKCE, nonce and state, whatever the provider. (OpenID Connect Core 1.0)
 *
 * What a provider publishes is read when it is first asked, and again after an hour; nothing of it is believed that
 * does not come over TLS, but for providers on this machine itself.
 */

import * as client from 'openid-client'
import type { Configuration } from 'openid-client'
import { HOUR_MS } from '../../../base/clock.ts'
import { MeshError } from '../../../base/errors.ts'
import type { OidcSettings } from '../../model/records.ts'
import type { Journey, Proved } from '../../people/identity-providers.ts'
import type { Claims } from '../../people/claims.ts'

/** A provider that has not answered by then is taken to be away. */
const TIMEOUT_S = 10
/** What a provider may send at once. */
const TEXT_MAX = 254

export interface OidcDeps {
  /** Opens what was sealed with the server's key. */
  readonly unseal: (sealed: string, provider: string) => string
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
    if (refusal !== null) return refusedBy(refusal, answer.get('error_description') ?? '')
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
          ...(journey.again ? { maxAge: 0 } : {}),
        },
      )
      const said = tokens.claims()
      if (said === undefined) return refused('it sent no ID token')
      const more = await this.#userInfo(configuration, tokens.access_token, said.sub)
      // What the token says counts; the other is asked for what it leaves out.
      return { kind: 'proved', claims: claimsOf(settings, { ...more, ...said }) }
    } catch (error) {
      return refused(messageOf(error))
    }
  }

  async #userInfo(configuration: Configuration, token: string, subject: string): Promise<Record<string, unknown>> {
    if (configuration.serverMetadata().userinfo_endpoint === undefined) return {}
    return await client.fetchUserInfo(configuration, token, subject)
  }

  async #configuration(provider: string, settings: OidcSettings): Promise<Configuration> {
    const { mono, unseal } = this.#deps
    const key = JSON.stringify([settings.issuer, settings.clientId, settings.clientSecret])
    const known = this.#known.get(key)
    if (known !== undefined && known.until > mono()) return known.configuration
    const issuer = new URL(settings.issuer)
    const secret = settings.clientSecret === undefined ? undefined : unseal(settings.clientSecret, provider)
    try {
      const configuration = await client.discovery(
        issuer,
        settings.clientId,
        undefined,
        secret === undefined ? client.None() : client.ClientSecretPost(secret),
        { timeout: TIMEOUT_S, ...(isOnThisMachine(issuer) ? { execute: [client.allowInsecureRequests] } : {}) },
      )
      this.#known.set(key, { configuration, until: mono() + HOUR_MS })
      return configuration
    } catch (cause) {
      throw new MeshError('api/unreachable', `Cannot read what ${settings.issuer} publishes: ${messageOf(cause)}`, {
        cause,
      })
    }
  }
}

/** Over loopback nobody reads along, and tests and sidecars have no certificate. */
function isOnThisMachine({ hostname }: URL): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname)
}

/**
 * Reads claims. An address counts only where the provider says that it has verified it, or is trusted to; Entra ID says
 * so by `xms_edov`.
 */
function claimsOf(settings: OidcSettings, said: Readonly<Record<string, unknown>>): Claims {
  const email = textOf(said['email'])
  const verified = isTrue(said['email_verified']) || isTrue(said['xms_edov']) || settings.trustEmail
  const handle = textOf(said['preferred_username']) ?? textOf(said['nickname'])
  const displayName = textOf(said['name'])
  const pictureUrl = textOf(said['picture'], 2048)
  return {
    issuer: String(said['iss']),
    subject: String(said['sub']),
    ...(email !== undefined && verified && isAddress(email) ? { email } : {}),
    ...(handle === undefined ? {} : { handle }),
    ...(displayName === undefined ? {} : { displayName }),
    ...(pictureUrl !== undefined && pictureUrl.startsWith('https://') ? { pictureUrl } : {}),
    groups: listOf(said[settings.groupsClaim]),
  }
}

function listOf(value: unknown): string[] {
  const items: readonly unknown[] = Array.isArray(value) ? value : typeof value === 'string' ? [value] : []
  return items.map((item) => textOf(item)).filter((text): text is string => text !== undefined)
}

/** Some write it as a text. */
function isTrue(value: unknown): boolean {
  return value === true || value === 'true'
}

function textOf(value: unknown, max: number = TEXT_MAX): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= max ? value : undefined
}

function isAddress(text: string): boolean {
  return /^[^\s@<>"',;]{1,64}@[A-Za-z0-9.-]{1,189}$/.test(text)
}

function refusedBy(code: string, description: string): Proved {
  const fault = `${code.slice(0, 64)} ${description.slice(0, 200)}`.trim()
  if (code === 'access_denied') return { kind: 'refused', why: 'The login was cancelled.', fault }
  return refused(fault)
}

function refused(fault: string): Proved {
  return {
    kind: 'refused',
    why: 'Your identity provider’s answer could not be accepted. Try again; if it goes on, tell an administrator.',
    fault,
  }
}

/** The cause says more than the library's own sentence. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : ''
  return `${error.message}${cause}`.slice(0, 500)
}
