/** Federated identities, loaded when the first of them comes: what verifies their tokens weighs more than most servers need. */

import type { FederatedLogins } from '../../rest/federation.ts'
import type { FederatedOptions } from './federated.ts'

export function lazyFederation(options: FederatedOptions): FederatedLogins {
  let loaded: Promise<FederatedLogins> | undefined
  return {
    async verify(...asked) {
      loaded ??= import('./federated.ts').then(({ Federated }) => new Federated(options))
      return await (await loaded).verify(...asked)
    },
  }
}
