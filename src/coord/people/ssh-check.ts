/**
 * A login by SSH that waits for its check: whoever the device belongs to proves who they are, and lets it go on or
 * refuses it. Nobody else can, and no login of a browser that is older than the check counts. (control.md §10.2)
 */

import type { By } from '../model/audit.ts'
import type { Ledger, Plan } from '../model/ledger.ts'
import { SERVER } from '../model/records.ts'
import type { Authentication } from '../model/records.ts'
import { isOpen } from '../model/ssh-checks.ts'
import type { SshCheck } from '../model/ssh-checks.ts'
import type { SignedIn } from './sessions.ts'

export type Decision = 'allow' | 'refuse'
export type Decided =
  | { readonly kind: 'decided'; readonly check: SshCheck }
  /** It is over, or somebody else was faster. */
  | { readonly kind: 'gone' }
  /** It is another person's. */
  | { readonly kind: 'foreign' }
  /** They have not proved who they are since it began. */
  | { readonly kind: 'unproved' }

/** Is this the person whose device it is? */
export function isTheirs(check: SshCheck, { user, tailnet }: SignedIn): boolean {
  return check.tailnet === tailnet.num && check.user === user.id
}

/** Have they proved who they are since it began? */
export function isProved(check: SshCheck, authenticated: Authentication): boolean {
  return authenticated.at >= check.created
}

export async function decideSshCheck(
  ledger: Ledger,
  code: string,
  decision: Decision,
  signedIn: SignedIn,
  by: By,
): Promise<Decided> {
  const { authenticated } = signedIn.session
  return await ledger.transact(SERVER, by, (model, now): Plan<Decided> => {
    const check = model.server.get('ssh-check', code)
    if (check === undefined || !isOpen(check, now)) return { result: { kind: 'gone' } }
    if (!isTheirs(check, signedIn)) return { result: { kind: 'foreign' } }
    // To refuse takes no proof: it opens nothing.
    if (decision === 'allow' && !isProved(check, authenticated)) return { result: { kind: 'unproved' } }
    const outcome = decision === 'allow' ? ({ kind: 'passed', authenticated } as const) : ({ kind: 'refused' } as const)
    const after: SshCheck = { ...check, outcome }
    const expect = model.server.version('ssh-check', code)
    return {
      batch: { writes: [{ kind: 'ssh-check', id: code, expect, value: after }] },
      result: { kind: 'decided', check: after },
    }
  })
}
