/** How people get into a tailnet: by its identity providers, and by passkeys if anybody has one. */

import type { Model } from '../model/model.ts'
import type { Tailnet } from '../model/records.ts'
import type { Ways } from './pages/people.ts'

/** @param next path to go on to; `undefined` is returned where nobody can log in */
export function waysInto(model: Model, tailnet: Tailnet, next: string): Ways | undefined {
  const state = model.state(tailnet.num)
  const providers = [...state.all('provider')].sort((a, b) => a.title.localeCompare(b.title, 'en'))
  const passkeys = state.count('passkey') > 0
  return providers.length === 0 && !passkeys ? undefined : { tailnet, providers, passkeys, next }
}
