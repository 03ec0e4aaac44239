/** Speaks with an identity provider of whatever kind. */

import { providerSecretPlace } from '../../model/people.ts'
import type { Provider } from '../../model/records.ts'
import type { IdentityProviders, Journey, Proved } from '../../people/identity-providers.ts'
import { Github } from './github.ts'
import { Oidc } from './oidc.ts'
import type { Seal } from './seal.ts'

export interface ProviderDeps {
  readonly seal: Seal
  /** Milliseconds of any clock that does not jump. */
  readonly mono: () => number
  /** The origin that browsers use. */
  readonly url: string
}

export function createProviders({ seal, mono, url }: ProviderDeps): IdentityProviders {
  const unseal = (sealed: string, provider: string): string => seal.unseal(sealed, providerSecretPlace(provider))
  const oidc = new Oidc({ unseal, mono })
  const github = new Github({ unseal })
  /** SAML brings XML with it, which most servers never need. */
  const saml = () => import('./saml.ts')
  const acsUrl = `${url}/auth/saml`

  return {
    async begin(provider: Provider, journey: Journey): Promise<string> {
      const { id, settings } = provider
      switch (settings.kind) {
        case 'oidc':
          return await oidc.begin(id, settings, journey)
        case 'github':
          return github.begin({ ...provider, settings }, journey)
        case 'saml':
          return await (await saml()).beginSaml(settings, acsUrl, journey)
      }
    },
    async finish(provider: Provider, journey: Journey, answer: URLSearchParams): Promise<Proved> {
      const { id, settings } = provider
      switch (settings.kind) {
        case 'oidc':
          return await oidc.finish(id, settings, journey, answer)
        case 'github':
          return await github.finish({ ...provider, settings }, journey, answer)
        case 'saml':
          return await (await saml()).finishSaml(settings, acsUrl, journey, answer)
      }
    },
  }
}
