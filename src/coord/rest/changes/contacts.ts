/** Setting whom to write to about a tailnet. (api-v2.md §4.9) */

import type { Contacts, ContactType } from '../../../wire/api/account-objects.ts'
import { CONTACTS_ID } from '../../model/account.ts'
import type { Plan } from '../../model/ledger.ts'
import type { TailnetState } from '../../model/model.ts'
import { ownerIn } from '../../model/owner.ts'
import { commit, DONE, settle } from '../answer.ts'
import type { Answer } from '../answer.ts'
import type { At } from '../call.ts'

/** Those that nobody has set are the owner’s, as far as their login name is an address. */
export function contactsOf(tailnet: TailnetState): Contacts {
  const set = tailnet.get('contacts', CONTACTS_ID) ?? {}
  const login = ownerIn(tailnet)?.loginName ?? ''
  const own = login.includes('@') ? login : ''
  const contact = (type: ContactType) => ({ email: set[type] ?? own, needsVerification: false })
  return { account: contact('account'), support: contact('support'), security: contact('security') }
}

/** Setting what is set already is no change. */
export function setContact({ tailnet }: At, type: ContactType, email: string): Plan<Answer<undefined>> {
  const before = tailnet.get('contacts', CONTACTS_ID) ?? {}
  if (before[type] === email) return settle(DONE)
  const expect = tailnet.version('contacts', CONTACTS_ID)
  return commit({ writes: [{ kind: 'contacts', id: CONTACTS_ID, expect, value: { ...before, [type]: email } }] }, DONE)
}
