/** Speaks with an identity provider of whatever kind. */

import type { IdentityProviders, Journey, Proved } from '../../people/identity-providers.ts'
import { MeshError } from '../../../base/errors.ts'
import { providerSecretPlace } from '../../model/people.ts'
import type { OidcSettings, Provider } from '../../model/records.ts'
import { Oidc } from './oidc.ts'
import type { Seal } from './seal.ts'

export interface ProviderDeps {
  readonly seal: Seal
  readonly mono: () => number
}

export function createProviders({ seal, mono }: ProviderDeps): IdentityProviders {
  const oidc = new Oidc({ unseal: (sealed, provider) => seal.unseal(sealed, providerSecretPlace(provider)), mono })
  return {
    begin: (provider: Provider, journey: Journey): Promise<string> =>
      oidc.begin(provider.id, oidcOf(provider), journey),
    finish: (provider: Provider, journey: Journey, answer: URLSearchParams): Promise<Proved> =>
      oidc.finish(provider.id, oidcOf(provider), journey, answer),
  }
}

function oidcOf({ id, settings }: Provider): OidcSettings {
  if (settings.kind === 'oidc') return settings
  throw new MeshError(
    'config/invalid',
    `Cannot log in by ${id}: this server speaks OpenID Connect alone, not ${settings.kind}`,
  )
}
