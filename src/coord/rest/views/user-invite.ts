/** Invitations as the API shows them: without their link, which is known only while it is made. (api-v2.md §6.2) */

import { formatTime } from '../../../base/clock.ts'
import type { UserInvite } from '../../../wire/api/account-objects.ts'
import type { Ticket } from '../../model/records.ts'
import type { At } from '../call.ts'

export function viewInvite({ record }: Pick<At, 'record'>, ticket: Ticket): UserInvite {
  const { invite = '', role = 'member', inviter = 0, email, created, expires } = ticket
  return {
    id: invite,
    role,
    tailnetId: record.num,
    inviterId: inviter,
    ...(email === undefined ? {} : { email }),
    created: formatTime(created),
    expires: formatTime(expires),
  }
}
