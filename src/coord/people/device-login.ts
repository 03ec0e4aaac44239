/** A device that waits behind a login link: whoever is logged in connects it as theirs, or refuses it. (control.md §4.5) */

import type { By } from '../model/audit.ts'
import type { Ledger, Plan } from '../model/ledger.ts'
import { SERVER } from '../model/records.ts'
import type { PendingLogin } from '../model/records.ts'
import type { SignedIn } from './sessions.ts'

export type Decision = 'connect' | 'refuse'
export type Decided =
  | { readonly kind: 'decided'; readonly login: PendingLogin }
  /** It is over, or somebody else was faster. */
  | { readonly kind: 'gone' }

export async function decideLogin(
  ledger: Ledger,
  code: string,
  decision: Decision,
  { user, tailnet }: SignedIn,
  by: By,
): Promise<Decided> {
  return await ledger.transact(SERVER, by, (model, now): Plan<Decided> => {
    const login = model.login(code)
    if (login === undefined || login.outcome !== undefined || login.expires <= now) return { result: { kind: 'gone' } }
    const outcome: NonNullable<PendingLogin['outcome']> =
      decision === 'connect'
        ? { kind: 'approved', tailnet: tailnet.num, user: user.id }
        : { kind: 'refused', why: `refused by ${user.loginName}` }
    const after = { ...login, outcome }
    const expect = model.server.version('login', code)
    return {
      batch: { writes: [{ kind: 'login', id: code, expect, value: after }] },
      result: { kind: 'decided', login: after },
    }
  })
}
