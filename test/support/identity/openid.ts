/** A real OpenID provider for tests, which asks for nothing but a name and says what the test has it say. */

import { generateKeyPairSync } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Provider } from 'oidc-provider'
import type { ClientMetadata, KoaContextWithOIDC } from 'oidc-provider'
import { askWho, formOf, stand } from './form.ts'
import type { Standing } from './form.ts'

export type Said = Readonly<Record<string, unknown>>

export interface OpenIdOptions {
  readonly redirectUri: string
  /** What it says of whom; others do not exist. May change while it runs. */
  readonly people: Readonly<Record<string, Said>>
  readonly port?: number
  /** Claims are told when asked for them (`userinfo`) rather than in the ID token. */
  readonly apart?: boolean
  readonly client?: Partial<ClientMetadata>
}

export interface OpenId extends Standing {
  readonly clientId: string
  readonly clientSecret: string
}

const CLIENT = { id: 'sett', secret: 'a-secret-of-the-test-provider' }

export async function standOpenId(options: OpenIdOptions): Promise<OpenId> {
  let handle: ReturnType<Provider['callback']> | undefined
  let provider: Provider | undefined

  async function finish(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const accountId = (await formOf(req)).get('login') ?? ''
    const result = accountId === '' ? { error: 'access_denied' } : { login: { accountId } }
    await provider?.interactionFinished(req, res, result, { mergeWithLastSubmission: false })
  }

  const standing = await stand(options.port ?? 0, (req, res) => {
    const interaction = /^\/interaction\/[\w-]+$/.exec(req.url ?? '')
    if (interaction === null) void handle?.(req, res)
    else if (req.method === 'POST') void finish(req, res)
    else askWho(res, interaction[0])
  })

  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  provider = new Provider(standing.url, {
    clients: [
      {
        client_id: CLIENT.id,
        client_secret: CLIENT.secret,
        redirect_uris: [options.redirectUri],
        token_endpoint_auth_method: 'client_secret_post',
        ...options.client,
      },
    ],
    jwks: { keys: [{ ...(privateKey.export({ format: 'jwk' }) as { kty: 'RSA' }), alg: 'RS256', use: 'sig' }] },
    cookies: { keys: ['test'] },
    conformIdTokenClaims: options.apart === true,
    claims: { openid: [...new Set(['sub', ...Object.values(options.people).flatMap((said) => Object.keys(said))])] },
    scopes: ['openid', 'profile', 'email', 'groups'],
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false }, rpInitiatedLogout: { enabled: false } },
    interactions: { url: (_, { uid }) => `/interaction/${uid}` },
    findAccount: (_, accountId) => {
      const said = options.people[accountId]
      return said && { accountId, claims: () => ({ sub: accountId, ...said }) }
    },
    loadExistingGrant: agree,
  })
  handle = provider.callback()
  return { ...standing, clientId: CLIENT.id, clientSecret: CLIENT.secret }
}

/** Nobody is asked whether we may know what they are called. */
async function agree({ oidc }: KoaContextWithOIDC) {
  const grant = new oidc.provider.Grant({
    ...(oidc.client === undefined ? {} : { clientId: oidc.client.clientId }),
    ...(oidc.session?.accountId === undefined ? {} : { accountId: oidc.session.accountId }),
  })
  grant.addOIDCScope('openid profile email groups')
  await grant.save()
  return grant
}
