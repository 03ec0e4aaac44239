/** Puts the pages of the server together with whoever they need: the ledger, identity providers, authenticators. */

import type { Dice } from '../../../base/bytes.ts'
import type { Coord } from '../../coord.ts'
import type { Sha256 } from '../../model/credentials.ts'
import { Site } from '../../people/site.ts'
import { createAuthenticators } from '../identity/authenticators.ts'
import { createProviders } from '../identity/providers.ts'
import type { Seal } from '../identity/seal.ts'
import type { Log } from '../log.ts'
import type { TrustedProxies } from './forwarded.ts'
import { createSiteListener } from './site-listener.ts'
import type { SiteListener } from './site-listener.ts'

export interface SiteOptions {
  readonly coord: Pick<Coord, 'ledger'>
  readonly seal: Seal
  /** The origin that browsers use. */
  readonly url: string
  readonly log: Log
  readonly dice: Dice
  readonly sha256: Sha256
  readonly mono: () => number
  readonly proxies: TrustedProxies
}

export function openSite({ coord, seal, url, log, dice, sha256, mono, proxies }: SiteOptions): SiteListener {
  const site = new Site({
    ledger: coord.ledger,
    dice,
    sha256,
    providers: createProviders({ seal, mono, url }),
    authenticators: createAuthenticators(url, (fault) => log.info('passkey refused', { fault })),
    url,
    onFault: (what, fault, from) => log.info(`${what} refused`, { fault, from }),
  })
  return createSiteListener({
    site,
    url,
    addressOf: (req) => proxies.client(req.socket.remoteAddress, req.headers).address,
  })
}
