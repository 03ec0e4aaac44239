/**
 * Inviting people: links that let somebody join once, in a role, and may be taken back. (api-v2.md §4.3)
 *
 * A link is a ticket, of which no more than the hash is kept; so it is shown when it is made, and never again.
 */

import { DAY_MS, later, MINUTE_MS } from '../../../base/clock.ts'
import type { CreateUserInvites, UserInvite } from '../../../wire/api/account-objects.ts'
import type { Plan } from '../../model/ledger.ts'
import { findUser } from '../../model/people.ts'
import type { Ticket, Write } from '../../model/records.ts'
import { openInvites, ticketUrl, ticketWrite } from '../../model/tickets.ts'
import type { MintedTicket } from '../../model/tickets.ts'
import { commit, DONE, done, refuse, settle } from '../answer.ts'
import type { Answer, Refusal } from '../answer.ts'
import { NO_INVITE } from '../authorise.ts'
import { userIdOf } from '../caller.ts'
import type { At } from '../call.ts'
import { viewInvite } from '../views/user-invite.ts'

const INVITE_MS = 30 * DAY_MS
const INVITES_MAX = 1000
const RESEND_MS = MINUTE_MS

/** What a new invitation is known by, and its link. */
export interface MintedInvite {
  readonly id: string
  readonly ticket: MintedTicket
}

/** All of them, or none. */
export function createInvites(
  at: At,
  wanted: CreateUserInvites,
  minted: readonly MintedInvite[],
  url: string,
): Plan<Answer<UserInvite[]>> {
  const who = inviter(at)
  if ('kind' in who) return settle(who)
  const open = [...openInvites(at.tailnet, at.now)]
  if (open.length + wanted.length > INVITES_MAX)
    return settle(refuse(400, `A tailnet has at most ${INVITES_MAX} open invitations: take some back first`))
  const invited = new Set(open.flatMap(([, { email }]) => email?.toLowerCase() ?? []))
  const writes: Write[] = []
  const made: UserInvite[] = []
  for (const [i, { role = 'member', email }] of wanted.entries()) {
    if (role === 'owner')
      return settle(
        refuse(400, 'Nobody is invited as an owner: invite them with another role, then hand the tailnet over'),
      )
    if (email != null && findUser(at.tailnet, email) !== undefined)
      return settle(refuse(409, `There is a user ${email} in this tailnet already`))
    if (email != null && invited.has(email.toLowerCase()))
      return settle(refuse(409, `There is an open invitation for ${email} already: resend it, or delete it first`))
    if (email != null) invited.add(email.toLowerCase())
    const { id, ticket } = minted[i] as MintedInvite
    const value: Ticket = {
      purpose: 'invite',
      invite: id,
      ...who,
      role,
      ...(email == null ? {} : { email }),
      created: at.now,
      expires: later(at.now, INVITE_MS),
    }
    writes.push(ticketWrite(ticket, value))
    made.push({ ...viewInvite(at, value), inviteUrl: ticketUrl(url, ticket) })
  }
  return commit({ writes }, done(made))
}

/** A new link; the one before leads nowhere from then on. */
export function resendInvite(at: At, id: string, ticket: MintedTicket, url: string): Plan<Answer<UserInvite>> {
  const who = inviter(at)
  if ('kind' in who) return settle(who)
  const found = findInvite(at, id)
  if (found === undefined) return settle(refuse(404, NO_INVITE))
  const [oldId, before] = found
  if (before.email === undefined)
    return settle(
      refuse(400, 'Only an invitation to a mail address can be sent again: delete this one and make another'),
    )
  if (at.now - before.created < RESEND_MS)
    return settle(refuse(429, 'An invitation can be sent again once a minute: wait a little'))
  const value: Ticket = { ...before, resent: true, created: at.now, expires: later(at.now, INVITE_MS) }
  const { invite: _, ...dead } = before
  return commit(
    {
      writes: [
        ticketWrite(ticket, value),
        // Written as over rather than removed, so that the log has one line for it; it is swept with the others.
        { kind: 'ticket', id: oldId, expect: at.tailnet.version('ticket', oldId), value: { ...dead, expires: at.now } },
      ],
    },
    done({ ...viewInvite(at, value), inviteUrl: ticketUrl(url, ticket) }),
  )
}

export function deleteInvite(at: At, id: string): Plan<Answer<undefined>> {
  const who = inviter(at)
  if ('kind' in who) return settle(who)
  const found = findInvite(at, id)
  if (found === undefined) return settle(refuse(404, NO_INVITE))
  const [ticketId] = found
  const expect = at.tailnet.version('ticket', ticketId)
  return commit({ writes: [{ kind: 'ticket', id: ticketId, expect, value: null }] }, DONE)
}

export function findInvite({ tailnet, now }: Pick<At, 'tailnet' | 'now'>, id: string) {
  for (const entry of openInvites(tailnet, now)) if (entry[1].invite === id) return entry
  return undefined
}

/** People invite people; programs do not, whatever their scopes. */
function inviter({ caller }: At): Pick<Ticket, 'by' | 'inviter'> | Refusal {
  if (caller.kind === 'server') return { by: '' }
  if (caller.kind === 'token' && caller.user !== undefined)
    return { by: caller.user.loginName, inviter: userIdOf(caller) }
  return refuse(403, 'Only people invite people: this needs an API token that belongs to a user')
}
